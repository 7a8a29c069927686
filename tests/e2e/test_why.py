"""What `posthouse why` says, in real runs: where mail is, what it waits for, what was tried, what can be done.

With POSTHOUSE_WHY_FOLDER set each answer is also written there, as the manual page shows them:

    POSTHOUSE_WHY_FOLDER=/tmp/why ./dev e2e -k test_why
"""

import json
import os
import re
import signal
import tempfile
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import dns_fixture
import pytest
import why_examples
from harness import mail
from harness.ports import free_port
from harness.posthouse import route
from harness.receiver import DROP, HANG, Receiver, always
from harness.wait import until
from harness.wire import submit

pytestmark = pytest.mark.sanitized
MANUAL = why_examples.shown(Path(__file__).parents[2] / "docs/posthouse.8")
SLOW = {"schedule": ["5m", "30m"], "max_interval": "4h"}
ZONE = "$TTL 1\n@ MX 10 mx1\n@ MX 20 mx2\nmx1 A 127.0.0.11\nmx2 A 127.0.0.12"


@pytest.fixture(scope="module")
def dns():
    zones = {
        "them.example": ZONE,
        "others.example": "@ MX 10 mx\nmx A 127.0.0.13",
        "third.example": "@ MX 10 mx1.them.example.",
    }
    with tempfile.TemporaryDirectory(prefix="ph-dns-") as folder, dns_fixture.start(folder, zones) as servers:
        yield servers


class World:
    """them.example has mx1 and mx2, third.example mx1 too, others.example a server of its own.

    office.example is where senders are.
    """

    def __init__(self, relay, dns, stack):
        self._relay = relay
        self._dns = dns
        self.mail_port = free_port()
        hosts = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
        self.mx1, self.mx2, self.others = (stack.enter_context(Receiver(host, self.mail_port)) for host in hosts)
        self.office = stack.enter_context(Receiver())
        self.posthouse = None

    def start(self, delivery=None, routes=(), **more):
        self.posthouse = self._relay(
            [route("office.example", self.office.port), *routes],
            dns={"servers": [self._dns.resolver], "timeout": "500ms", "tries": 1},
            delivery={"port": self.mail_port, "allow_networks": ["127.0.0.0/8"], **(delivery or {})},
            **{"retry": SLOW, **more},
        )
        return self.posthouse

    def send(self, to="bob@them.example", parameters=""):
        """The queue id."""
        message, _ = mail.compose(mail.BODIES["plain"], sender="ann@office.example", to=to)
        reply = submit(self.posthouse.port, message, "ann@office.example", [to], parameters=parameters)
        return re.search(r"queued as (\w+)", reply).group(1)

    def wait_for(self, address, reason):
        """Until this is what the recipient waits for; the message's id."""

        def look():
            for message in self.posthouse.queue():
                for recipient in message["recipients"]:
                    if recipient["address"] == address and recipient["waits_for"] == reason:
                        return message["id"]
            return None

        return until(look, lambda: f"{reason}: {self.posthouse.command('queue', '--json').stdout}")

    def says(self, name, what, *words):
        text = self.posthouse.why(what)
        folder = os.environ.get("POSTHOUSE_WHY_FOLDER")
        if folder:
            Path(folder).mkdir(exist_ok=True)
            Path(folder, name + ".txt").write_text(f"$ posthouse why {what}\n{text}")
        elif name in MANUAL:
            shown, said = (why_examples.without_moments(one) for one in (MANUAL[name], why_examples.as_example(text)))
            assert shown == said, "docs/posthouse.8 shows other words; why_examples.py tells how to renew them"
        flat = " ".join(text.split())
        for word in words:
            assert word in flat, f"{word!r} is not in\n{text}"
        return flat


@pytest.fixture
def world(relay, dns):
    with ExitStack() as stack:
        yield World(relay, dns, stack)


def test_why_dns_timeout(world):
    world.start()
    world.send("bob@drop.test")
    world.wait_for("bob@drop.test", "dns_down")
    world.says("dns-timeout", "bob@drop.test", "waits for the DNS, which cannot say where mail for drop.test goes",
               "asked again in", "dig MX drop.test", "posthouse flush drop.test")  # fmt: skip


def test_why_nxdomain_waiting_to_bounce(world):
    world.office.stop()
    world.start()
    ident = world.send("bob@no-such-domain.example")
    world.wait_for("ann@office.example", "destination_down")
    said = world.says("nxdomain", ident, f"Message {ident} to bob@no-such-domain.example was given up",
                      "The report to its sender is message", "still on its way", "refused")  # fmt: skip
    assert f"(a report, from the null sender <>) about message {ident}" in said
    for question in ("bob@no-such-domain.example", "no-such-domain.example"):
        assert "was given up" in " ".join(world.posthouse.why(question).split())
    world.office.start()
    world.posthouse.flush("office.example")
    world.office.wait_for(1)
    until(lambda: "which has left" in " ".join(world.posthouse.why(ident).split()), "the report has left")


def test_why_circuit_open(world):
    world.mx1.stop()
    world.mx2.stop()
    world.start()
    first = world.send()
    world.wait_for("bob@them.example", "destination_down")
    world.send()
    until(lambda: len(world.posthouse.queue()) == 2, "two in the queue")
    world.says("circuit-open", first, "which does not take mail (since ", "It is tried in",
               "all mail for it goes out (2 messages in line)", "What was tried",
               f"mx1.them.example [127.0.0.11]:{world.mail_port}: cannot connect",
               f"mx2.them.example [127.0.0.12]:{world.mail_port}: cannot connect",
               "posthouse flush them.example")  # fmt: skip


def test_why_rate_limit(world):
    world.start(site=[{"match": [".them.example"], "message_rate": "2/h"}])
    for _ in range(6):
        world.send()
    ident = world.wait_for("bob@them.example", "message_rate")
    world.says("rate-limit", ident, "gets at most 2/h messages (message_rate of its [[site]])",
               "The next one goes out in", "in line", "systemctl reload posthouse")  # fmt: skip


def test_why_connection_rate(world):
    world.start(site=[{"match": [".them.example"], "connection_rate": "1/h", "max_messages_per_connection": 1}])
    for _ in range(4):
        world.send()
    ident = world.wait_for("bob@them.example", "connection_rate")
    world.says("connection-rate", ident, "gets at most 1/h connections (connection_rate of its [[site]])")


def test_why_concurrency(world):
    world.mx1.script["MAIL"] = always(HANG)
    world.start(site=[{"match": [".them.example"], "max_connections": 1}])
    world.send()
    delivering = world.wait_for("bob@them.example", "delivering")
    world.send()
    ident = world.wait_for("bob@them.example", "destination_limit")
    world.says("concurrency", ident, "the one connection that mx1.them.example,mx2.them.example may have is busy",
               "max_connections")  # fmt: skip
    until(lambda: "which has time to answer until" in " ".join(world.posthouse.why(delivering).split()), "the deadline")
    world.says("delivering", delivering, "is being delivered to", "right now, over mx1.them.example [127.0.0.11]")


def test_why_a_server_of_two_destinations_is_busy(world):
    world.mx1.script["MAIL"] = always(HANG)
    world.start(site=[{"match": ["mx1.them.example"], "max_connections": 1}])
    world.send()
    world.wait_for("bob@them.example", "delivering")
    world.send("carl@third.example")
    ident = world.wait_for("carl@third.example", "destination_limit")
    world.says("host-busy", ident, f"mx1.them.example:{world.mail_port} gets 1 connection at a time",
               "and all are in use")  # fmt: skip


def test_why_a_server_turns_us_away(world):
    world.others.script["CONNECT"] = always("421 4.7.0 too many connections from your address")
    world.start()
    world.send("dan@others.example")
    world.wait_for("dan@others.example", "next_attempt")
    world.send("eve@others.example")
    ident = world.wait_for("eve@others.example", "destination_limit")
    world.says("turned-away", ident, f"waits for mx.others.example:{world.mail_port}, which said that there are",
               "too many connections. It is asked again in")  # fmt: skip


def test_why_greylisted(world):
    busy = always("450 4.7.1 greylisted, try again in 300 seconds")
    world.mx1.script["RCPT"] = busy
    world.start()
    world.send()
    ident = world.wait_for("bob@them.example", "next_attempt")
    until(lambda: "greylisted" in world.posthouse.why(ident), "the answer is known")
    world.says("greylisted", ident, "waits for its next attempt, in 5m", "This is greylisting",
               'said "450 4.7.1 greylisted, try again in 300 seconds"')  # fmt: skip


def test_why_outside_of_its_hours(world):
    def in_hours(hours):
        return (datetime.now() + timedelta(hours=hours)).strftime("%H:%M")

    line = {**route("branch.example", world.office.port), "deliver_between": f"{in_hours(3)}-{in_hours(5)}"}
    world.start(routes=[line])
    world.send("carl@branch.example")
    ident = world.wait_for("carl@branch.example", "window")
    world.says("window", ident, "waits for the hours in which mail for branch.example is delivered",
               "They begin again in", "posthouse flush branch.example")  # fmt: skip


def test_why_for_later(world):
    world.start()
    ident = world.send(parameters=" HOLDFOR=7200")
    world.wait_for("bob@them.example", "future_release")
    world.says("future-release", ident, "its sender asked for it to go out later (FUTURERELEASE)", "in 1h 59m",
               f"posthouse release {ident}")  # fmt: skip


def test_why_held(world):
    world.mx1.script["RCPT"] = always("450 4.2.1 the mailbox is busy")
    world.start()
    ident = world.send()
    world.wait_for("bob@them.example", "next_attempt")
    until(lambda: "busy" in world.posthouse.why(ident), "the answer is known")
    world.posthouse.command("hold", ident)
    world.says("held", ident, "is held: an operator stopped it", f"posthouse release {ident}", "the mailbox is busy")


def test_why_in_doubt(world):
    world.mx1.script["DOT"] = always(DROP)
    world.start()
    ident = world.send()
    world.posthouse.wait_for_queued("bob@them.example", lambda recipient: recipient["state"] == "in_doubt")
    world.says("in-doubt", ident, "broke after the whole message had been sent", "may arrive twice",
               "waits for its next attempt", "mx1.them.example [127.0.0.11]")  # fmt: skip


def test_why_the_relay_s_connections_are_busy(world):
    world.start(delivery={"connections": 1})
    world.send()
    until(lambda: not world.posthouse.queue(), "it has answered")
    world.mx1.script["MAIL"] = always(HANG)
    world.send()
    world.wait_for("bob@them.example", "delivering")
    world.send("eve@others.example")
    ident = world.wait_for("eve@others.example", "connections_limit")
    world.says("connections-limit", ident, "the one connection that the relay may have is busy",
               "connections in [delivery]")  # fmt: skip


def test_why_one_host_is_dead_and_the_other_says_later(world):
    world.mx1.stop()
    world.mx2.script["RCPT"] = always("450-4.2.2 the mailbox of bob\n450 4.2.2 is full")
    world.start()
    world.send()
    ident = world.wait_for("bob@them.example", "next_attempt")
    until(lambda: "is full" in world.posthouse.why(ident), "the answer is known")
    world.says("dead-host", ident, f"mx1.them.example [127.0.0.11]:{world.mail_port}: cannot connect",
               "mx2.them.example [127.0.0.12]", 'said "450 4.2.2 the mailbox of bob / 4.2.2 is full"')  # fmt: skip
    answer = json.loads(world.posthouse.command("why", "--json", ident).stdout)
    history = answer["messages"][0]["recipients"][0]["history"]
    assert [attempt["kind"] for attempt in history] == ["not_counted", "deferred"]
    assert history[1]["code"] == 450 and history[1]["host"].startswith("mx2.them.example")


def test_why_after_a_restart(world):
    world.mx1.script["RCPT"] = always("450 4.2.1 the mailbox is busy")
    world.start()
    ident = world.send()
    world.posthouse.wait_for_queued("bob@them.example", lambda recipient: recipient["attempts"] == 1)
    world.posthouse.stop()
    world.posthouse.start()
    until(lambda: world.posthouse.queue(), "the queue is known")
    world.says("after-a-restart", ident, "before the relay's start at", "1 attempt, the last at", "the mailbox is busy")
    world.posthouse.flush("them.example")
    until(lambda: world.posthouse.queue()[0]["recipients"][0]["attempts"] == 2, "another attempt")
    said = world.says("after-another", ident, "1 attempt, the last at")
    assert said.count("the mailbox is busy") == 2


def test_why_while_the_relay_stops(world):
    world.mx1.script["DOT"] = always(HANG)
    world.start()
    world.send()
    until(lambda: world.mx1.seen, "the first message has left")
    world.mx1.script["RCPT"] = always("450 4.2.1 later")
    ident = world.send()
    until(lambda: "later" in world.posthouse.why(ident), "the second one was tried")
    world.posthouse.child.signal(signal.SIGTERM)
    until(lambda: "draining" in world.posthouse.log(), "the relay drains")
    world.says("draining", ident, "waits for the relay's restart: it is stopping")
    world.mx1.stop()
    until(lambda: not world.posthouse.child.is_running(), "the relay has stopped")


def test_why_an_address_that_nobody_knows(world):
    world.start()
    text = world.posthouse.command("why", "nobody@them.example", status=1).stdout
    assert "no message from or to nobody@them.example" in text and "journalctl" in text
