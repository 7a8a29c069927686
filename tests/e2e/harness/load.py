"""Load with an account of it: a generator that knows what was acknowledged, a sink that knows what came.

Both are processes of their own, so that a Python thread does not slow the other end:

    python3 -m harness.load send PORT COUNT SESSIONS SIZE FILE     FILE: ids, each on its line once 250 was read
    python3 -m harness.load sink PORT FILE                         FILE: ids, each on its line before 250 is sent
"""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

from .child import Child

HERE = Path(__file__).resolve().parent
_STREAM_LIMIT = 1 << 22


def _spawn(name, log, *arguments):
    command = [sys.executable, "-m", "harness.load", name, *arguments]
    return Child(f"load {name}", command, log, cwd=HERE.parent, env={"PYTHONDONTWRITEBYTECODE": "1"})


class Sink:
    """Takes everything; counts() says how often each id came."""

    def __init__(self, port, folder):
        self.file = Path(folder) / "arrived"
        self.file.touch()
        self._child = _spawn("sink", Path(folder) / "sink.log", port, self.file)
        self._child.wait_for_log("listening")

    def counts(self):
        return Counter(self.file.read_text().split())

    def total(self):
        return self.file.stat().st_size // 9

    def stop(self):
        self._child.kill()


class Generator:
    """Sends `count` messages over `sessions` connections that stay open, and comes back after each failure."""

    def __init__(self, port, folder, count, sessions=20, size=4096):
        self.file = Path(folder) / "acknowledged"
        self.file.touch()
        self._child = _spawn("send", Path(folder) / "send.log", port, count, sessions, size, self.file)

    def acknowledged(self):
        return set(self.file.read_text().split())

    def total(self):
        return self.file.stat().st_size // 9

    def is_running(self):
        return self._child.is_running()

    def wait(self, seconds):
        status = self._child.wait(seconds)
        assert status == 0, self._child.log()

    def stop(self):
        if self._child.is_running():
            self._child.kill()


async def _expect(reader, code):
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[3:4] != b"-":
            if not line.startswith(code):
                raise ConnectionError(line.decode())
            return


async def _send_one(reader, writer, ident, size):
    writer.write(b"MAIL FROM:<load@client.test>\r\n")
    await _expect(reader, b"250")
    writer.write(b"RCPT TO:<%s@peer.test>\r\n" % ident)
    await _expect(reader, b"250")
    writer.write(b"DATA\r\n")
    await _expect(reader, b"354")
    filler = b"X" * 78 + b"\r\n"
    writer.write(b"X-Test-Id: %s\r\nSubject: load\r\n\r\n" % ident + filler * (size // 80) + b".\r\n")
    await _expect(reader, b"250")


async def _connect(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await _expect(reader, b"220")
    writer.write(b"EHLO load.test\r\n")
    await _expect(reader, b"250")
    return reader, writer


async def _session(port, todo, size, account):
    """An id is sent once: if its acknowledgement does not come, nobody knows whether it was taken, and it is left."""
    reader = writer = None
    while todo:
        try:
            if writer is None:
                reader, writer = await _connect(port)
            if not todo:
                break
            ident = todo.pop()
            await _send_one(reader, writer, ident, size)
            os.write(account, ident + b"\n")
        except (OSError, asyncio.IncompleteReadError):
            if writer:
                writer.close()
            writer = None
            await asyncio.sleep(0.05)
    if writer:
        writer.close()


async def _send(port, count, sessions, size, file):
    account = os.open(file, os.O_WRONLY | os.O_APPEND)
    todo = [b"%08d" % number for number in range(count)]
    await asyncio.gather(*(_session(port, todo, size, account) for _ in range(sessions)))


async def _take(reader, writer, account):
    try:
        writer.write(b"220 sink.test ESMTP\r\n")
        while True:
            line = await reader.readuntil(b"\r\n")
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                at = content.index(b"X-Test-Id: ") + len(b"X-Test-Id: ")
                os.write(account, content[at : at + 8] + b"\n")
                writer.write(b"250 2.0.0 taken\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def _sink(port, file):
    account = os.open(file, os.O_WRONLY | os.O_APPEND)
    server = await asyncio.start_server(
        lambda reader, writer: _take(reader, writer, account), "127.0.0.1", port, limit=_STREAM_LIMIT, backlog=1000
    )
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "send":
        asyncio.run(_send(*map(int, sys.argv[2:6]), sys.argv[6]))
    else:
        asyncio.run(_sink(int(sys.argv[2]), sys.argv[3]))
