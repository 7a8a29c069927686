"""The next hops: they say what an address asks them to say, and write down what they were given."""

import re
from collections import Counter

from harness.ports import free_port
from harness.posthouse import route
from harness.receiver import Receiver

from .plan import DOMAINS, OFF_DOMAIN, SENDER_DOMAIN, fault_of

_FINAL_RECIPIENT = re.compile(rb"^Final-Recipient: rfc822; *<?([^\s>]+)", re.IGNORECASE | re.MULTILINE)
_ACTION_FAILED = re.compile(rb"^Action: failed", re.IGNORECASE | re.MULTILINE)
_IDENT = re.compile(rb"^X-Test-Id: (\d+)", re.MULTILINE)
_BOUNDARY = re.compile(rb'boundary="?([^"\s;]+)')


# Mail from here is not part of the plan: it shows whether mail is accepted.
PROBE = "probe@client.test"


class _Forgetful(list):
    """What the rig needs is in the account; the receiver's own memory would only grow."""

    def append(self, item):
        pass


class Hops:
    """One server for all domains, and one for OFF_DOMAIN that is off until switch_on(). `accepts_all`: nobody is
    refused any more. `name` tells the connections of this run from those of others."""

    def __init__(self, account, name="a", accepts_all=False):
        self.account, self.name, self.accepts_all = account, name, accepts_all
        self.refusals = Counter()
        self.server, self.off_server = Receiver(port=free_port()), Receiver(port=free_port())
        for letter, receiver in (("h", self.server), ("o", self.off_server)):
            receiver.commands = receiver.seen = receiver.messages = _Forgetful()
            receiver.script = {
                "CONNECT": self._on_connect, "RCPT": self._on_rcpt, "DOT": self._on_dot,
                "MAIL": self._on_mail, "RSET": self._on_next, "QUIT": self._on_next, "NOOP": self._on_next,
            }  # fmt: skip
            receiver.letter = letter
        self._is_off_on = self._is_closing = False
        self.taken = 0  # transactions

    def __enter__(self):
        self.server.start()
        if self.accepts_all:
            self.switch_on()
        return self

    def __exit__(self, *_):
        self.server.stop()
        if self._is_off_on:
            self.off_server.stop()

    def switch_on(self):
        self.off_server.start()
        self._is_off_on = True

    def switch_off(self):
        """Politely: a transaction that is under way is answered, so that nothing is taken twice for it."""
        self._is_closing = True

    def routes(self):
        near = [route(domain, self.server.port) for domain in (*DOMAINS, SENDER_DOMAIN)]
        return [*near, route(OFF_DOMAIN, self.off_server.port)]

    def _connection(self, session):
        return f"{self.name}{session.owner.letter}{session.number}"

    def _on_connect(self, session, argument):
        session.awaits_word = False
        self.account.note("C", self._connection(session))

    def _on_next(self, session, argument):
        if session.awaits_word:
            session.awaits_word = False
            self.account.note("N", self._connection(session))

    def _on_mail(self, session, argument):
        self._on_next(session, argument)
        if self._is_closing and session.owner is self.off_server:
            return "421 4.3.2 this host is being switched off"
        return None

    def _is_refused(self, address, kind, times):
        if self.accepts_all or self.refusals[kind, address] >= times:
            return False
        self.refusals[kind, address] += 1
        return True

    def _on_rcpt(self, session, argument):
        address = argument[len("TO:") :].strip().partition(" ")[0].strip("<>")
        kind, _, number = address.partition("@")[0].partition("-")
        number = number.rpartition("-")[2]
        if kind == "s" and int(number) % 2 and self._is_refused(address, "REPORT", 1):
            return "450 4.2.1 a report can wait"  # so that some are in the queue whenever the relay dies
        if kind == "no" and not self.accepts_all:
            self.account.note("F", self._connection(session), number, address)
            return "550 5.1.1 no such user here"
        if kind.startswith("later") and self._is_refused(address, "RCPT", int(kind[5:])):
            self.account.note("L", self._connection(session), number, address)
            return "450 4.2.1 come again"
        return None

    def _on_dot(self, session, message):
        connection = self._connection(session)
        session.awaits_word = True
        if message.sender == PROBE:
            return None
        if not message.sender:
            return self._on_report(connection, message)
        fault = fault_of(message.content)
        number = message.ident
        if fault or number is None:
            self.account.note("X", number, *message.addresses, fault)
            return None
        busy = [one for one in message.addresses if one.startswith("dot") and self._is_refused(one, "DOT", int(one[3]))]
        if busy:
            self.account.note("L", connection, number, *message.addresses)
            return "451 4.3.0 not at the moment"
        self.taken += 1
        self.account.note("D", connection, number, *message.addresses)
        return None

    def _on_report(self, connection, message):
        content = message.content
        boundary = _BOUNDARY.search(content)
        ident = _IDENT.search(content)
        failed = [address.decode() for address in _FINAL_RECIPIENT.findall(content)]
        if not boundary or b"--" + boundary[1] + b"--" not in content or not ident or not failed:
            self.account.note("X", "a report to", *message.addresses, content[-200:])
        elif _ACTION_FAILED.search(content):
            self.account.note("B", connection, ident[1].decode(), *failed)
        return None
