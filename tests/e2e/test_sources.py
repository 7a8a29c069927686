"""Addresses to send from, and what a relay knows of its destinations after a restart."""

import json
import re

import pytest
from harness import mail
from harness.posthouse import route
from harness.wait import until
from harness.wire import submit

pytestmark = pytest.mark.sanitized


def send(posthouse, sender="ada@client.test", to="bob@peer.test"):
    message, ident = mail.compose(mail.BODIES["plain"], to=to)
    submit(posthouse.port, message, sender, [to])
    return ident


def source(number, **keys):
    return {"name": f"s{number}", "address": [f"127.0.0.{number}"], "ehlo": f"s{number}.relay.test", **keys}


def blocks(address):
    def script(session, argument):
        return f"554 5.7.1 your IP {address} is blocked" if session.peer[0] == address else None

    return script


def test_mail_comes_from_the_address_of_its_sender_s_source(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)],
                      source=[source(5, senders=["client.test"]),
                              source(6, senders=[".client.test", "*"])])  # fmt: skip
    for sender, number in [("a@client.test", 5), ("a@x.client.test", 6), ("a@elsewhere.test", 6)]:
        got = receiver.wait_for_ident(send(posthouse, sender))
        assert (got.peer, got.ehlo) == (f"127.0.0.{number}", f"s{number}.relay.test"), sender
        until(lambda: re.search(rf"delivered .*source=s{number}", posthouse.log()), posthouse.log)
    posthouse.wait_until_empty()


def test_a_route_has_a_source_of_its_own(relay, receiver, second_receiver):
    posthouse = relay([route("peer.test", receiver.port, source="line"), route("*", second_receiver.port)],
                      source=[source(5, senders=["*"]), source(7, pool="line")])  # fmt: skip
    assert receiver.wait_for_ident(send(posthouse)).peer == "127.0.0.7"
    assert second_receiver.wait_for_ident(send(posthouse, to="bob@else.test")).peer == "127.0.0.5"


@pytest.mark.parametrize("stage", ["CONNECT", "MAIL", "RCPT"])
def test_a_source_that_is_refused_hands_over_to_the_others_of_its_pool(relay, receiver, stage):
    receiver.script[stage] = blocks("127.0.0.5")
    posthouse = relay([route("peer.test", receiver.port)],
                      source=[source(5, pool="pool", senders=["*"]), source(6, pool="pool")])  # fmt: skip
    idents = [send(posthouse) for _ in range(6)]
    assert {receiver.wait_for_ident(ident).peer for ident in idents} == {"127.0.0.6"}
    posthouse.wait_until_empty()
    log = posthouse.log()
    assert re.search(r"source_suspended .*source=s5 .*blocked", log), log
    assert "bounced" not in log and "destination_down" not in log


def test_a_source_that_the_machine_does_not_have_is_told_at_check_and_is_nobody_else_s_fault(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)],
                      source=[{"name": "gone", "pool": "pool", "address": ["192.0.2.77"], "senders": ["*"]},
                              source(6, pool="pool")])  # fmt: skip
    checked = posthouse.command("check")
    assert 'source "gone" has the address 192.0.2.77, which this machine does not have' in checked.stderr
    for _ in range(3):
        assert receiver.wait_for_ident(send(posthouse)).peer == "127.0.0.6"
    assert re.search(r"source_suspended .*source=gone", posthouse.log())
    assert "destination_down" not in posthouse.log()


def test_a_destination_that_is_down_is_still_known_for_that_after_a_restart(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.stop()
    send(posthouse)

    def trouble():
        status = json.loads(posthouse.command("status", "--json").stdout)
        return status["destinations_in_trouble"][0] if status["destinations_in_trouble"] else None

    before = until(trouble, posthouse.log)
    posthouse.stop()
    downs = posthouse.log().count("destination_down")
    posthouse.start()
    after = until(trouble, posthouse.log)
    assert (after["down_since"], after["next_probe"]) == (before["down_since"], before["next_probe"])
    assert after["last_error"] == before["last_error"] and "refused" in json.dumps(after)
    assert posthouse.log().count("destination_down") == downs, "it was not tried"
    hints = posthouse.folder / "spool" / "hints"
    posthouse.stop()
    hints.write_bytes(hints.read_bytes()[:-3])
    receiver.start()
    posthouse.start()
    receiver.wait_for(1, 10)
    posthouse.wait_until_empty()
