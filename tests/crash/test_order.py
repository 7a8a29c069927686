"""The order of system calls, as strace saw it: no 250 to a final dot before the sync that covers the message."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest
from harness.ports import free_port
from harness.posthouse import route
from rig import load
from rig.account import Account
from rig.plan import SMALL_SIZES, Plan
from rig.relay import Relay
from rig.untested import need_strace

COUNT = 150
_LINE = re.compile(rb"^(\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<name>\w+)\()(?P<rest>.*)$")
_SEGMENT = re.compile(rb"^\d+<([^>]*/seg/[^>]*\.log)>")
_QUEUED = re.compile(rb"250 2\.0\.0 queued as (\w+)")
# The reverse-path in the record that makes the message exist; in the header it stands in angle brackets.
_ENQUEUED = re.compile(rb"(?<!<)s-(\d+)@back\.test")
_LOGGED = re.compile(rb" received id=(\w+) from=s-(\d+)@back\.test")


def calls_of(trace):
    """(thread, name, arguments and result, "begin" | "end") in the order of the trace."""
    begun = {}
    for line in trace.split(b"\n"):
        match = _LINE.match(line)
        if not match:
            continue
        thread, rest = match[1], match["rest"]
        if match["resumed"]:
            text = begun.pop((thread, match["resumed"]), b"") + rest
            yield thread, match["resumed"].decode(), text, "end"
        elif rest.endswith(b"<unfinished ...>"):
            begun[thread, match["name"]] = rest.removesuffix(b"<unfinished ...>")
            yield thread, match["name"].decode(), rest, "begin"
        else:
            yield thread, match["name"].decode(), rest, "begin"
            yield thread, match["name"].decode(), rest, "end"


def has_succeeded(text):
    result = text.rpartition(b" = ")[2]
    return result[:1].isdigit()


def early_answers(trace):
    """The numbers of messages that were acknowledged, and of those that were before they were certain: before the end
    of a good sync of the file that the record was written to, begun after that write had ended."""
    number_of = dict(_LOGGED.findall(trace))
    written, syncing, certain = {}, {}, set()  # number: file; thread: numbers; numbers
    acknowledged, early = set(), set()
    for thread, name, text, edge in calls_of(trace):
        segment = _SEGMENT.match(text)
        if name in ("pwrite64", "pwritev", "pwritev2", "write") and segment and edge == "end" and has_succeeded(text):
            written.update({number: segment[1] for number in _ENQUEUED.findall(text)})
        elif name in ("fdatasync", "fsync") and segment and edge == "begin":
            syncing[thread] = {number for number, file in written.items() if file == segment[1]}
        elif name in ("fdatasync", "fsync") and segment and has_succeeded(text):
            certain |= syncing.pop(thread, set())
        elif name in ("write", "writev", "sendto", "sendmsg", "sendmmsg") and edge == "begin" and not segment:
            answered = {number_of[ident] for ident in _QUEUED.findall(text)}
            acknowledged |= answered
            early |= answered - certain
    return acknowledged, early


@pytest.fixture(scope="module")
def trace():
    """Of a run in which many clients are served at once."""
    need_strace("the order of syncs and answers was")
    folder = Path(tempfile.mkdtemp(prefix="order-"))
    path = folder / "trace"
    path.touch()
    calls = "?pwrite64,?pwritev,?pwritev2,?write,?writev,?sendto,?sendmsg,?sendmmsg,?fdatasync,?fsync"
    under = ["strace", "-D", "-f", "--seccomp-bpf", "-y", "-s", "400000", "-o", path, "-e", f"trace={calls}"]
    plan = Plan(1, SMALL_SIZES)
    relay = Relay(folder / "spool", [route("*", free_port())], under)
    account = Account(folder / "account")
    try:
        relay.start()
        load.send(relay.port, plan, range(COUNT), account, sessions=8)
        relay.stop()
    finally:
        relay.discard()
        account.close()
    yield path.read_bytes()
    shutil.rmtree(folder)


def test_no_250_leaves_before_the_sync_that_covers_it(trace):
    acknowledged, early = early_answers(trace)
    assert len(acknowledged) == COUNT
    assert not early


# Each of these traces is of a relay that lies; a check that does not notice proves nothing.
def without_syncs(trace):
    return re.sub(rb"(?m)^\d+ +(<\.\.\. )?fdatasync.*\n", b"", trace)


def with_failing_syncs(trace):
    return re.sub(rb"(?m)^(\d+ +(?:<\.\.\. )?fdatasync.*) = 0$", rb"\1 = -1 EIO (Input/output error)", trace)


def with_an_early_answer(trace):
    """One 250 leaves as soon as the message is written."""
    lines = trace.split(b"\n")
    answer = next(at for at, line in enumerate(lines) if _QUEUED.search(line))
    number = dict(_LOGGED.findall(trace))[_QUEUED.search(lines[answer])[1]]
    write = next(at for at, line in enumerate(lines) if b"/seg/" in line and number in _ENQUEUED.findall(line))
    lines.insert(write + 1, lines.pop(answer))
    return b"\n".join(lines)


def with_syncs_of_another_file(trace):
    return re.sub(rb"(?m)^(\d+ +fdatasync\(\d+<[^>]*)\.log>", rb"\1.other>", trace)


@pytest.mark.parametrize(
    "doctor", [without_syncs, with_failing_syncs, with_an_early_answer, with_syncs_of_another_file]
)
def test_a_doctored_trace_is_noticed(trace, doctor):
    assert early_answers(doctor(trace))[1]
