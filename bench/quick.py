"""./dev bench --quick: the rate of mail through the relay, beside that of the same two programs without it.

smtp-source (20 sessions kept open, 4 KB messages) sends to smtp-sink, directly and through Posthouse, in turns, because
these rates mean something only beside each other. The clock stops when the sink has the last message.

SESSIONS=1 sends over one session instead; OTHER=path/to/posthouse runs that binary in the same turns.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from harness.posthouse import BINARY, Posthouse, route  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.servers import PEERS, SmtpSink  # noqa: E402
from harness.wait import until  # noqa: E402

MESSAGES = int(os.environ.get("MESSAGES", "3000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SESSIONS = int(os.environ.get("SESSIONS", "20"))
OTHER = os.environ.get("OTHER")

COUNTING = ("-c", "-m", "2000")  # the sink writes how many messages it has


def last_words(sink):
    with open(sink.child.log_path, "rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 200))
        return log.read().decode().replace("\r", " ").replace("\n", " ") + " "


def seconds_of_a_run(source_port, sink):
    began = time.monotonic()
    subprocess.run([PEERS / "bin" / "smtp-source", "-d", "-s", str(SESSIONS), "-l", "4096", "-m", str(MESSAGES), "-f",
                    "load@client.test", "-t", "user@peer.test", f"127.0.0.1:{source_port}"], check=True)  # fmt: skip
    accepted = time.monotonic() - began
    until(lambda: f"mesg={MESSAGES} " in last_words(sink), lambda: f"all at the sink: {last_words(sink)}", 120, 0.005)
    return accepted, time.monotonic() - began


def direct():
    with SmtpSink(arguments=COUNTING, dump=False) as sink:
        return seconds_of_a_run(sink.port, sink)


def syncs_of(relay):
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(relay.settings["admin"]["socket"])
        admin.sendall(b"GET /metrics HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
    return float(re.search(r"^posthouse_spool_syncs_total (\S+)", text, re.MULTILINE)[1])


def relayed(binary=None):
    port = free_port()
    with mock.patch("harness.posthouse.BINARY", Path(binary or BINARY)):
        with Posthouse([route("peer.test", port)], log={"level": "info"}) as relay:
            with SmtpSink(port, arguments=COUNTING, dump=False) as sink:
                before = syncs_of(relay)
                accepted, delivered = seconds_of_a_run(relay.port, sink)
                return accepted, delivered, (syncs_of(relay) - before) / MESSAGES


def main():
    if not BINARY.exists():
        sys.exit(f"{BINARY} is missing: ./dev build")
    print(f"smtp-source -d -s {SESSIONS} -l 4096 -m {MESSAGES}; {ROUNDS} rounds in turns, {os.cpu_count()} cores")
    runs = [(direct(), relayed(), relayed(OTHER) if OTHER else None) for _ in range(ROUNDS)]

    def line(name, seconds):
        rates = sorted(MESSAGES / value for value in seconds)
        print(f"{name:42} {statistics.median(rates):8.0f} messages/s   ({rates[0]:.0f} to {rates[-1]:.0f})")
        return statistics.median(rates)

    def relay_lines(name, relay_runs):
        line(f"source -> {name}, until the last 250", [r[0] for r in relay_runs])
        rate = line(f"source -> {name} -> sink", [r[1] for r in relay_runs])
        print(f"{name}: {rate / base:.2f} of the direct rate, "
              f"{statistics.median(r[2] for r in relay_runs):.2f} syncs a message")  # fmt: skip

    base = line("source -> sink", [d[1] for d, _, _ in runs])
    relay_lines("posthouse", [r for _, r, _ in runs])
    if OTHER:
        relay_lines("the other", [r for _, _, r in runs])


if __name__ == "__main__":
    main()
