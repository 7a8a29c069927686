"""A server that is off for a while, calls for its mail when it is back, or wants it at certain hours only."""

from datetime import datetime, timedelta

import pytest
from harness import mail
from harness.posthouse import route
from harness.receiver import Receiver
from harness.wait import until
from harness.wire import submit

pytestmark = pytest.mark.sanitized


def send(posthouse, to="bob@branch.test"):
    message, ident = mail.compose(mail.BODIES["plain"], to=to)
    submit(posthouse.port, message, "ada@client.test", [to])
    return ident


def test_a_server_that_was_off_calls_for_its_mail(relay, receiver):
    posthouse = relay([route("branch.test", receiver.port)], relay={"domains": ["branch.test"]})
    receiver.stop()
    idents = [send(posthouse) for _ in range(20)]
    until(lambda: "refused" in posthouse.why("branch.test"), "the relay has noticed")
    receiver.start()
    with posthouse.wire() as wire:
        assert "ETRN" in wire.hello()
        assert wire.say("ETRN branch.test").startswith("253 2.0.0 OK, 20 pending messages for node branch.test")
        wire.expect("459 4.7.1", "ETRN elsewhere.test")
        wire.expect("458", "ETRN #branch")
        wire.expect("501 5.5.4", "ETRN branch test")
        for ident in idents:
            receiver.wait_for_ident(ident, 5)
        posthouse.wait_until_empty()
        wire.expect("251 2.0.0", "ETRN branch.test")


def test_who_is_not_named_cannot_call(relay, receiver):
    posthouse = relay(
        [route("branch.test", receiver.port)], relay={"domains": ["branch.test"], "etrn_networks": ["127.0.0.2"]}
    )
    for source, code in ("127.0.0.1", "502"), ("127.0.0.2", "251"), ("127.0.0.3", "502"):
        with posthouse.wire(source=source) as wire:
            assert ("ETRN" in wire.hello()) == (code == "251")
            wire.expect(code, "ETRN branch.test")


def test_outside_of_its_hours_mail_waits_until_they_are_opened(relay, receiver):
    def in_hours(hours):
        return (datetime.now() + timedelta(hours=hours)).strftime("%H:%M")  # by the clock on the wall

    line = {**route("branch.test", receiver.port), "deliver_between": f"{in_hours(3)}-{in_hours(5)}"}
    posthouse = relay([line])
    idents = [send(posthouse) for _ in range(3)]
    posthouse.wait_for_queued("bob@branch.test", lambda recipient: recipient["state"] == "queued")
    until(lambda: "deliver_between" in posthouse.why("branch.test"), lambda: posthouse.why("branch.test"))
    assert "in 2h 5" in posthouse.why("bob@branch.test") or "in 3h" in posthouse.why("bob@branch.test")
    posthouse.flush("branch.test")
    for ident in idents:
        receiver.wait_for_ident(ident, 5)
    posthouse.wait_until_empty()
    late = send(posthouse)
    until(lambda: "deliver_between" in posthouse.why("bob@branch.test"), "what comes later waits again")
    posthouse.settings["route"][0]["deliver_between"] = f"{in_hours(-1)}-{in_hours(1)}"
    posthouse.reload()
    receiver.wait_for_ident(late, 5)


def test_in_an_outage_the_sender_gets_one_notice_about_all_his_mail(relay, receiver):
    receiver.stop()
    with Receiver() as home:
        posthouse = relay(
            [route("branch.test", receiver.port), route("client.test", home.port)],
            retry={"delay_notices": ["3s"], "lifetime": "1h"},
        )
        for number in range(60):
            send(posthouse, f"user{number}@branch.test")
        notice = home.wait_for(1, 20)[0]
        assert notice.sender == "" and notice.addresses == ["ada@client.test"]
        text = " ".join(notice.content.decode().split())
        assert "60 of your messages have not been delivered yet" in text, text
        assert "59 more messages" in text and "user0@branch.test" in text and "Action: delayed" in text
        assert text.count("To: <user") + text.count("<user0@branch.test>") >= 30, text
        receiver.start()
        posthouse.flush("branch.test")
        posthouse.wait_until_empty()
        assert len(home.wait_for(1)) == 1
