"""Delivery as the DNS says, with a real authority and a real resolver."""

import tempfile
from contextlib import ExitStack

import dns_fixture
import pytest
from harness import mail
from harness.ports import free_port
from harness.posthouse import route
from harness.receiver import Receiver, always
from harness.wait import until
from harness.wire import submit

pytestmark = pytest.mark.sanitized
HOSTS = ["127.0.0.11", "127.0.0.12", "127.0.0.13"]
SHORT = "$TTL 1\n"


class World:
    """Receivers on several loopback addresses and one port, the DNS, and a relay that delivers by MX."""

    def __init__(self, relay, dns, stack):
        self.dns = dns
        port = free_port()
        self.hosts = [stack.enter_context(Receiver(host, port)) for host in HOSTS]
        self.home = stack.enter_context(Receiver())
        self.posthouse = relay(
            [route("client.test", self.home.port)],
            dns={"servers": [dns.resolver], "timeout": "500ms", "tries": 1},
            delivery={"port": port, "allow_networks": ["127.0.0.0/8"], "connect_timeout": "2s"},
        )

    def send(self, address):
        message, ident = mail.compose(mail.BODIES["plain"], to=address)
        submit(self.posthouse.port, message, recipients=[address], parameters="" if address.isascii() else " SMTPUTF8")
        return ident

    def assert_bounced(self, address, *words):
        self.send(address)
        report = self.home.wait_for(1)[0].content.decode()
        for word in (address, *words):
            assert word in report, f"{word!r} is not in\n{report}"
        self.posthouse.wait_until_empty()

    def assert_stays_queued(self, address, *words):
        self.send(address)
        self.posthouse.wait_for_queued(address, lambda recipient: recipient["state"] == "queued")

        def is_explained():
            answer = self.posthouse.why(address).lower()
            return all(word.lower() in answer for word in words)

        until(is_explained, lambda: f"{words} in {self.posthouse.why(address)}")
        assert not self.home.messages


@pytest.fixture(scope="module")
def dns():
    with tempfile.TemporaryDirectory(prefix="ph-dns-") as folder, dns_fixture.start(folder, {}) as servers:
        yield servers


@pytest.fixture
def world(relay, dns):
    with ExitStack() as stack:
        yield World(relay, dns, stack)


def zone(dns, name, *records):
    dns.set_zone(name, SHORT + "\n".join(records))


A_RECORDS = [f"mx{number} A {host}" for number, host in enumerate(HOSTS, 1)]


def test_the_best_preference_is_served(world, dns):
    zone(dns, "order.example", "@ MX 30 mx3", "@ MX 10 mx1", "@ MX 20 mx2", *A_RECORDS)
    for _ in range(5):
        world.hosts[0].wait_for_ident(world.send("bob@order.example"))
    assert not world.hosts[1].connections and not world.hosts[2].connections


def test_the_second_host_takes_over_when_the_first_is_off(world, dns):
    zone(dns, "second.example", "@ MX 10 mx1", "@ MX 20 mx2", *A_RECORDS)
    world.hosts[0].stop()
    world.hosts[1].wait_for_ident(world.send("bob@second.example"))


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL"])
def test_the_second_host_takes_over_when_the_first_is_busy(world, dns, stage):
    zone(dns, "busy.example", "@ MX 10 mx1", "@ MX 20 mx2", *A_RECORDS)
    world.hosts[0].script[stage] = always("421 4.3.2 too busy")
    world.hosts[1].wait_for_ident(world.send("bob@busy.example"))


def test_the_second_address_of_a_host_takes_over(world, dns):
    zone(dns, "multi.example", "@ MX 10 mx", f"mx A {HOSTS[0]}", f"mx A {HOSTS[1]}")
    world.hosts[0].stop()
    for _ in range(4):
        world.hosts[1].wait_for_ident(world.send("bob@multi.example"))


def test_hosts_of_equal_preference_share_the_mail(world, dns):
    zone(dns, "equal.example", "@ MX 10 mx1", "@ MX 10 mx2", "@ MX 10 mx3", *A_RECORDS)
    for number in range(40):
        world.send(f"user{number}@equal.example")
        world.posthouse.wait_until_empty()
        if all(host.messages for host in world.hosts):
            return
        until(lambda: not any(host.open_connections for host in world.hosts), "kept connections are closed")
    raise AssertionError(f"40 messages went to {[len(host.messages) for host in world.hosts]}")


def test_without_mx_the_address_of_the_domain_is_served(world, dns):
    zone(dns, "implicit.example", f"@ A {HOSTS[0]}")
    world.hosts[0].wait_for_ident(world.send("bob@implicit.example"))


def test_a_chain_of_aliases_is_followed(world, dns):
    zone(dns, "alias.example", "@ MX 10 one", "www CNAME two", "one CNAME three", "three CNAME mx1", "two MX 10 mx1",
         *A_RECORDS)  # fmt: skip
    world.hosts[0].wait_for_ident(world.send("bob@alias.example"))
    world.hosts[0].wait_for_ident(world.send("bob@www.alias.example"))


def test_an_answer_over_tcp_is_taken(world, dns):
    lines = [f"@ MX {50 + number} long-host-name-number-{number}-that-fills-the-answer" for number in range(60)]
    zone(dns, "large.example", "@ MX 10 mx1", *lines, *A_RECORDS)
    world.hosts[0].wait_for_ident(world.send("bob@large.example"))


def test_an_international_domain_is_asked_for_as_a_labels(world, dns):
    zone(dns, "xn--bcher-kva.example", "@ MX 10 mx1", *A_RECORDS)
    world.hosts[0].wait_for_ident(world.send("jürgen@bücher.example"))


def test_null_mx_comes_back_at_once(world, dns):
    zone(dns, "nomail.example", "@ MX 0 .")
    world.assert_bounced("bob@nomail.example", "5.1.10")


def test_a_domain_that_does_not_exist_comes_back_at_once(world):
    world.assert_bounced("bob@no-such-domain.example", "5.1.2")


def test_a_domain_with_neither_mx_nor_address_comes_back(world, dns):
    zone(dns, "empty.example", "other A 127.0.0.1")
    world.assert_bounced("bob@empty.example", "5.4.4")


@pytest.mark.parametrize("name,word", [("servfail.test", "dns"), ("refused.test", "dns"), ("drop.test", "dns")])
def test_a_dns_without_an_answer_keeps_the_mail(world, name, word):
    world.assert_stays_queued(f"bob@{name}", word)


@pytest.mark.parametrize("mode", ["garbage", "formerr", "wrong_question", "empty", "notimp"])
def test_a_dns_that_answers_nonsense_keeps_the_mail(relay, dns, mode):
    dns.fake.mode = mode
    with Receiver() as home:
        posthouse = relay([route("client.test", home.port)], dns={"servers": [dns.fake.endpoint]})
        message, _ = mail.compose(mail.BODIES["plain"])
        submit(posthouse.port, message, recipients=["bob@any.example"])
        posthouse.wait_for_queued("bob@any.example", lambda recipient: recipient["state"] == "queued")
        until(lambda: "dns" in posthouse.why("bob@any.example").lower(), lambda: posthouse.why("bob@any.example"))
        assert not home.messages


def test_the_dns_is_back_and_the_mail_goes_out(world, dns):
    world.assert_stays_queued("bob@servfail.test", "dns")
    dns.fake.mode = "servfail"
    world.posthouse.settings["dns"]["servers"] = [dns.fake.endpoint]
    world.posthouse.reload()
    zone(dns, "later.example", "@ MX 10 mx1", *A_RECORDS)
    ident = world.send("bob@later.example")
    world.posthouse.wait_for_queued("bob@later.example", lambda recipient: recipient["state"] == "queued")
    until(lambda: "dns" in world.posthouse.why("bob@later.example").lower(), "the failure is known")
    world.posthouse.settings["dns"]["servers"] = [dns.resolver]
    world.posthouse.reload()
    until(lambda: world.posthouse.flush("later.example") and world.hosts[0].messages, "delivered", interval=0.5)
    world.hosts[0].wait_for_ident(ident)


def test_a_host_without_an_address_is_passed_over(world, dns):
    zone(dns, "gone.example", "@ MX 10 nowhere", "@ MX 20 mx2", *A_RECORDS)
    world.hosts[1].wait_for_ident(world.send("bob@gone.example"))


def test_our_own_host_and_worse_ones_are_dropped(world, dns):
    zone(dns, "backup.example", "@ MX 10 mx1", "@ MX 20 relay.test.", "@ MX 30 mx3", *A_RECORDS)
    world.hosts[0].wait_for_ident(world.send("bob@backup.example"))
    zone(dns, "loop.example", "@ MX 20 relay.test.", "@ MX 30 mx3", *A_RECORDS)
    world.assert_bounced("bob@loop.example", "5.4.6")
    assert not world.hosts[2].connections


def test_loopback_targets_are_refused_unless_allowed(relay, dns):
    zone(dns, "ssrf.example", "@ MX 10 mx1", *A_RECORDS)
    with Receiver() as home, Receiver(HOSTS[0]) as inside:
        posthouse = relay([route("client.test", home.port)], dns={"servers": [dns.resolver]},
                          delivery={"port": inside.port})  # fmt: skip
        message, _ = mail.compose(mail.BODIES["plain"])
        submit(posthouse.port, message, recipients=["bob@ssrf.example"])
        report = home.wait_for(1)[0].content.decode()
        assert "bob@ssrf.example" in report and "Action: failed" in report
        assert not inside.connections


def test_two_domains_of_one_server_share_its_connection(world, dns):
    for name in ("one.example", "two.example"):
        zone(dns, name, "@ MX 10 mx.shared.example.")
    zone(dns, "shared.example", f"mx A {HOSTS[0]}")
    world.hosts[0].wait_for_ident(world.send("bob@one.example"))
    world.posthouse.wait_until_empty()
    world.hosts[0].wait_for_ident(world.send("eve@two.example"))
    assert world.hosts[0].connections == 1


def test_a_static_route_comes_before_the_dns(world, dns):
    zone(dns, "client.test", "@ MX 10 mx1", *A_RECORDS)
    world.home.wait_for_ident(world.send("bob@client.test"))
    assert not world.hosts[0].connections
