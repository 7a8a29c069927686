"""Messages to send, and how to tell whether what arrived is what was sent."""

import email
import email.policy
import random
import uuid

# Header fields that servers on the way put on top; everything below them is the sender's.
_TRACE_FIELDS = (
    b"received", b"return-path", b"x-original-to", b"delivered-to", b"envelope-to", b"delivery-date", b"x-peer",
    b"x-mailfrom", b"x-rcptto", b"x-client-addr", b"x-client-proto", b"x-helo-args", b"x-mail-args", b"x-rcpt-args",
)  # fmt: skip


def new_id():
    return uuid.uuid4().hex


def compose(body, *, ident=None, subject="A test", sender="ada@client.test", to="bob@peer.test", extra=""):
    """The bytes of a message with CRLF line ends, and the id in its X-Test-Id field."""
    ident = ident or new_id()
    header = (
        f"X-Test-Id: {ident}\r\nFrom: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n"
        f"Date: Mon, 02 Jun 2025 10:00:00 +0000\r\nMessage-ID: <{ident}@client.test>\r\n{extra}"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    if isinstance(body, str):
        body = body.encode()
    return header.encode() + body, ident


def lines(*texts):
    return "".join(text + "\r\n" for text in texts)


BODIES = {
    "plain": lines("Good morning,", "", "the horses are fresh.", "", "Ada"),
    "8-bit": lines("Grüße aus Gößweinstein, žluťoučký kůň, 日本語, 🐎", "second line: äöü"),
    "dots": lines(".", "..", ".leading", "...", " .", "a.", ".", "", "."),
    "long lines": lines("x" * 998, "y" * 990, "z" * 998, "." + "w" * 997),
}


def large_body(size, seed=1):
    """About `size` bytes of lines that do not compress into a pattern: a lost or doubled block shows."""
    source = random.Random(seed)
    line_count = size // 76
    return b"".join(b"%073d.\r\n" % source.getrandbits(240) for _ in range(line_count))


def without_trace(message):
    """What the sender wrote, CRLF line ends: the message without the trace fields on top."""
    rest = message.replace(b"\r\n", b"\n")
    if rest.startswith(b"From "):
        rest = rest.split(b"\n", 1)[1]
    while True:
        line, _, tail = rest.partition(b"\n")
        is_continuation = line[:1] in (b" ", b"\t")
        if not is_continuation and line.split(b":", 1)[0].strip().lower() not in _TRACE_FIELDS:
            return rest.replace(b"\n", b"\r\n")
        rest = tail


def body_of(message):
    return message.replace(b"\r\n", b"\n").partition(b"\n\n")[2].replace(b"\n", b"\r\n")


def ident_of(message):
    for line in message.replace(b"\r\n", b"\n").partition(b"\n\n")[0].split(b"\n"):
        if line.lower().startswith(b"x-test-id:"):
            return line.split(b":", 1)[1].strip().decode()
    return None


def text_of(message):
    """The decoded text, for clients that choose an encoding of their own; LF line ends."""
    payload = email.message_from_bytes(message.replace(b"\r\n", b"\n"), policy=email.policy.default)
    return payload.get_content() if payload["content-type"] else body_of(message).decode().replace("\r\n", "\n")
