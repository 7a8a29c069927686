"""Makes the section "WHAT WHY SAYS" of docs/posthouse.8 out of what the relay really said in tests/e2e/test_why.py:

    rm -rf /tmp/why; POSTHOUSE_WHY_FOLDER=/tmp/why ./dev e2e -k test_why
    tests/e2e/why_examples.py /tmp/why docs/posthouse.8

The words are the relay's. Lines are wrapped as on a terminal, and the tests' loopback addresses and ports become those
of an example, as every test makes its own.
"""

import re
import sys
import textwrap
from pathlib import Path

COLUMNS = 76
BEGIN, END = ".Sh WHAT WHY SAYS\n", ".Sh TROUBLE\n"  # END: the section that follows
INTRODUCTION = """.Cm why
tells where a message is and what it waits for; then each host that was tried, when, and its own words;
then what comes next, and what can be done.
It remembers attempts in memory, within limits; of those before its start it knows the number and the last one.
These are answers from real runs.
"""
SITUATIONS = [
    ("dns-timeout", "The name servers do not answer"),
    ("nxdomain", "The domain does not exist, and the report waits itself"),
    ("circuit-open", "The destination is down"),
    ("dead-host", "One server is dead, the other asks for patience"),
    ("greylisted", "Greylisting"),
    ("rate-limit", "A rate"),
    ("concurrency", "All connections to the destination are busy"),
    ("host-busy", "A server that stands for several destinations is busy"),
    ("turned-away", "The server has too many connections"),
    ("connections-limit", "All connections of the relay are busy"),
    ("delivering", "Under way, and the other server takes its time"),
    ("window", "Outside the hours of its route"),
    ("future-release", "The sender wanted it to go out later"),
    ("held", "Held by an operator"),
    ("in-doubt", "Nobody knows whether it has arrived"),
    ("after-another", "After a restart of the relay"),
    ("draining", "The relay is stopping"),
]  # fmt: skip


def wrapped(line):
    """As mta/cli/table.h does it: later lines are indented like the first."""
    indent = " " * (len(line) - len(line.lstrip()))
    options = {"subsequent_indent": indent, "break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(line, COLUMNS, **options) or [""]


def as_example(text):
    text = re.sub(r"no answer from 127\.0\.0\.1:\d+", "no answer from 127.0.0.1:53", text)
    text = text.replace(" from 127.0.0.1:53", " from 192.0.2.53:53")
    text = re.sub(r"127\.0\.0\.1([123])\]:\d+", r"192.0.2.\1]:25", text)
    text = re.sub(r"\[127\.0\.0\.1\]:\d+", "[192.0.2.7]:25", text)
    text = re.sub(r"(mx\d?\.\w+\.example):\d+", r"\1:25", text)
    return re.sub(r"127\.0\.0\.1:\d+", "192.0.2.7:25", text)


def section(folder):
    lines = [BEGIN + INTRODUCTION.rstrip("\n")]
    for name, title in SITUATIONS:
        path = Path(folder) / f"{name}.txt"
        if not path.exists():
            continue
        lines += [f".Ss {title}", ".Bd -literal"]
        for line in as_example(path.read_text()).splitlines():
            # No line of text may look like a request of the formatter.
            lines += ["\\&" + piece.replace("\\", "\\e") if piece else "" for piece in wrapped(line)]
        lines.append(".Ed")
    return "\n".join(lines) + "\n"


def shown(manual):
    """What the manual shows: the relay's answer by the situation's name."""
    text = manual.read_text().split(BEGIN, 1)[1].split(END, 1)[0]
    answers = dict(re.findall(r"^\.Ss (.*)\n\.Bd -literal\n\\&\$.*\n((?:.*\n)*?)\.Ed$", text, re.MULTILINE))
    return {name: answers[title].replace("\\&", "").replace("\\e", "\\") for name, title in SITUATIONS}


def without_moments(text):
    """Its words, without what differs from run to run: times, sizes, ids, and how many are in line."""
    text = " ".join(text.split())
    text = re.sub(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\b\d+(ms|[smhd])\b( \d+[smhd]\b)*", "SPAN", text)
    text = re.sub(r"just now|SPAN ago", "AGO", text)
    text = re.sub(r"at any moment|at once \(|in SPAN", "SOON", text)
    text = re.sub(r"\b[\d.]+ k?B\b", "SIZE", text)
    text = re.sub(r" \(\d+ messages in line\)", "", text)
    return re.sub(r"\b0000\w\w\b", "ID", text)


def main():
    folder, manual = sys.argv[1], Path(sys.argv[2])
    text = manual.read_text()
    before, rest = text.split(BEGIN, 1) if BEGIN in text else text.split(END, 1)
    after = rest.split(END, 1)[1] if BEGIN in text else rest
    manual.write_text(before + section(folder) + END + after)


if __name__ == "__main__":
    main()
