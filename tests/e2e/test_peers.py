"""Every client hands mail in, every server takes it: what arrives is what was sent."""

import pytest
from conftest import PEERS
from harness import mail
from harness.clients import CLIENTS
from harness.posthouse import Posthouse, route
from harness.receiver import Receiver
from harness.wait import until

BY_NAME = {client.name: client for client in CLIENTS}


@pytest.fixture(scope="module")
def posthouse(peer):
    """One relay before all the servers: what they do to each other would show."""
    servers = [peer(name) for name in PEERS]
    with Posthouse([route(server.domain, server.port) for server in servers]) as one:
        yield one
        one.wait_until_empty()


def assert_same(client, sent, stored):
    if client.exact:
        assert mail.without_trace(stored) == sent
    else:
        assert mail.text_of(stored) == mail.text_of(sent)


@pytest.mark.parametrize("kind", mail.BODIES)
@pytest.mark.parametrize("server", PEERS)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_what_arrives_is_what_was_sent(posthouse, peer, client, server, kind):
    receiver = peer(server)
    message, ident = mail.compose(mail.BODIES[kind], to=f"bob@{receiver.domain}")
    client.send(posthouse.port, message, "ada@client.test", [f"bob@{receiver.domain}"])
    assert_same(client, message, receiver.wait_for(ident))
    assert len(receiver.find(ident)) == 1


@pytest.mark.parametrize("server", ["aiosmtpd", "postfix", "exim"])
@pytest.mark.parametrize("client", [c for c in CLIENTS if c.utf8_addresses], ids=lambda client: client.name)
def test_utf8_addresses_pass_to_servers_that_take_them(posthouse, peer, client, server):
    receiver = peer(server)
    address = f"jürgen.čapek@{receiver.domain}"
    message, ident = mail.compose(mail.BODIES["8-bit"], to=address)
    client.send(posthouse.port, message, "ada@client.test", [address])
    assert mail.without_trace(receiver.wait_for(ident)) == message


@pytest.mark.parametrize("server", ["sink", "opensmtpd"])
def test_a_utf8_address_waits_at_a_server_that_does_not_take_it(relay, peer, server):
    """It comes back when that has been so for an hour: outbound/keywords_test.cc."""
    receiver = peer(server)
    posthouse = relay([route(receiver.domain, receiver.port)])
    address = f"jürgen@{receiver.domain}"
    message, ident = mail.compose(mail.BODIES["plain"], to=address)
    BY_NAME["smtplib"].send(posthouse.port, message, "ada@client.test", [address])
    posthouse.wait_for_queued(address, lambda r: "no SMTPUTF8" in (r["last_reply"] or ""))
    assert not receiver.find(ident)


@pytest.mark.parametrize("client", [c for c in CLIENTS if c.exact], ids=lambda client: client.name)
def test_twenty_megabytes_of_each_client(posthouse, peer, client):
    receiver = peer("aiosmtpd")
    message, ident = mail.compose(mail.large_body(20_000_000), to=f"bob@{receiver.domain}")
    client.send(posthouse.port, message, "ada@client.test", [f"bob@{receiver.domain}"])
    assert mail.without_trace(receiver.wait_for(ident, 60)) == message


@pytest.mark.parametrize("server", [name for name in PEERS if name != "aiosmtpd"])
def test_twenty_megabytes_to_each_server(posthouse, peer, server):
    receiver = peer(server)
    message, ident = mail.compose(mail.large_body(20_000_000, seed=2), to=f"bob@{receiver.domain}")
    BY_NAME["curl"].send(posthouse.port, message, "ada@client.test", [f"bob@{receiver.domain}"])
    assert mail.without_trace(receiver.wait_for(ident, 60)) == message


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_many_recipients_at_several_servers(posthouse, peer, client):
    receivers = [peer(name) for name in PEERS]
    addresses = [f"user{number}@{receiver.domain}" for number in range(12) for receiver in receivers]
    message, ident = mail.compose(mail.BODIES["plain"], to="list@client.test")
    client.send(posthouse.port, message, "ada@client.test", addresses)
    for receiver in receivers:
        assert_same(client, message, receiver.wait_for(ident))


@pytest.mark.sanitized
@pytest.mark.parametrize("kind", mail.BODIES)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_each_client_to_a_programmed_receiver(relay, receiver, client, kind):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose(mail.BODIES[kind])
    client.send(posthouse.port, message, "ada@client.test", ["bob@peer.test", "eve@peer.test"])
    got = receiver.wait_for_ident(ident)
    assert_same(client, message, got.content)
    assert got.sender == "ada@client.test" and sorted(got.addresses) == ["bob@peer.test", "eve@peer.test"]
    assert got.ehlo == "relay.test"
    posthouse.wait_until_empty()


@pytest.mark.sanitized
def test_each_recipient_of_many_is_served_once(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], delivery={"recipients_per_transaction": 50})
    addresses = [f"user{number}@peer.test" for number in range(330)]
    message, _ = mail.compose(mail.BODIES["plain"])
    BY_NAME["smtplib"].send(posthouse.port, message, "ada@client.test", addresses)
    posthouse.wait_until_empty()
    until(lambda: sum(len(m.addresses) for m in receiver.messages) >= 330, "330 recipients served")
    assert sorted(address for m in receiver.messages for address in m.addresses) == sorted(addresses)
    assert max(len(m.addresses) for m in receiver.messages) <= 50


@pytest.mark.sanitized
def test_the_received_line_says_how_the_message_came(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose(mail.BODIES["plain"])
    BY_NAME["smtplib"].send(posthouse.port, message, "ada@client.test", ["bob@peer.test"])
    content = receiver.wait_for_ident(ident).content
    added = content[: len(content) - len(message)]
    assert content.endswith(message)
    unfolded = added.replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ").decode()
    assert unfolded.startswith("Received: from smtplib.test ") and unfolded.count("\r\n") == 1
    for part in ("[127.0.0.1]", "by relay.test", "with ESMTP", " id "):
        assert part in unfolded, unfolded


@pytest.mark.sanitized
@pytest.mark.parametrize("size", [100_000, 700_000])
def test_a_line_longer_than_the_standard_allows_passes_or_is_refused_but_never_changed(relay, receiver, size):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose("z" * size + "\r\nend\r\n")
    BY_NAME["smtplib"].send(posthouse.port, message, "ada@client.test", ["bob@peer.test"])
    assert mail.without_trace(receiver.wait_for_ident(ident).content) == message


@pytest.mark.sanitized
def test_without_8bitmime_at_the_next_hop_the_message_waits(relay):
    """RFC 6152 section 3: it is not sent as it is; it waits, and comes back when that has been so for an hour."""
    with Receiver(capabilities=("PIPELINING",)) as old:
        posthouse = relay([route("peer.test", old.port)])
        message, ident = mail.compose(mail.BODIES["8-bit"])
        BY_NAME["smtplib"].send(posthouse.port, message, "ada@client.test", ["bob@peer.test"])
        posthouse.wait_for_queued("bob@peer.test", lambda r: "no 8BITMIME" in (r["last_reply"] or ""))
        assert not old.seen


def test_a_report_about_8bit_text_goes_to_a_next_hop_without_any_keyword(relay):
    with Receiver() as there, Receiver(capabilities=()) as home:
        there.script["RCPT"] = lambda *_: "550 5.1.1 no such user"
        posthouse = relay([route("peer.test", there.port), route("client.test", home.port)])
        message, _ = mail.compose(mail.BODIES["8-bit"])
        BY_NAME["smtplib"].send(posthouse.port, message, "ada@client.test", ["bob@peer.test"])
        report = home.wait_for(1)[0].content
        assert report.isascii() and b"5.1.1" in report
