"""Measures the cost of one message to very many domains, each of which answers "later".

    bench/recipients.py [RECIPIENTS...]      default: 1000 10000

A message of 1 kB goes to so many domains, each with an MX and an address of its own, which answer RCPT with 450. The
program measures until all have been tried once and then, after `flush`, once more. It reports the bytes that the
process wrote (to its spool, to the servers and to its log), those of the spool alone, seconds, CPU seconds and peak
memory, how long `flush` took, and the longest time that a question on the admin socket took meanwhile.
"""

import asyncio
import multiprocessing
import os
import re
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from harness.ports import free_port  # noqa: E402
from harness.posthouse import Posthouse  # noqa: E402

A, MX = 1, 15
BODY = "Subject: to very many\r\n\r\n" + "x" * 78 + "\r\n"
TICKS = os.sysconf("SC_CLK_TCK")


def answer(packet):
    """Answers so that d7.test has the MX mx.d7.test, which has the address 127.1.0.7."""
    end = packet.index(b"\0", 12) + 1
    kind = struct.unpack("!H", packet[end : end + 2])[0]
    head = packet[:2] + struct.pack("!5H", 0x8580, 1, 1, 0, 0) + packet[12 : end + 4]
    if kind == MX:
        return head + struct.pack("!HHHIHH", 0xC00C, MX, 1, 3600, 7, 10) + b"\x02mx\xc0\x0c"
    number = int(re.search(rb"d(\d+)", packet[12:end]).group(1))
    if kind == A:
        return head + struct.pack("!HHHIH", 0xC00C, A, 1, 3600, 4) + bytes((127, 1, number >> 8, number & 255))
    return packet[:2] + struct.pack("!5H", 0x8580, 1, 0, 0, 0) + packet[12 : end + 4]


def serve_names(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names:
        names.bind(("127.0.0.1", port))
        while True:
            packet, peer = names.recvfrom(4096)
            names.sendto(answer(packet), peer)


async def say_later(reader, writer):
    try:
        writer.write(b"220 later.test ESMTP\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            reply = {b"EHLO": b"250-later.test\r\n250-PIPELINING\r\n250 SIZE 100000000", b"RCPT": b"450 4.2.1 later",
                     b"DATA": b"503 5.5.1 no recipients", b"QUIT": b"221 bye"}.get(verb, b"250 ok")  # fmt: skip
            writer.write(reply + b"\r\n")
            if verb == b"QUIT":
                break
        await writer.drain()
    except OSError:
        pass
    writer.close()


def serve_mail(port):
    async def serve():
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("0.0.0.0", port))  # noqa: S104: each server has an address of 127.1.0.0/16
        await (await asyncio.start_server(say_later, sock=listening, backlog=4096)).serve_forever()

    asyncio.run(serve())


def submit(port, count):
    with socket.create_connection(("127.0.0.1", port)) as client:
        replies = client.makefile("rb")
        replies.readline()
        for line in ("HELO bench.test", "MAIL FROM:<bench@client.test>"):
            client.sendall(f"{line}\r\n".encode())
            replies.readline()
        for number in range(count):
            client.sendall(f"RCPT TO:<bob@d{number}.test>\r\n".encode())
            assert replies.readline().startswith(b"250"), "a recipient was refused"
        client.sendall(b"DATA\r\n")
        replies.readline()
        client.sendall((BODY + "\r\n" * 450 + ".\r\n").encode())
        assert replies.readline().startswith(b"250"), "the message was refused"


class Usage:
    """What the relay's process uses from now on."""

    def __init__(self, pid):
        self.pid = pid
        self.begin = self.now()

    def now(self):
        written = int(re.search(r"wchar: (\d+)", Path(f"/proc/{self.pid}/io").read_text()).group(1))
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return written, (int(fields[11]) + int(fields[12])) / TICKS, time.monotonic()

    def since(self):
        written, cpu, seconds = (b - a for a, b in zip(self.begin, self.now()))
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text()).group(1))
        return written / 1e6, cpu, seconds, peak / 1024


def deferred(relay):
    return relay.child.log().count(" deferred id=")


def wait_for(relay, count, seconds):
    """Waits until so many were deferred; returns the longest time of a question meanwhile."""
    longest, end = 0.0, time.monotonic() + seconds
    while deferred(relay) < count:
        asked = time.monotonic()
        relay.command("status", "--json", seconds=600)
        longest = max(longest, time.monotonic() - asked)
        assert time.monotonic() < end, f"{deferred(relay)} of {count} were tried in {seconds} s"
        time.sleep(0.5)
    return longest


def run(count):
    names, mail = free_port(), free_port()
    servers = [multiprocessing.Process(target=serve_names, args=(names,), daemon=True),
               multiprocessing.Process(target=serve_mail, args=(mail,), daemon=True)]  # fmt: skip
    for server in servers:
        server.start()
    relay = Posthouse(
        [],
        dns={"servers": [f"127.0.0.1:{names}"], "timeout": "5s", "tries": 3},
        delivery={"port": mail, "allow_networks": ["127.0.0.0/8"], "connect_timeout": "30s"},
        retry={"schedule": ["2h"], "max_interval": "2h"},
        inbound={"recipients": max(count, 1000)},
        log={"level": "info"},
    )
    with relay:
        time.sleep(2)  # a segment is being made ready
        submit(relay.port, count)
        for what in ("first round", "second round"):
            usage = Usage(relay.child.process.pid)
            flush = 0.0
            if what == "second round":
                asked = time.monotonic()
                relay.command("flush", seconds=600)
                flush = time.monotonic() - asked
            longest = wait_for(relay, count if what == "first round" else 2 * count, 1800)
            time.sleep(1)
            written, cpu, seconds, peak = usage.since()
            figures = (count, what, f"{written:.1f}", f"{seconds:.0f}", f"{cpu:.1f}", f"{peak:.0f}", f"{flush:.1f}",
                       f"{longest:.1f}")  # fmt: skip
            print("|", " | ".join(map(str, figures)), "|", flush=True)
        relay.stop(seconds=600)
    for server in servers:
        server.terminate()


def main():
    print("| recipients | | written MB | s | CPU s | peak MiB | flush s | longest answer s |")
    print("|---|---|---|---|---|---|---|---|")
    for count in [int(text) for text in sys.argv[1:]] or [1000, 10000]:
        run(count)


if __name__ == "__main__":
    main()
