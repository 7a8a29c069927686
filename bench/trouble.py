"""Measures what the trouble of one destination costs it and the others.

    bench/trouble.py [outage] [hung]      default: both

outage: messages wait for a next hop that is off. When it is back, the program measures the time until the first
delivery, beside the pause between two probes at that time, and the rate at which the backlog drains, beside the rate at
which a fresh relay passes the same mail on.

hung: half of the messages are for a next hop that accepts connections and sends nothing. The program measures the rate
of the others and the 99th percentile of their time from arrival to delivery, beside the same without the hung half.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from harness.ports import free_port  # noqa: E402
from harness.posthouse import Posthouse, route  # noqa: E402
from harness.receiver import HANG, Receiver, always  # noqa: E402
from harness.servers import PEERS, SmtpSink  # noqa: E402
from harness.wait import until  # noqa: E402

WAITING = int(os.environ.get("WAITING", "20000"))
HELD = int(os.environ.get("HELD", "25000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))

COUNTING = ("-c", "-m", "2000")  # the sink writes how many messages it has
USUAL = {"log": {"level": "info"}, "delivery": {}, "retry": {"schedule": ["1m", "5m", "15m", "30m", "1h"],
                                                            "max_interval": "4h"}}  # fmt: skip


def relay_to(*routes):
    relay = Posthouse(routes, **USUAL)
    relay.settings["delivery"] = {}
    return relay


def send(port, count, domain):
    subprocess.run([PEERS / "bin" / "smtp-source", "-d", "-s", "20", "-l", "4096", "-m", str(count), "-f",
                    "load@client.test", "-t", f"user@{domain}", f"127.0.0.1:{port}"], check=True)  # fmt: skip


def count_at(sink):
    with open(sink.child.log_path, "rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 100))
        seen = re.findall(rb"mesg=(\d+)\s", log.read())
    return int(seen[-1]) if seen else 0


def wait_for(sink, count, seconds=600):
    until(lambda: count_at(sink) >= count, lambda: f"{count} at the sink, not {count_at(sink)}", seconds, 0.005)


def stamp(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# ---- outage ----


def fresh_rate():
    port = free_port()
    with relay_to(route("peer.test", port)) as relay, SmtpSink(port, arguments=COUNTING, dump=False) as sink:
        began = time.monotonic()
        send(relay.port, WAITING, "peer.test")
        wait_for(sink, WAITING)
        return WAITING / (time.monotonic() - began)


def next_probe(relay):
    """When the next probe of the destination that is down may begin; None if it is up or being probed."""
    down = json.loads(relay.command("status", "--json").stdout)["destinations_in_trouble"]
    return stamp(down[0]["next_probe"]) if down and down[0].get("next_probe") else None


def after_outage():
    """The pause between two probes, the seconds to the first delivery, and the rate of the drain."""
    port = free_port()
    with relay_to(route("peer.test", port)) as relay:
        send(relay.port, WAITING, "peer.test")
        first_probe = until(lambda: next_probe(relay), "the next hop is down", 60)
        # The next hop comes back just after a probe, which makes the longest wait.
        probe = until(lambda: (next_probe(relay) or 0) > first_probe and next_probe(relay), "a probe fails", 60, 0.1)
        pause = probe - time.time()
        with SmtpSink(port, arguments=COUNTING, dump=False) as sink:
            back = time.time()
            until(lambda: count_at(sink) >= 1, "the first delivery", 400, 0.002)
            first = time.time()
            wait_for(sink, WAITING)
            return pause, first - back, WAITING / (time.time() - first)


def outage():
    print(f"outage: {WAITING} messages of 4 KB wait, {ROUNDS} rounds in turns")
    runs = [(fresh_rate(), *after_outage()) for _ in range(ROUNDS)]
    for _, pause, first, _ in runs:
        print(f"  first delivery {first:5.1f} s after the return; the pause between probes was {pause:.1f} s")
    fresh = statistics.median(run[0] for run in runs)
    drain = statistics.median(run[3] for run in runs)
    print(f"  fresh relay {fresh:6.0f} messages/s, drain {drain:6.0f} messages/s: {drain / fresh:.2f} of it")


# ---- hung ----


def times_of(log, domain):
    """Seconds from arrival to delivery of each message to the domain, as the relay's log has them."""
    came, took = {}, []
    line = re.compile(rf"^(\S+) info (received|delivered) id=(\S+) .*\bto=\S+@{re.escape(domain)}\b", re.M)
    for when, what, ident in line.findall(log):
        if what == "received":
            came[ident] = stamp(when)
        else:
            # A delivery may be logged before the 250, because it does not wait for it.
            took.append(max(0.0, stamp(when) - came[ident]) if ident in came else 0.0)
    return took


def one_run(hung, held):
    port = free_port()
    with relay_to(route("peer.test", port), route("hung.test", hung.port)) as relay:
        if held:
            send(relay.port, held, "hung.test")
        with SmtpSink(port, arguments=COUNTING, dump=False) as sink:
            began = time.monotonic()
            send(relay.port, HELD, "peer.test")
            wait_for(sink, HELD)
            rate = HELD / (time.monotonic() - began)
            took = times_of(relay.log(), "peer.test")
            assert len(took) == HELD, f"{len(took)} deliveries in the log"
            return rate, statistics.quantiles(took, n=100)[98] * 1000


def hung():
    print(f"hung: {HELD} messages of 4 KB wait for a next hop that says nothing, {HELD} go elsewhere; {ROUNDS} rounds")
    with Receiver() as receiver:
        receiver.script["CONNECT"] = always(HANG)
        runs = [(one_run(receiver, 0), one_run(receiver, HELD)) for _ in range(ROUNDS)]
    alone = [statistics.median(run[0][i] for run in runs) for i in (0, 1)]
    beside = [statistics.median(run[1][i] for run in runs) for i in (0, 1)]
    print(f"  alone   {alone[0]:6.0f} messages/s, p99 {alone[1]:5.0f} ms")
    print(f"  beside  {beside[0]:6.0f} messages/s, p99 {beside[1]:5.0f} ms")
    print(f"  rate {beside[0] / alone[0]:.2f} of what it is alone, p99 {beside[1] / alone[1]:.2f} times")


def main():
    wanted = sys.argv[1:] or ["outage", "hung"]
    for name in wanted:
        {"outage": outage, "hung": hung}[name]()


if __name__ == "__main__":
    main()
