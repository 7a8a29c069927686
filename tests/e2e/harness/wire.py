"""SMTP by hand: a socket, exact bytes out, whole replies in."""

import socket


class Wire:
    def __init__(self, port, host="127.0.0.1", source=None, timeout=20.0):
        self.socket = socket.create_connection(
            (host, port), timeout=timeout, source_address=(source, 0) if source else None
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def _line(self):
        while b"\n" not in self._buffer:
            received = self.socket.recv(65536)
            if not received:
                return None
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        assert line.endswith(b"\r"), f"a reply line must end in CRLF: {line!r}"
        return line[:-1].decode("utf-8", "replace")

    def reply(self):
        """One reply, its lines joined by newlines; None if the connection was closed instead."""
        lines = []
        while True:
            line = self._line()
            if line is None:
                assert not lines, f"closed inside a reply: {lines}"
                return None
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    def say(self, command):
        self.send(command + "\r\n" if isinstance(command, str) else command + b"\r\n")
        return self.reply()

    def expect(self, prefix, command=None):
        """Sends `command` (if any); the reply must begin with `prefix`."""
        reply = self.reply() if command is None else self.say(command)
        assert reply is not None and reply.startswith(prefix), f"{command!r}: expected {prefix}..., got {reply!r}"
        return reply

    def hello(self, name="client.test"):
        self.expect("220")
        return self.expect("250", f"EHLO {name}")

    def envelope(self, sender="ada@client.test", recipients=("bob@peer.test",), parameters=""):
        self.expect("250", f"MAIL FROM:<{sender}>{parameters}")
        for recipient in recipients:
            self.expect("250", f"RCPT TO:<{recipient}>")

    def data(self, wire):
        """DATA and exactly these bytes, the final dot included; returns the last reply."""
        self.expect("354", "DATA")
        self.send(wire)
        return self.reply()

    def is_closed(self):
        """Waits for the other end to close; False if it says something instead."""
        try:
            return self._line() is None
        except ConnectionResetError:
            return True


def submit(port, message, sender="ada@client.test", recipients=("bob@peer.test",), parameters="", **options):
    """A whole dialogue; returns the reply to the final dot."""
    stuffed = (b"." if message.startswith(b".") else b"") + message.replace(b"\r\n.", b"\r\n..")
    with Wire(port, **options) as wire:
        wire.hello()
        wire.envelope(sender, recipients, parameters)
        reply = wire.data(stuffed + b".\r\n")
        assert reply and reply.startswith("250"), f"not accepted: {reply!r}"
        wire.say("QUIT")
        return reply
