"""The mail of a run, each message a function of the seed and its number.

What a recipient's host is going to say is in the address: `ok-0-17@d2.test` is recipient 0 of message 17. A body
carries its length and its checksum, so that whoever gets it can tell whether it is whole.
"""

import base64
import hashlib
import random
from dataclasses import dataclass

DOMAINS = ("d1.test", "d2.test", "d3.test", "d4.test")
OFF_DOMAIN = "off.test"  # its host is switched off
SENDER_DOMAIN = "back.test"  # where bounces go

# What the host says at RCPT or at the final dot until it gives in, and how often it is met.
KINDS = {"ok": 66, "later1": 6, "later2": 5, "dot1": 5, "no": 8, "off": 10}
SIZES = {(200, 3_000): 60, (3_000, 30_000): 28, (30_000, 120_000): 7, (140_000, 500_000): 5}
SMALL_SIZES = {(200, 3_000): 80, (3_000, 12_000): 18, (140_000, 300_000): 2}
RECIPIENTS = {(1, 1): 60, (2, 5): 32, (6, 20): 8}
# Every so many messages one has a thousand recipients, as many as the relay takes, with all fates mixed.
CROWD_EVERY, CROWD = 300, 1000


def _choose(source, weights):
    return source.choices(list(weights), list(weights.values()))[0]


@dataclass
class Planned:
    number: int
    sender: str
    recipients: list
    size: int
    seed: int

    def content(self):
        noise = random.Random(self.seed).randbytes(max(1, self.size * 3 // 4))
        body = b"..a line of dots\r\n.\r\n" + base64.encodebytes(noise).replace(b"\n", b"\r\n")
        head = f"X-Test-Id: {self.number}\r\nX-Test-Length: {len(body)}\r\n"
        head += f"X-Test-Sum: {hashlib.sha256(body).hexdigest()}\r\nSubject: message {self.number}\r\n"
        head += f"From: <{self.sender}>\r\nMessage-ID: <{self.number}@client.test>\r\n\r\n"
        return head.encode() + body


class Plan:
    def __init__(self, seed, sizes=None):
        self.seed, self._sizes = seed, sizes or SIZES

    def message(self, number):
        source = random.Random(f"{self.seed}/{number}")
        count = source.randint(*_choose(source, RECIPIENTS))
        if number % CROWD_EVERY == CROWD_EVERY // 3:
            count = CROWD
        recipients = []
        for index in range(count):
            kind = _choose(source, KINDS)
            domain = OFF_DOMAIN if kind == "off" else source.choice(DOMAINS)
            recipients.append(f"{kind}-{index}-{number}@{domain}")
        size = source.randint(*_choose(source, self._sizes))
        return Planned(number, f"s-{number}@{SENDER_DOMAIN}", recipients, size, source.getrandbits(32))


def number_of(address):
    return int(address.partition("@")[0].rpartition("-")[2])


def fault_of(content):
    """Why this is not the whole of what a client sent; None if it is."""
    head, _, body = content.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n") if line.startswith(b"X-Test-"))
    if set(fields) != {b"X-Test-Id", b"X-Test-Length", b"X-Test-Sum"}:
        return f"header fields are missing: {head[:300]!r}"
    if len(body) != int(fields[b"X-Test-Length"]):
        return f"{len(body)} bytes of {int(fields[b'X-Test-Length'])}"
    if hashlib.sha256(body).hexdigest().encode() != fields[b"X-Test-Sum"]:
        return "the length is right, the bytes are not"
    return None
