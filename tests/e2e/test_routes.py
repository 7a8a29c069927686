"""Static routes, and what happens when the next server is off, says no, or dies in the middle."""

import re

import pytest
from harness import mail
from harness.ports import free_port
from harness.posthouse import route
from harness.receiver import DROP, HANG, Receiver, always, replies
from harness.wait import until
from harness.wire import submit

pytestmark = pytest.mark.sanitized


def send(posthouse, to=("bob@peer.test",), body=mail.BODIES["plain"], sender="ada@client.test", parameters=""):
    message, ident = mail.compose(body, to=to[0])
    submit(posthouse.port, message, sender, to, parameters)
    return message, ident


def test_the_most_exact_route_wins(relay):
    with Receiver() as exact, Receiver() as below, Receiver() as rest:
        posthouse = relay([route("*", rest.port), route(".peer.test", below.port), route("peer.test", exact.port)])
        for address, place in [("a@peer.test", exact), ("a@x.peer.test", below), ("a@y.x.peer.test", below),
                               ("a@notpeer.test", rest)]:  # fmt: skip
            _, ident = send(posthouse, [address])
            assert place.wait_for_ident(ident).addresses == [address]


def test_the_next_host_of_a_route_takes_over(relay, receiver):
    posthouse = relay([route("peer.test", free_port(), receiver.port)])
    _, ident = send(posthouse)
    receiver.wait_for_ident(ident)


def test_downstream_off_is_queued_explained_and_delivered_when_it_is_back(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.stop()
    _, ident = send(posthouse)
    queued, _ = posthouse.wait_for_queued("bob@peer.test", lambda recipient: recipient["state"] == "queued")
    until(lambda: "refused" in posthouse.why("bob@peer.test"), lambda: posthouse.why("bob@peer.test"))
    for question in (queued["id"], "bob@peer.test", "peer.test"):
        answer = posthouse.why(question)
        assert "refused" in answer and str(receiver.port) in answer, answer
    receiver.start()
    posthouse.flush("peer.test")
    receiver.wait_for_ident(ident)
    posthouse.wait_until_empty()


def test_downstream_back_is_noticed_without_being_told(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.stop()
    _, ident = send(posthouse)
    until(lambda: "refused" in posthouse.why("peer.test"), "the relay has noticed")
    receiver.start()
    receiver.wait_for_ident(ident, 40)


def test_an_unknown_user_comes_back_to_the_sender_in_the_remote_s_words(relay, receiver):
    with Receiver() as home:
        posthouse = relay([route("peer.test", receiver.port), route("client.test", home.port)])
        receiver.script["RCPT"] = always("550 5.1.1 no Jones lives in this house")
        message, ident = send(posthouse, ["jones@peer.test"])
        bounce = home.wait_for(1)[0]
        posthouse.wait_until_empty()
    assert bounce.sender == "" and bounce.addresses == ["ada@client.test"]
    report = bounce.content.decode()
    for part in ("multipart/report", "message/delivery-status", "no Jones lives in this house", "jones@peer.test",
                 "Auto-Submitted: auto-replied", "Action: failed", "Status: 5.1.1", ident):  # fmt: skip
        assert part in report, f"{part!r} is not in\n{report}"


@pytest.mark.parametrize("server", ["postfix", "exim", "opensmtpd", "aiosmtpd"])
def test_the_unknown_user_of_a_real_server_comes_back(relay, peer, server):
    remote = peer(server)
    with Receiver() as home:
        posthouse = relay([route(remote.domain, remote.port), route("client.test", home.port)])
        send(posthouse, [f"unknown.jones@{remote.domain}"])
        bounce = home.wait_for(1)[0].content.decode()
        assert f"unknown.jones@{remote.domain}" in bounce and "5.1.1" in bounce


def test_of_several_recipients_only_the_refused_one_comes_back(relay, receiver):
    with Receiver() as home:
        posthouse = relay([route("peer.test", receiver.port), route("client.test", home.port)])
        receiver.script["RCPT"] = lambda session, argument: "550 5.1.1 no" if "bad" in argument else None
        _, ident = send(posthouse, ["good@peer.test", "bad@peer.test", "fine@peer.test"])
        assert sorted(receiver.wait_for_ident(ident).addresses) == ["fine@peer.test", "good@peer.test"]
        report = home.wait_for(1)[0].content.decode()
        assert report.count("Final-Recipient:") == 1 and "bad@peer.test" in report
        posthouse.wait_until_empty()
        assert len(home.messages) == 1 and len(receiver.messages) == 1


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "DOT"])
def test_a_temporary_no_is_tried_again_and_then_delivered_once(relay, receiver, stage):
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.script[stage] = replies("451 4.3.0 come back later", "451 4.3.0 come back later", None)
    _, ident = send(posthouse)
    receiver.wait_for_ident(ident)
    posthouse.wait_until_empty()
    assert [message.ident for message in receiver.messages] == [ident]


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "DOT"])
def test_a_permanent_no_comes_back_at_once(relay, receiver, stage):
    with Receiver() as home:
        posthouse = relay([route("peer.test", receiver.port), route("client.test", home.port)])
        receiver.script[stage] = always(f"554 5.7.1 not with {stage.lower()}")
        send(posthouse)
        assert f"not with {stage.lower()}" in home.wait_for(1)[0].content.decode()
        posthouse.wait_until_empty()
        assert not receiver.messages


@pytest.mark.parametrize("stage,answer", [
    ("CONNECT", "421 4.3.2 too busy"), ("CONNECT", "554 5.3.2 closed today"), ("CONNECT", DROP), ("EHLO", DROP),
    ("EHLO", "421 4.3.2 too busy"), ("MAIL", DROP), ("RCPT", DROP), ("DATA", DROP), ("RCPT", "421 4.3.2 shutting down"),
])  # fmt: skip
def test_a_server_that_breaks_off_keeps_the_message_in_the_queue(relay, receiver, stage, answer):
    with Receiver() as home:
        posthouse = relay([route("peer.test", receiver.port), route("client.test", home.port)])
        receiver.script[stage] = always(answer)
        _, ident = send(posthouse)
        posthouse.wait_for_queued("bob@peer.test", lambda recipient: recipient["state"] == "queued")
        until(lambda: receiver.connections >= 1, "an attempt")
        del receiver.script[stage]
        until(lambda: posthouse.flush("peer.test") and receiver.messages, "delivered", interval=0.3)
        assert [message.ident for message in receiver.messages] == [ident]
        posthouse.wait_until_empty()
        assert not home.messages


def test_ehlo_refused_falls_back_to_helo(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.script["EHLO"] = always("502 5.5.1 what is EHLO?")
    _, ident = send(posthouse)
    receiver.wait_for_ident(ident)
    assert "HELO relay.test" in receiver.commands


def test_the_final_reply_lost_is_in_doubt_and_tried_again(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], retry={"schedule": ["2s"], "max_interval": "2s"})
    receiver.script["DOT"] = replies(DROP, None)
    _, ident = send(posthouse)
    posthouse.wait_for_queued("bob@peer.test", lambda recipient: recipient["state"] == "in_doubt")
    assert re.search(r"in_doubt|in doubt", posthouse.log()), posthouse.log()
    receiver.wait_for_ident(ident)
    assert [message.ident for message in receiver.seen] == [ident, ident]
    posthouse.wait_until_empty()


def test_a_silent_server_does_not_hold_up_the_others(relay, receiver):
    with Receiver() as deaf:
        deaf.script["CONNECT"] = always(HANG)
        posthouse = relay([route("deaf.test", deaf.port), route("peer.test", receiver.port)],
                          delivery={"connections": 50, "greeting_timeout": "3s"})  # fmt: skip
        for _ in range(30):
            send(posthouse, ["x@deaf.test"])
        for _ in range(10):
            _, ident = send(posthouse)
            receiver.wait_for_ident(ident, 5)


def test_when_the_lifetime_is_over_the_message_comes_back(relay, receiver):
    with Receiver() as home:
        posthouse = relay([route("peer.test", receiver.port, lifetime="2s"), route("client.test", home.port)])
        receiver.script["RCPT"] = always("450 4.2.1 the mailbox is busy")
        send(posthouse)
        report = home.wait_for(1, 30)[0].content.decode()
        assert "the mailbox is busy" in report and "Action: failed" in report
        posthouse.wait_until_empty()


def test_a_bounce_that_cannot_be_delivered_is_dropped(relay, receiver):
    with Receiver() as home:
        posthouse = relay([route("peer.test", receiver.port), route("client.test", home.port)])
        receiver.script["RCPT"] = always("550 5.1.1 nobody")
        home.script["RCPT"] = always("550 5.1.1 nobody either")
        send(posthouse)
        until(lambda: any(c.startswith("RCPT") for c in home.commands), "the bounce was tried")
        posthouse.wait_until_empty()
        assert not home.messages


@pytest.mark.parametrize("notify,bounces", [("NEVER", 0), ("FAILURE", 1), ("SUCCESS", 0)])
def test_notify_decides_about_a_failure_report(relay, receiver, notify, bounces):
    with Receiver() as home:
        posthouse = relay([route("peer.test", receiver.port), route("client.test", home.port)])
        receiver.script["RCPT"] = always("550 5.1.1 nobody")
        message, _ = mail.compose(mail.BODIES["plain"])
        with posthouse.wire() as wire:
            wire.hello()
            wire.expect("250", "MAIL FROM:<ada@client.test> RET=HDRS ENVID=abc")
            wire.expect("250", f"RCPT TO:<bob@peer.test> NOTIFY={notify}")
            assert wire.data(message + b".\r\n").startswith("250")
        until(lambda: any(c.startswith("RCPT") for c in receiver.commands), "an attempt")
        posthouse.wait_until_empty()
        assert len(home.messages) == bounces
        if bounces:
            report = home.messages[0].content.decode()
            assert "Original-Envelope-Id: abc" in report and "text/rfc822-headers" in report


def test_dsn_parameters_pass_on_unchanged(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose(mail.BODIES["plain"])
    with posthouse.wire() as wire:
        wire.hello()
        wire.expect("250", "MAIL FROM:<ada@client.test> RET=FULL ENVID=a+2Bb")
        wire.expect("250", "RCPT TO:<bob@peer.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob+2Bx@peer.test")
        assert wire.data(message + b".\r\n").startswith("250")
    got = receiver.wait_for_ident(ident)
    assert "RET=FULL" in got.sender_parameters and "ENVID=a+2Bb" in got.sender_parameters
    assert "ORCPT=rfc822;bob+2Bx@peer.test" in got.recipients[0][1]
    assert re.search(r"NOTIFY=(SUCCESS,DELAY|DELAY,SUCCESS)", got.recipients[0][1])


@pytest.mark.parametrize("body,parameters", [("plain", set()), ("8-bit", {"BODY=8BITMIME"})])
def test_what_the_body_is_like_is_told_to_the_next_hop(relay, body, parameters):
    with Receiver(capabilities=("SIZE 1000000", "8BITMIME")) as modern, Receiver(capabilities=("8BITMIME",)) as plain:
        posthouse = relay([route("peer.test", modern.port), route("plain.test", plain.port)])
        _, ident = send(posthouse, ["bob@peer.test"], mail.BODIES[body], parameters=" BODY=8BITMIME")
        got = modern.wait_for_ident(ident)
        assert set(got.sender_parameters.split()) == parameters | {f"SIZE={len(got.content)}"}
        _, ident = send(posthouse, ["bob@plain.test"], mail.BODIES[body])
        assert set(plain.wait_for_ident(ident).sender_parameters.split()) == parameters


def test_success_asked_of_a_server_without_dsn_is_answered_by_a_relayed_report(relay):
    with Receiver(capabilities=("PIPELINING", "8BITMIME")) as old, Receiver() as home:
        posthouse = relay([route("peer.test", old.port), route("client.test", home.port)])
        message, ident = mail.compose(mail.BODIES["plain"])
        with posthouse.wire() as wire:
            wire.hello()
            wire.expect("250", "MAIL FROM:<ada@client.test>")
            wire.expect("250", "RCPT TO:<bob@peer.test> NOTIFY=SUCCESS")
            assert wire.data(message + b".\r\n").startswith("250")
        old.wait_for_ident(ident)
        assert "Action: relayed" in home.wait_for(1)[0].content.decode()


def test_connections_are_kept_for_the_next_message(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], delivery={"idle_timeout": "10s"})
    for _ in range(5):
        _, ident = send(posthouse)
        receiver.wait_for_ident(ident)
        posthouse.wait_until_empty()
    assert receiver.connections == 1


def test_a_kept_connection_that_died_costs_nothing(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], delivery={"idle_timeout": "30s"})
    _, first = send(posthouse)
    receiver.wait_for_ident(first)
    receiver.stop()
    receiver.start()
    _, second = send(posthouse)
    receiver.wait_for_ident(second)
    posthouse.wait_until_empty()


def test_pipelining_and_chunking_are_used_when_offered(relay):
    with Receiver(capabilities=("PIPELINING", "8BITMIME", "CHUNKING")) as modern:
        posthouse = relay([route("peer.test", modern.port)])
        message, ident = send(posthouse, body=mail.BODIES["dots"])
        got = modern.wait_for_ident(ident)
        assert got.verb == "BDAT" and mail.without_trace(got.content) == message


def test_a_message_larger_than_the_next_hop_takes_comes_back_without_being_sent(relay):
    with Receiver(capabilities=("SIZE 5000", "8BITMIME")) as small, Receiver() as home:
        posthouse = relay([route("peer.test", small.port), route("client.test", home.port)])
        send(posthouse, body=mail.large_body(20_000).decode())
        assert "5.3.4" in home.wait_for(1)[0].content.decode()
        assert not small.seen
