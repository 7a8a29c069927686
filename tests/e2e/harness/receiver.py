"""A receiving server that does what the test says, stage by stage, and keeps what it is given.

    with Receiver() as receiver:
        receiver.script["RCPT"] = replies("450 4.2.1 busy", None)   # the first RCPT; then the usual answer
        receiver.script["DOT"] = always(DROP)                       # closes instead of answering the final dot
        ... receiver.wait_for(1) ...

Stages: CONNECT, EHLO, HELO, MAIL, RCPT, DATA, DOT (the end of a message, by DATA or BDAT LAST), RSET, NOOP, QUIT.
A script is called with (session, argument) and returns a reply, an action (DROP, HANG), or None for the usual answer.
"""

import asyncio
import threading
from dataclasses import dataclass, field

from .mail import ident_of
from .ports import free_port
from .wait import until

DROP = object()  # reset the connection
HANG = object()  # never answer, keep the connection open

DEFAULT_CAPABILITIES = ("PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN")
_STREAM_LIMIT = 1 << 27


def always(answer):
    return lambda session, argument: answer


def replies(*answers):
    """The given answers one after the other, then the last of them for ever."""
    left = list(answers)
    return lambda session, argument: left.pop(0) if len(left) > 1 else left[0]


@dataclass
class Received:
    sender: str
    sender_parameters: str
    recipients: list  # (address, parameters)
    content: bytes  # without dot-stuffing
    wire: bytes  # as it came, with it
    ehlo: str
    verb: str  # "DATA" or "BDAT"
    connection: int
    ident: str = field(default=None)
    peer: str = ""  # the address that it came from

    @property
    def addresses(self):
        return [address for address, _ in self.recipients]


class _Closed(Exception):
    pass


class _Session:
    def __init__(self, owner, reader, writer, number):
        self.owner, self.reader, self.writer, self.number = owner, reader, writer, number
        self.ehlo = ""
        self.peer = writer.get_extra_info("peername")
        self.reset()

    def reset(self):
        self.sender = None
        self.sender_parameters = ""
        self.recipients = []
        self.chunks = []

    async def answer(self, stage, argument, usual):
        """Sends what the script says, or the usual; True if it was a 2xx or 3xx."""
        script = self.owner.script.get(stage)
        reply = script(self, argument) if script else None
        if reply is None:
            reply = usual
        if reply is HANG:
            await self.owner.stopped.wait()
        if reply is DROP or reply is HANG:
            self.writer.transport.abort()
            raise _Closed
        self.writer.write(reply.replace("\n", "\r\n").encode() + b"\r\n")
        await self.writer.drain()
        if reply.startswith("421"):
            raise _Closed
        return reply[0] in "23"

    async def run(self):
        await self.answer("CONNECT", "", "220 receiver.test ESMTP")
        while True:
            line = (await self.reader.readuntil(b"\r\n"))[:-2].decode("utf-8", "surrogateescape")
            self.owner.commands.append(line)
            verb, _, argument = line.partition(" ")
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler is None:
                await self.answer(verb.upper(), argument, "502 5.5.1 what is that?")
            else:
                await handler(argument)

    async def on_ehlo(self, argument):
        self.ehlo = argument
        self.reset()
        names = ("receiver.test",) + tuple(self.owner.capabilities)
        text = "\n".join(f"250{'-' if i + 1 < len(names) else ' '}{name}" for i, name in enumerate(names))
        await self.answer("EHLO", argument, text)

    async def on_helo(self, argument):
        self.ehlo = argument
        self.reset()
        await self.answer("HELO", argument, "250 receiver.test")

    async def on_mail(self, argument):
        path, _, parameters = argument[len("FROM:") :].strip().partition(" ")
        if await self.answer("MAIL", argument, "250 2.1.0 ok"):
            self.sender, self.sender_parameters = path.strip("<>"), parameters

    async def on_rcpt(self, argument):
        path, _, parameters = argument[len("TO:") :].strip().partition(" ")
        usual = "250 2.1.5 ok" if self.sender is not None else "503 5.5.1 MAIL first"
        if await self.answer("RCPT", argument, usual):
            self.recipients.append((path.strip("<>"), parameters))

    async def on_data(self, argument):
        usual = "354 go on" if self.recipients else "503 5.5.1 no recipients"
        if not await self.answer("DATA", argument, usual):
            return
        wire = await self.reader.readuntil(b"\r\n") if not self.recipients else b""
        if wire == b".\r\n":
            await self.answer("DOT", argument, "554 5.5.1 no valid recipients")
            return
        wire += await self.read_to_dot()
        content = wire[:-3].replace(b"\r\n.", b"\r\n")
        await self.finish(content[1:] if content.startswith(b".") else content, wire, "DATA")

    async def read_to_dot(self):
        first = await self.reader.readuntil(b"\r\n")
        if first == b".\r\n":
            return first
        return first + await self.reader.readuntil(b"\r\n.\r\n") if not first.endswith(b"\r\n.\r\n") else first

    async def on_bdat(self, argument):
        size, _, last = argument.partition(" ")
        chunk = await self.reader.readexactly(int(size))
        self.chunks.append(chunk)
        if last.strip().upper() == "LAST":
            content = b"".join(self.chunks)
            await self.finish(content, content, "BDAT")
        else:
            await self.answer("BDAT", argument, "250 2.0.0 chunk taken")

    async def finish(self, content, wire, verb):
        message = Received(
            self.sender, self.sender_parameters, self.recipients, content, wire, self.ehlo, verb, self.number
        )
        message.ident = ident_of(content)
        message.peer = self.peer[0]
        self.reset()
        self.owner.seen.append(message)
        if await self.answer("DOT", message, "250 2.0.0 taken"):
            self.owner.messages.append(message)

    async def on_rset(self, argument):
        self.reset()
        await self.answer("RSET", argument, "250 2.0.0 ok")

    async def on_noop(self, argument):
        await self.answer("NOOP", argument, "250 2.0.0 ok")

    async def on_quit(self, argument):
        await self.answer("QUIT", argument, "221 2.0.0 bye")
        raise _Closed


class Receiver:
    """`messages` were accepted, `seen` were received whole whatever the answer was; `commands` is every line."""

    def __init__(self, host="127.0.0.1", port=None, capabilities=DEFAULT_CAPABILITIES):
        self.host, self.port = host, port or free_port()
        self.capabilities = list(capabilities)
        self.script = {}
        self.messages, self.seen, self.commands = [], [], []
        self.connections = 0
        self.open_connections = 0
        self.open_connections_peak = 0
        self._loop = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        assert self._loop is None
        self._loop = asyncio.new_event_loop()
        self.stopped = asyncio.Event()
        self._tasks = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(
            asyncio.start_server(self._serve, self.host, self.port, limit=_STREAM_LIMIT, reuse_address=True)
        )

    def stop(self):
        """Closes the port and every connection. start() opens it again, on the same port."""
        if self._loop is None:
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = None

    def wait_for(self, count, seconds=20.0):
        until(lambda: len(self.messages) >= count, lambda: f"{count} messages (got {len(self.messages)})", seconds)
        return self.messages

    def wait_for_ident(self, ident, seconds=20.0):
        def look():
            return next((message for message in list(self.messages) if message.ident == ident), None)

        return until(look, lambda: f"message {ident}; seen: {[m.ident for m in self.seen]}", seconds)

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _close(self):
        self._server.close()
        self.stopped.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        self.open_connections += 1
        self.open_connections_peak = max(self.open_connections_peak, self.open_connections)
        try:
            await _Session(self, reader, writer, self.connections).run()
        except (_Closed, asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open_connections -= 1
            self._tasks.discard(task)
            if self.stopped.is_set():
                writer.transport.abort()
            else:
                writer.close()
