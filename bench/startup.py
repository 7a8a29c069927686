"""Measures how long a start takes with many messages in the spool, and how much memory they cost.

    bench/startup.py [--kill] [MESSAGES...]      default: 100000 1000000

For each number, the program makes a spool of deferred messages of 1 kB with one recipient, drops the page cache (if
that is allowed) and starts the relay on it. It measures the time until the relay sends 220 and until all queued
messages are loaded. With --kill, the spool is one that a kill -9 has left: its last segments have no digest yet.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = ROOT / "build/release/posthouse"
FILL = ROOT / "build/release/bench_fill_spool"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def memory_kib(pid, field):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M).group(1))


def drop_page_cache():
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
        return "cold"
    except OSError:
        return "warm"


def until_220(port, deadline):
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                if client.recv(100).startswith(b"220"):
                    return
        except OSError:
            time.sleep(0.002)
    raise SystemExit("no greeting in time")


def start(folder, kill=False):
    port = free_port()
    config = folder / "posthouse.toml"
    config.write_text(
        f'hostname = "relay.test"\n[spool]\npath = "{folder}/spool"\nfree_percent = 0\nfree_space = "1MB"\n'
        f'[[listener]]\naddress = "127.0.0.1:{port}"\n[relay]\nnetworks = ["127.0.0.0/8"]\n'
        f'[[route]]\ndomain = "*"\nhosts = ["127.0.0.1:9"]\n[admin]\nsocket = "{folder}/admin.sock"\n'
    )
    log = open(folder / "log", "w+")
    began = time.monotonic()
    relay = subprocess.Popen([BINARY, "serve", "--config", config], stderr=log)
    deadline = began + 600
    until_220(port, deadline)
    accepting = time.monotonic() - began
    while "spool_loaded" not in (folder / "log").read_text():
        if time.monotonic() > deadline or relay.poll() is not None:
            raise SystemExit("not loaded:\n" + (folder / "log").read_text()[-2000:])
        time.sleep(0.005)
    loaded = time.monotonic() - began
    queued = int(re.search(r"spool_loaded.*queued=(\d+)", (folder / "log").read_text()).group(1))
    result = {
        "accepting": accepting,
        "loaded": loaded,
        "queued": queued,
        "rss": memory_kib(relay.pid, "VmRSS"),
        "peak": memory_kib(relay.pid, "VmHWM"),
    }
    relay.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
    relay.wait(60)
    log.close()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--folder", default=None, help="where the spools are made (default: a temporary folder)")
    parser.add_argument("messages", nargs="*", type=int, default=[100_000, 1_000_000])
    arguments = parser.parse_args()
    base = None
    print("| queued | cache | accepting s | loaded s | resident MiB | bytes a message | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for count in [0, *(arguments.messages or [100_000, 1_000_000])]:
        folder = Path(tempfile.mkdtemp(prefix="ph-startup-", dir=arguments.folder))
        try:
            subprocess.run([FILL, folder / "spool", str(count)], check=True)
            if arguments.kill:
                start(folder, kill=True)
            cache = drop_page_cache()
            seen = start(folder)
            if seen["queued"] != count:
                raise SystemExit(f"{seen['queued']} of {count} messages are there")
            base = seen["rss"] if base is None else base
            each = (seen["rss"] - base) * 1024 / count if count else 0
            print(
                f"| {count} | {cache} | {seen['accepting']:.2f} | {seen['loaded']:.2f} | {seen['rss'] / 1024:.0f} "
                f"| {each:.0f} | {seen['peak'] / 1024:.0f} |",
                flush=True,
            )
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
