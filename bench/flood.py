"""Measures how long own clients wait, and whether the relay survives, while strangers flood it with connections.

    bench/flood.py [--descriptors 1024] [--seconds 60] [--rate 0] [--flooders 2] [--senders 2] [--pause 0.02]

Each flooder is a process that connects from addresses outside of relay.networks and keeps its end open as long as it
can, even after the relay has ended the connection, until it has too many itself. `--rate` limits each flooder's
connections a second; with 0 it makes as many as the machine allows. Own clients send one message a connection, one
after another, with a pause between. Everything stays on the loopback interface.

The program prints one line of JSON. Its exit status is 1 if the relay ended or an own client was not served.
"""

import argparse
import collections
import errno
import json
import multiprocessing
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from harness import posthouse as harness  # noqa: E402
from harness.receiver import Receiver  # noqa: E402
from harness.wire import Wire  # noqa: E402

OPEN_MAX = 8000  # sockets of a flooder
NOT_NOW = (errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EAGAIN)


def flood(number, port, seconds, rate, open_max, results):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    open_max = max(16, min(open_max, hard - 64))
    sockets = collections.deque()
    made = failed = 0
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        if rate and made >= rate * passed:
            time.sleep(0.001)
            continue
        one = socket.socket()
        one.setblocking(False)
        try:
            # Each flooder has its own networks, so that the limit of one network does not stop it.
            one.bind((f"127.{10 + number}.{made // 100 % 250}.9", 0))
            one.connect_ex(("127.0.0.1", port))
            made += 1
        except OSError as error:
            if error.errno not in NOT_NOW:
                raise
            failed += 1
        sockets.append(one)
        while len(sockets) > open_max:
            sockets.popleft().close()
    results.put((made, failed))


def send(port, until, pause, results):
    waits, trouble = [], []
    message = b"Subject: one of ours\r\n\r\n" + b"x" * 70 + b"\r\n.\r\n"
    while time.monotonic() < until:
        begun = time.monotonic()
        try:
            with Wire(port, timeout=30) as wire:
                wire.hello()
                wire.envelope()
                reply = wire.data(message)
                assert reply and reply.startswith("250"), reply
                wire.expect("221", "QUIT")
            waits.append(time.monotonic() - begun)
        except (OSError, AssertionError) as error:
            trouble.append(repr(error)[:200])
        time.sleep(pause)
    results.put((waits, trouble))


def look_at(pid):
    """Resident bytes and open files."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize(), len(os.listdir(f"/proc/{pid}/fd"))


def with_descriptors(count, folder):
    wrapper = Path(folder) / "posthouse"
    wrapper.write_text(f'#!/bin/sh\nulimit -n {count} || exit 1\nexec {harness.BINARY} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


def run(arguments):
    results_of_flooders, results_of_senders = multiprocessing.Queue(), multiprocessing.Queue()
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        harness.BINARY = with_descriptors(arguments.descriptors, folder)
        relay = harness.Posthouse([harness.route("*", receiver.port)], relay={"networks": ["127.0.0.1/32"]})
        relay.settings["log"] = {"level": "info"}
        relay.start()
        try:
            idle_bytes, _ = look_at(relay.child.pid)
            until = time.monotonic() + arguments.seconds
            flooders = [
                multiprocessing.Process(
                    target=flood,
                    args=(number, relay.port, arguments.seconds, arguments.rate, OPEN_MAX, results_of_flooders),
                )
                for number in range(arguments.flooders)
            ]
            senders = [
                multiprocessing.Process(target=send, args=(relay.port, until, arguments.pause, results_of_senders))
                for _ in range(arguments.senders)
            ]
            for process in flooders + senders:
                process.start()
            bytes_max = files_max = 0
            while time.monotonic() < until and relay.child.is_running():
                resident, files = look_at(relay.child.pid)
                bytes_max, files_max = max(bytes_max, resident), max(files_max, files)
                time.sleep(0.1)
            floods = [results_of_flooders.get(timeout=60) for _ in flooders]
            sent = [results_of_senders.get(timeout=120) for _ in senders]
            for process in flooders + senders:
                process.join()
            is_running = relay.child.is_running()
            log = relay.log()
            if is_running:
                relay.stop()
        finally:
            relay.close(check=False) if relay.child.is_running() else None
    waits = sorted(wait for waits, _ in sent for wait in waits)
    trouble = [words for _, troubles in sent for words in troubles]
    return {
        "descriptors": arguments.descriptors,
        "seconds": arguments.seconds,
        "flood_connections": sum(made for made, _ in floods),
        "own_messages": len(waits),
        "own_ms_median": round(1000 * statistics.median(waits), 1) if waits else None,
        "own_ms_p99": round(1000 * waits[int(len(waits) * 0.99)], 1) if waits else None,
        "own_ms_max": round(1000 * waits[-1], 1) if waits else None,
        "own_not_served": trouble[:5],
        "resident_MB_idle": round(idle_bytes / 1e6, 1),
        "resident_MB_max": round(bytes_max / 1e6, 1),
        "open_files_max": files_max,
        "refusal_lines": log.count(" connections_refused ") + log.count("\nconnections_refused "),
        "log_lines": log.count("\n"),
        "is_running": is_running,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--descriptors", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--flooders", type=int, default=2)
    parser.add_argument("--senders", type=int, default=2)
    parser.add_argument("--pause", type=float, default=0.02)
    result = run(parser.parse_args())
    print(json.dumps(result))
    return 0 if result["is_running"] and result["own_messages"] and not result["own_not_served"] else 1


if __name__ == "__main__":
    sys.exit(main())
