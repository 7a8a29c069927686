"""Crowds at the door: they end nothing, own clients are served, and the memory comes back."""

import json
import resource
import subprocess
import sys

import pytest
from harness import mail
from harness.posthouse import BINARY, CHECKOUT
from harness.wait import until


@pytest.mark.parametrize("descriptors", [256, 1024])
def test_a_flood_of_strangers_ends_nothing_and_own_clients_are_served(descriptors):
    done = subprocess.run(
        [sys.executable, CHECKOUT / "bench" / "flood.py", "--descriptors", str(descriptors), "--seconds", "4"],
        capture_output=True, text=True, timeout=240, env={"POSTHOUSE_BINARY": str(BINARY)})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["open_files_max"] < descriptors, result
    assert result["flood_connections"] > 2 * descriptors, result
    assert 1 <= result["refusal_lines"] <= 30, "one line a second, not one a connection"


def _resident_bytes(posthouse):
    with open(f"/proc/{posthouse.child.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_the_memory_of_clients_that_stalled_is_given_back(relay):
    posthouse = relay(relay={"networks": ["127.0.0.0/24"]})
    before = _resident_bytes(posthouse)
    half = mail.large_body(245_000)
    wires = []
    for number in range(400):
        wire = posthouse.wire(source=f"127.0.0.{1 + number // 100}")
        wires.append(wire)
        wire.hello()
        wire.envelope()
        wire.expect("354", "DATA")
        wire.send(b"Subject: stalled\r\n\r\n" + half)
    until(lambda: _resident_bytes(posthouse) > before + 40_000_000, "the clients have filled the memory", 60)
    for wire in wires:
        wire.close()
    until(lambda: _resident_bytes(posthouse) < before + 30_000_000, "it is given back", 60)
