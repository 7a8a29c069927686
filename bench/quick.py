"""./dev bench --quick: how fast mail goes through the relay, beside the same two programs without it.

smtp-source (20 sessions kept open, 4 KB messages) to smtp-sink, directly and through Posthouse, in turns, because these
rates mean something only beside each other. The clock stops when the sink has the last message.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from harness.posthouse import BINARY, Posthouse, route  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.servers import PEERS, SmtpSink  # noqa: E402
from harness.wait import until  # noqa: E402

MESSAGES = int(os.environ.get("MESSAGES", "3000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))

COUNTING = ("-c", "-m", "2000")  # the sink writes how many messages it has


def last_words(sink):
    with open(sink.child.log_path, "rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 200))
        return log.read().decode().replace("\r", " ").replace("\n", " ") + " "


def seconds_of_a_run(source_port, sink):
    began = time.monotonic()
    subprocess.run([PEERS / "bin" / "smtp-source", "-d", "-s", "20", "-l", "4096", "-m", str(MESSAGES), "-f",
                    "load@client.test", "-t", "user@peer.test", f"127.0.0.1:{source_port}"], check=True)  # fmt: skip
    accepted = time.monotonic() - began
    until(lambda: f"mesg={MESSAGES} " in last_words(sink), lambda: f"all at the sink: {last_words(sink)}", 120, 0.005)
    return accepted, time.monotonic() - began


def direct():
    with SmtpSink(arguments=COUNTING, dump=False) as sink:
        return seconds_of_a_run(sink.port, sink)


def relayed():
    port = free_port()
    with Posthouse([route("peer.test", port)], log={"level": "info"}) as relay:
        with SmtpSink(port, arguments=COUNTING, dump=False) as sink:
            return seconds_of_a_run(relay.port, sink)


def main():
    if not BINARY.exists():
        sys.exit(f"{BINARY} is missing: ./dev build")
    print(f"smtp-source -d -s 20 -l 4096 -m {MESSAGES}; {ROUNDS} rounds in turns, {os.cpu_count()} cores")
    runs = [(direct(), relayed()) for _ in range(ROUNDS)]

    def line(name, seconds):
        rates = sorted(MESSAGES / value for value in seconds)
        print(f"{name:42} {statistics.median(rates):8.0f} messages/s   ({rates[0]:.0f} to {rates[-1]:.0f})")
        return statistics.median(rates)

    base = line("source -> sink", [d[1] for d, _ in runs])
    line("source -> posthouse, until the last 250", [r[0] for _, r in runs])
    rate = line("source -> posthouse -> sink", [r[1] for _, r in runs])
    print(f"through the relay: {rate / base:.2f} of the direct rate")


if __name__ == "__main__":
    main()
