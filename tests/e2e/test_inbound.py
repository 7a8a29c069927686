"""What a client hears: the right to relay, limits, and everything that must not get through."""

import re
import socket

import pytest
from harness import mail
from harness.posthouse import route
from harness.receiver import Receiver
from harness.wait import until
from harness.wire import Wire, submit

pytestmark = pytest.mark.sanitized
STRANGER = "127.0.0.2"  # not in relay.networks, which the harness sets to 127.0.0.1/32


def test_the_greeting_and_the_capabilities(relay):
    posthouse = relay()
    with posthouse.wire() as wire:
        assert wire.reply().startswith("220 relay.test ESMTP")
        reply = wire.say("EHLO client.test")
        names = {line[4:].split()[0] for line in reply.split("\n")[1:]}
        assert {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING", "ETRN"} <= names
        assert not {"AUTH", "STARTTLS", "VRFY", "BINARYMIME"} & names - {"BINARYMIME"}
        wire.expect("252", "VRFY bob")
        wire.expect("250", "NOOP")
        wire.expect("214", "HELP")
        wire.expect("250", "RSET")
        wire.expect("500", "WHAT")
        wire.expect("221", "QUIT")
        assert wire.is_closed()


def test_a_stranger_may_not_relay(relay):
    posthouse = relay()
    with posthouse.wire(source=STRANGER) as wire:
        wire.hello()
        wire.expect("250", "MAIL FROM:<ada@client.test>")
        wire.expect("550 5.7.1", "RCPT TO:<bob@peer.test>")


@pytest.mark.parametrize("address", [
    "<bob%peer.test@relay.domain>", "<bob@peer.test@relay.domain.other>", '<"bob@peer.test">',
    '<"bob@peer.test"@other.test>', "<@relay.domain:bob@peer.test>", "<peer.test!bob@other.test>", "<bob@[127.0.0.1]>",
    "<bob@sub.relay.domain>", "<bob@relay.domain.>", "<bob>",
])  # fmt: skip
def test_no_way_of_writing_an_address_makes_an_open_relay(relay, receiver, address):
    posthouse = relay([route("*", receiver.port)], relay={"networks": [], "domains": ["relay.domain"]})
    with posthouse.wire(source=STRANGER) as wire:
        wire.hello()
        wire.expect("250", "MAIL FROM:<ada@client.test>")
        reply = wire.say(f"RCPT TO:{address}")
        if reply.startswith("250"):  # then it may only go to the domain that everybody may send to
            message, ident = mail.compose(mail.BODIES["plain"])
            assert wire.data(message + b".\r\n").startswith("250")
            assert receiver.wait_for_ident(ident).addresses[0].lower().rstrip(".").endswith("@relay.domain")
        else:
            assert re.match(r"5[05][0-9] 5\.[17]\.[0-9]", reply), reply


def test_everybody_may_send_to_a_relay_domain(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], relay={"domains": ["peer.test"]})
    message, ident = mail.compose(mail.BODIES["plain"])
    submit(posthouse.port, message, source=STRANGER)
    receiver.wait_for_ident(ident)


def test_postmaster_without_a_domain_is_taken_from_everybody(relay):
    posthouse = relay()
    with posthouse.wire(source=STRANGER) as wire:
        wire.hello()
        wire.expect("250", "MAIL FROM:<ada@client.test>")
        wire.expect("250", "RCPT TO:<postmaster>")


def test_ipv6_and_several_listeners(relay, receiver):
    from harness.ports import free_port

    second, third = free_port(), free_port()
    posthouse = relay([route("peer.test", receiver.port)], start=False, relay={"networks": ["127.0.0.1/32", "::1"]})
    posthouse.settings["listener"] += [{"address": f"127.0.0.3:{second}"}, {"address": f"[::1]:{third}"}]
    posthouse.start()
    for port, host in [(posthouse.port, "127.0.0.1"), (third, "::1")]:
        message, ident = mail.compose(mail.BODIES["plain"])
        submit(port, message, host=host)
        receiver.wait_for_ident(ident)
    with Wire(second, host="127.0.0.3", source="127.0.0.1") as wire:
        wire.hello()


def test_the_size_limit_counts_declared_and_real_bytes(relay):
    posthouse = relay(inbound={"message_size": "100kB"})
    with posthouse.wire() as wire:
        assert "SIZE 100000" in wire.hello()
        wire.expect("552 5.3.4", "MAIL FROM:<ada@client.test> SIZE=100001")
        wire.envelope()
        reply = wire.data(b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" + mail.large_body(200_000) + b".\r\n")
        assert reply.startswith("552 5.3.4"), reply
        wire.envelope()
        assert wire.data(b"Subject: small\r\n\r\nok\r\n.\r\n").startswith("250")


def test_too_many_recipients_are_put_off_one_by_one(relay):
    posthouse = relay(inbound={"recipients": 120})
    with posthouse.wire() as wire:
        wire.hello()
        wire.envelope(recipients=[f"u{number}@peer.test" for number in range(120)])
        wire.expect("452 4.5.3", "RCPT TO:<one-more@peer.test>")
        assert wire.data(b"Subject: x\r\n\r\nok\r\n.\r\n").startswith("250")


OWN = {"networks": ["127.0.0.1/32", "127.0.1.0/24"]}


def test_beyond_the_limit_of_connections_a_client_hears_421(relay):
    posthouse = relay(relay=OWN, inbound={"connections": 10, "connections_per_address": 3})
    strangers = [posthouse.wire(source=STRANGER) for _ in range(3)]
    own = [posthouse.wire(source=source) for source in ["127.0.0.1"] * 4 + ["127.0.1.1"] * 3]
    for wire in own + strangers:
        wire.hello()
        wire.expect("250", "MAIL FROM:<ada@client.test>")
    with posthouse.wire() as wire:
        wire.expect("421")
        assert wire.is_closed()
    own.pop().close()
    until(lambda: _greeting(posthouse, "127.0.0.1").startswith("220"), "a place is free again")
    with posthouse.wire(source=STRANGER) as wire:
        wire.expect("421")
    for wire in own + strangers:
        wire.close()
    assert 1 <= posthouse.log().count("connections_refused ") <= 4


def test_one_machine_of_ours_cannot_lock_out_the_others(relay):
    posthouse = relay(relay=OWN, inbound={"connections": 20})
    idle = [posthouse.wire(source="127.0.1.1") for _ in range(10)]
    for wire in idle:
        wire.hello()
    assert _greeting(posthouse, "127.0.1.1").startswith("421 4.7.0"), "half of all are one machine's"
    busy = [posthouse.wire(source="127.0.1.2") for _ in range(10)]
    for wire in busy:
        wire.hello()
        wire.expect("250", "MAIL FROM:<ada@client.test>")
    until(lambda: _greeting(posthouse, "127.0.1.3").startswith("220"), "an idle session makes room")
    idle[0].expect("421 4.3.2")
    assert idle[0].is_closed()
    idle[1].expect("250", "NOOP")
    assert "reason=made_room" in posthouse.log() and "connections_scarce" in posthouse.log()
    for wire in busy:
        wire.expect("250", "RCPT TO:<bob@peer.test>")
    for wire in idle + busy:
        wire.close()


def test_strangers_cannot_lock_out_those_who_may_relay(relay):
    posthouse = relay(inbound={"connections": 10, "connections_per_address": 4})
    places = [("127.0.0.2", 4), ("127.0.0.3", 1), ("127.0.1.2", 4)]
    strangers = [posthouse.wire(source=address) for address, count in places for _ in range(count)]
    for wire in strangers:
        wire.expect("220")
    assert _greeting(posthouse, "127.0.0.4").startswith("421"), "half of all are one network's"
    assert _greeting(posthouse, "127.0.2.2").startswith("421"), "the last place is kept"
    assert _greeting(posthouse, "127.0.0.1").startswith("220")
    for wire in strangers:
        wire.close()


def _greeting(posthouse, source):
    with posthouse.wire(source=source) as wire:
        return wire.reply()


def test_a_message_that_goes_round_in_a_circle_is_refused(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], inbound={"hops": 30})
    for count, code in [(29, "250"), (31, "554 5.4.6")]:
        trace = b"".join(b"Received: from a by b; Mon, 2 Jun 2025 10:00:00 +0000\r\n" for _ in range(count))
        with posthouse.wire() as wire:
            wire.hello()
            wire.envelope()
            assert wire.data(trace + b"Subject: round\r\n\r\nx\r\n.\r\n").startswith(code)


def test_a_relay_that_is_its_own_next_hop_ends_in_a_bounce_not_in_a_loop(relay):
    with Receiver() as home:
        posthouse = relay([route("client.test", home.port)], start=False)
        posthouse.settings["route"].append(route("peer.test", posthouse.port))
        posthouse.start()
        message, _ = mail.compose(mail.BODIES["plain"])
        submit(posthouse.port, message)
        assert "5.4.6" in home.wait_for(1, 60)[0].content.decode()
        posthouse.wait_until_empty()


# ---- Smuggling: whatever is not CR LF . CR LF does not end a message -----------------------------

INNER = b"MAIL FROM:<evil@client.test>\r\nRCPT TO:<victim@peer.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n"
FALSE_ENDS = {
    "LF dot LF": b"\n.\n", "LF dot CR LF": b"\n.\r\n", "CR dot CR": b"\r.\r", "CR LF dot CR": b"\r\n.\r",
    "CR LF dot LF": b"\r\n.\n", "CR dot CR LF": b"\r.\r\n", "LF dot CR": b"\n.\r", "CR dot LF": b"\r.\n",
    "CR LF dot CR CR LF": b"\r\n.\r\r\n", "CR LF NUL dot CR LF": b"\r\n\0.\r\n",
    "CR LF dot NUL CR LF": b"\r\n.\0\r\n", "LF LF dot LF": b"\n\n.\n", "CR LF dot SP CR LF": b"\r\n. \r\n",
}  # fmt: skip
HARMLESS = {"CR LF dot SP CR LF"}  # a line that only looks like an end


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("name", FALSE_ENDS)
def test_a_false_end_of_data_smuggles_nothing(relay, receiver, name, bytewise):
    posthouse = relay([route("peer.test", receiver.port)])
    wire_bytes = b"Subject: outer\r\n\r\nouter" + FALSE_ENDS[name] + INNER + b".\r\n"
    with posthouse.wire() as wire:
        wire.hello()
        wire.envelope()
        wire.expect("354", "DATA")
        for piece in [wire_bytes[i : i + 1] for i in range(len(wire_bytes))] if bytewise else [wire_bytes]:
            wire.send(piece)
        wire.expect("250" if name in HARMLESS else "5")
        # One reply to all of it: the dialogue is in step afterwards.
        wire.expect("250", "NOOP")
    assert_nothing_was_smuggled(posthouse, receiver)


def test_an_end_behind_a_bare_cr_ends_a_message_that_is_refused(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    with posthouse.wire() as wire:
        wire.hello()
        wire.envelope()
        assert wire.data(b"Subject: outer\r\n\r\nouter\r\r\n.\r\n").startswith("5")
        wire.expect("250", "NOOP")
    assert_nothing_was_smuggled(posthouse, receiver)


def assert_nothing_was_smuggled(posthouse, receiver):
    submit(posthouse.port, mail.compose("after\r\n", ident="after")[0])
    receiver.wait_for_ident("after")
    posthouse.wait_until_empty()
    assert not any("victim" in command for command in receiver.commands)
    assert all(message.addresses == ["bob@peer.test"] for message in receiver.messages)


def test_what_leaves_has_only_crlf_and_stuffed_dots(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose(mail.BODIES["dots"])
    submit(posthouse.port, message)
    wire = receiver.wait_for_ident(ident).wire
    assert b"\n" not in wire.replace(b"\r\n", b"") and b"\r" not in wire.replace(b"\r\n", b"")
    assert wire.count(b"\r\n.\r\n") == 1 and wire.endswith(b"\r\n.\r\n")


@pytest.mark.parametrize("command", [
    b"RSET\rNOOP\r\n", b"NO\0OP\r\n",
    b"MAIL FROM:<a\rb@c.test>\r\n",
])  # fmt: skip
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
def test_controls_in_commands_are_refused(relay, command, bytewise):
    posthouse = relay()
    with posthouse.wire() as wire:
        wire.hello()
        for piece in [command[i : i + 1] for i in range(len(command))] if bytewise else [command]:
            wire.send(piece)
        wire.expect("5")
        # One line, one reply.
        wire.expect("250", "NOOP")


# ---- Pipelining and chunking ---------------------------------------------------------------------


def test_a_whole_group_in_one_write_is_answered_in_order(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose(mail.BODIES["plain"])
    with posthouse.wire() as wire:
        wire.hello()
        wire.send("MAIL FROM:<ada@client.test>\r\nRCPT TO:<bob@peer.test>\r\nRCPT TO:<b@d@>\r\n"
                  "RCPT TO:<eve@peer.test>\r\nDATA\r\n")  # fmt: skip
        assert [wire.reply()[:3] for _ in range(5)] in (
            ["250", "250", "501", "250", "354"], ["250", "250", "553", "250", "354"])  # fmt: skip
        # Not only the message, but the next group behind its end.
        wire.send(message + b".\r\nMAIL FROM:<ada@client.test>\r\nRCPT TO:<bob@peer.test>\r\nQUIT\r\n")
        assert [wire.reply()[:3] for _ in range(4)] == ["250", "250", "250", "221"]
    assert receiver.wait_for_ident(ident).addresses == ["bob@peer.test", "eve@peer.test"]


def say_all_at_once(posthouse, session, source="127.0.0.1"):
    """What a script hears that writes everything, sends no more, and reads until the end."""
    with socket.create_connection(("127.0.0.1", posthouse.port), timeout=20, source_address=(source, 0)) as connection:
        connection.sendall(session)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while chunk := connection.recv(4096):
                received += chunk
        except ConnectionResetError:
            pass
    return received.decode()


def one_session(message):
    return (b"EHLO script.test\r\nMAIL FROM:<ada@client.test>\r\nRCPT TO:<bob@peer.test>\r\nDATA\r\n"
            + message + b".\r\nQUIT\r\n")  # fmt: skip


def test_a_stranger_that_talks_before_the_greeting_is_refused(relay):
    posthouse = relay(relay={"domains": ["peer.test"]})
    message, _ = mail.compose(mail.BODIES["plain"])
    heard = say_all_at_once(posthouse, one_session(message), STRANGER)
    assert re.fullmatch(r"220 .*\r\n(250-.*\r\n)+250 .*\r\n554 5\.5\.0 .*\r\n", heard), heard


@pytest.mark.parametrize("size", [100, 300_000], ids=["small", "in pieces"])
def test_an_own_script_may_write_its_whole_session_at_once(relay, receiver, size):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose(mail.large_body(size))
    heard = say_all_at_once(posthouse, one_session(message))
    codes = [line[:3] for line in heard.splitlines() if line[3] != "-"]
    assert codes == ["220", "250", "250", "250", "354", "250", "221"], heard
    assert mail.without_trace(receiver.wait_for_ident(ident).content) == message


def test_text_behind_a_refused_data_is_not_obeyed(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    heard = say_all_at_once(posthouse, one_session(INNER).replace(b"<bob@peer.test>", b"<@>", 1))
    codes = [line[:3] for line in heard.splitlines() if line[3] != "-"]
    assert codes == ["220", "250", "250", "501", "503", "503", "221"], heard
    assert_nothing_was_smuggled(posthouse, receiver)


@pytest.mark.parametrize("source", ["127.0.0.1", STRANGER])
def test_a_line_that_ends_with_lf_alone_is_answered_at_once(relay, source):
    posthouse = relay()
    with posthouse.wire(source=source) as wire:
        wire.expect("220")
        wire.send(b"EHLO client.test\n")
        assert "CR LF" in wire.expect("500 5.5.2")
        assert wire.is_closed()


def test_a_message_in_chunks(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose(mail.BODIES["dots"])
    with posthouse.wire() as wire:
        wire.hello()
        wire.envelope()
        for begin in range(0, len(message), 100):
            chunk = message[begin : begin + 100]
            wire.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            wire.expect("250")
        wire.expect("250", "BDAT 0 LAST")
    assert mail.without_trace(receiver.wait_for_ident(ident).content) == message


def test_chunks_pipelined_in_one_write(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose(mail.large_body(30_000))
    half = len(message) // 2
    with posthouse.wire() as wire:
        wire.hello()
        wire.send(b"MAIL FROM:<ada@client.test>\r\nRCPT TO:<bob@peer.test>\r\n"
                  + b"BDAT %d\r\n" % half + message[:half]
                  + b"BDAT %d LAST\r\n" % (len(message) - half) + message[half:])  # fmt: skip
        assert [wire.reply()[:3] for _ in range(4)] == ["250"] * 4
    assert mail.without_trace(receiver.wait_for_ident(ident).content) == message


def test_commands_inside_a_chunk_are_not_commands(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    message, ident = mail.compose("text\r\n.\r\n" + INNER.decode())
    with posthouse.wire() as wire:
        wire.hello()
        wire.envelope()
        wire.send(b"BDAT %d LAST\r\n" % len(message) + message)
        wire.expect("250")
        wire.expect("221", "QUIT")
    assert mail.without_trace(receiver.wait_for_ident(ident).content) == message
    posthouse.wait_until_empty()
    assert len(receiver.messages) == 1


@pytest.mark.parametrize("begin,code", [
    (b"BDAT 99999999999999999999999\r\n", "5"), (b"BDAT -1\r\n", "501"), (b"BDAT x LAST\r\n", "501"),
    (b"BDAT\r\n", "501"),
])  # fmt: skip
def test_a_chunk_size_that_is_none_is_refused(relay, begin, code):
    posthouse = relay()
    with posthouse.wire() as wire:
        wire.hello()
        wire.envelope()
        wire.send(begin)
        reply = wire.reply()
        assert reply.startswith(code), reply


def test_data_after_a_chunk_is_out_of_order(relay):
    posthouse = relay()
    with posthouse.wire() as wire:
        wire.hello()
        wire.envelope()
        wire.send(b"BDAT 5\r\nabc\r\n")
        wire.expect("250")
        wire.expect("503", "DATA")


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    for cut in [b"Subject: half\r\n\r\nhalf", b"Subject: half\r\n\r\nhalf\r\n.", b"Subject: half\r\n\r\nhalf\r\n.\r"]:
        with posthouse.wire() as wire:
            wire.hello()
            wire.envelope()
            wire.expect("354", "DATA")
            wire.send(cut)
    submit(posthouse.port, mail.compose("whole\r\n", ident="whole")[0])
    receiver.wait_for_ident("whole")
    posthouse.wait_until_empty()
    assert [message.ident for message in receiver.seen] == ["whole"]


def _half_closed(wire):
    wire.socket.shutdown(socket.SHUT_WR)
    replies = []
    while (reply := wire.reply()) is not None:
        replies.append(reply[:3])
    return replies


def test_a_client_that_ends_its_input_hears_all_answers(relay, receiver):
    """As nc -N does and busybox nc."""
    posthouse = relay([route("peer.test", receiver.port)])
    for body, end, answers in [
        (mail.BODIES["plain"], b"QUIT\r\n", ["250", "221"]), (mail.BODIES["plain"], b"", ["250"]),
        (mail.BODIES["plain"], b"NOOP", ["250"]),
        (mail.large_body(3_000_000).decode(), b"MAIL FROM:<ada@client.test>\r\nQUIT\r\n", ["250", "250", "221"]),
    ]:  # fmt: skip
        message, ident = mail.compose(body)
        with posthouse.wire() as wire:
            wire.hello()
            wire.envelope()
            wire.expect("354", "DATA")
            wire.send(message + b".\r\n" + end)
            assert _half_closed(wire) == answers
        receiver.wait_for_ident(ident)
    posthouse.wait_until_empty()


def test_a_message_whose_end_never_comes_is_forgotten(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    for begin in [b"DATA\r\n", b"BDAT 1000 LAST\r\n"]:
        with posthouse.wire() as wire:
            wire.hello()
            wire.envelope()
            wire.send(begin)
            if begin.startswith(b"DATA"):
                wire.expect("354")
            wire.send(b"Subject: half\r\n\r\nhalf\r\n.")
            assert _half_closed(wire) == ["421"], "it does not wait for a reply that never comes"
    submit(posthouse.port, mail.compose("whole\r\n", ident="whole")[0])
    receiver.wait_for_ident("whole")
    posthouse.wait_until_empty()
    assert [message.ident for message in receiver.seen] == ["whole"]


def test_an_international_domain_needs_no_smtputf8_at_the_next_hop(relay):
    with Receiver(capabilities=("8BITMIME", "PIPELINING")) as hop:
        posthouse = relay([route("*", hop.port)])
        hop.script["RCPT"] = lambda session, argument: "550 5.1.1 no such user" if "bad@" in argument else None
        for local_part in ["good", "bad"]:
            message, ident = mail.compose("ASCII alone\r\n")
            submit(posthouse.port, message, sender="ada@b\u00fcro.test", recipients=[f"{local_part}@b\u00fccher.test"],
                   parameters=" SMTPUTF8")  # fmt: skip
            if local_part == "good":
                assert hop.wait_for_ident(ident).addresses == ["good@xn--bcher-kva.test"]
        report = hop.wait_for(2)[1]
        assert report.addresses == ["ada@xn--bro-hoa.test"] and report.sender == ""
        posthouse.wait_until_empty()


def test_a_recipient_that_is_named_several_times_gets_one_copy(relay, receiver):
    posthouse = relay([route("*", receiver.port)])
    message, ident = mail.compose(mail.BODIES["plain"])
    submit(posthouse.port, message, recipients=["bob@peer.test", "bob@PEER.test", "Bob@peer.test", "bob@peer.test"])
    posthouse.wait_until_empty()
    assert sorted(address for seen in receiver.seen for address in seen.addresses) == ["Bob@peer.test", "bob@peer.test"]


def test_a_silent_client_is_shown_out(relay):
    posthouse = relay(inbound={"command_timeout": "1s", "data_timeout": "1s"})
    with posthouse.wire() as wire:
        wire.hello()
        wire.expect("421 4.4.2")
        assert wire.is_closed()
    with posthouse.wire() as wire:
        wire.hello()
        wire.envelope()
        wire.expect("354", "DATA")
        wire.send(b"Subject: slow\r\n")
        reply = wire.reply()
        assert reply is None or reply.startswith("421")


def test_a_utf8_address_needs_smtputf8(relay):
    posthouse = relay()
    with posthouse.wire() as wire:
        wire.hello()
        wire.expect("250", "MAIL FROM:<ada@client.test>")
        wire.expect("553 5.6.7", "RCPT TO:<jürgen@peer.test>".encode())


def test_the_250_comes_only_when_the_message_is_on_disk(relay, receiver):
    """Acknowledged, then killed at once with the next hop off: after the restart it is there."""
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.stop()
    idents = []
    for _ in range(20):
        message, ident = mail.compose(mail.BODIES["plain"])
        submit(posthouse.port, message)
        idents.append(ident)
    posthouse.kill()
    receiver.start()
    posthouse.start()
    for ident in idents:
        receiver.wait_for_ident(ident)
    posthouse.wait_until_empty()
