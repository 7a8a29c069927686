"""Clients: as a process of its own, so that it does not slow the other end.

    python3 -m rig.load PORT SEED SIZES FIRST COUNT SESSIONS ACCOUNT

sends the messages FIRST ... FIRST + COUNT - 1 of the plan, each once, and comes back after each failure.
"""

import asyncio
import sys
from pathlib import Path

from harness.child import Child

from . import plan as plans
from .account import Account

HERE = Path(__file__).resolve().parents[1]


class Load:
    def __init__(self, port, plan, account_path, first=0, count=1000, sessions=12, log="load.log"):
        sizes = "small" if plan._sizes is plans.SMALL_SIZES else "mixed"
        command = [sys.executable, "-m", "rig.load", port, plan.seed, sizes, first, count, sessions, account_path]
        self.child = Child("load", command, log, cwd=HERE, env={"PYTHONDONTWRITEBYTECODE": "1"})

    def is_running(self):
        return self.child.is_running()

    def stop(self):
        if self.child.is_running():
            self.child.kill()


async def _reply(reader):
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[3:4] != b"-":
            return line[:-2].decode(errors="replace")


async def _say(reader, writer, command, wanted):
    writer.write(command)
    reply = await _reply(reader)
    if not reply.startswith(wanted):
        raise ConnectionError(reply)


async def _connect(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await _say(reader, writer, b"", "220")
        await _say(reader, writer, b"EHLO load.test\r\n", "250")
    except BaseException:
        writer.close()
        raise
    return reader, writer


async def _send(reader, writer, message, account):
    await _say(reader, writer, f"MAIL FROM:<{message.sender}>\r\n".encode(), "250")
    for address in message.recipients:
        await _say(reader, writer, f"RCPT TO:<{address}>\r\n".encode(), "250")
    await _say(reader, writer, b"DATA\r\n", "354")
    writer.write(message.content().replace(b"\r\n.", b"\r\n.."))
    await writer.drain()
    account.note("S", message.number)
    writer.write(b".\r\n")
    reply = await _reply(reader)
    if not reply.startswith("250"):
        raise ConnectionError(reply)
    account.note("A", message.number)


async def _session(port, plan, todo, account, is_over):
    reader = writer = message = None
    while todo and not is_over():
        message = None
        try:
            if writer is None:
                reader, writer = await _connect(port)
            if not todo:
                break
            message = plan.message(todo.pop(0))
            await _send(reader, writer, message, account)
        except (OSError, asyncio.IncompleteReadError) as error:
            if message:
                account.note("R", message.number, str(error).replace("\n", " "))
            if writer:
                writer.close()
            writer = None
            await asyncio.sleep(0.02)
    if writer:
        writer.close()


async def _run(port, plan, numbers, sessions, account, is_over):
    todo = list(numbers)
    await asyncio.gather(*(_session(port, plan, todo, account, is_over) for _ in range(sessions)))


def send(port, plan, numbers, account, sessions=3, is_over=lambda: False):
    """The same within this process; comes back when all were sent, or when `is_over` says so."""
    asyncio.run(_run(port, plan, numbers, sessions, account, is_over))


def main(port, seed, sizes, first, count, sessions, account_path):
    plan = plans.Plan(int(seed), plans.SMALL_SIZES if sizes == "small" else plans.SIZES)
    numbers = range(int(first), int(first) + int(count))
    send(int(port), plan, numbers, Account(account_path), int(sessions))


if __name__ == "__main__":
    main(*sys.argv[1:])
