"""The daemon's life: start, stop, reload, and the commands that look at it."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from harness import mail
from harness.ports import free_port
from harness.posthouse import BINARY, CHECKOUT, route, to_toml
from harness.receiver import HANG, always, replies
from harness.wait import until
from harness.wire import Wire, submit

pytestmark = pytest.mark.sanitized


def is_open(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return True
    except OSError:
        return False


# ---- Starting ------------------------------------------------------------------------------------


def test_a_second_relay_on_the_same_spool_is_refused(relay):
    first = relay()
    second = relay(start=False)
    second.settings["spool"] = first.settings["spool"]
    second.write_config()
    result = second.command("serve", status=1)
    assert first.settings["spool"]["path"] in result.stderr, result.stderr
    with first.wire() as wire:
        wire.hello()


def test_a_port_that_is_taken_is_said(relay):
    first = relay()
    second = relay(start=False)
    second.settings["listener"] = first.settings["listener"]
    second.write_config()
    result = second.command("serve", status=1)
    assert str(first.port) in result.stderr and "in use" in result.stderr, result.stderr


def test_a_bad_configuration_is_not_served(relay):
    posthouse = relay(start=False, relay={"netwroks": ["127.0.0.1/32"]})
    posthouse.write_config()
    result = posthouse.command("serve", status=1)
    assert "netwroks" in result.stderr and not is_open(posthouse.port)


def test_check_says_all_mistakes_with_their_lines(relay):
    posthouse = relay(start=False)
    posthouse.config.write_text(
        'hostnam = "x"\n[inbound]\nmessage_size = 5\n[relay]\nnetworks = ["10.0.0.1/8"]\n[retry]\nlifetime = "soon"\n'
    )
    result = posthouse.command("check", status=1)
    said = result.stdout + result.stderr
    for line, key in [(1, "hostnam"), (3, "inbound.message_size"), (5, "relay.networks"), (7, "retry.lifetime")]:
        pattern = rf"posthouse\.toml:{line}:\d+: .*{re.escape(key)}"
        assert re.search(pattern, said), f"{key}, line {line}: not in\n{said}"
    posthouse.config.write_text("[spool\n")
    assert ":1:" in posthouse.command("check", status=1).stderr
    posthouse.config.unlink()
    assert str(posthouse.config) in posthouse.command("check", status=1).stderr


def test_check_is_content_with_a_good_file(relay):
    posthouse = relay(start=False)
    posthouse.write_config()
    posthouse.command("check")
    for name in ["conf/quickstart.toml", "conf/posthouse.toml"]:
        subprocess.run([BINARY, "check", "--config", CHECKOUT / name], check=True, capture_output=True)


def test_wrong_usage_ends_with_status_2():
    for arguments in (["frobnicate"], ["serve", "--nonsense"], ["why"]):
        result = subprocess.run([BINARY, *arguments], capture_output=True, text=True)
        assert result.returncode == 2 and result.stderr, arguments
    for arguments in (["--help"], ["--version"], ["serve", "--help"]):
        result = subprocess.run([BINARY, *arguments], capture_output=True, text=True)
        assert result.returncode == 0 and result.stdout, arguments


# ---- Stopping ------------------------------------------------------------------------------------


def test_sigterm_finishes_what_is_past_the_final_dot(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    arrived = []
    receiver.script["DOT"] = lambda session, message: arrived.append(posthouse.child.signal(signal.SIGTERM))
    message, ident = mail.compose(mail.BODIES["plain"])
    submit(posthouse.port, message)
    assert posthouse.child.wait(15) == 0
    assert [m.ident for m in receiver.messages] == [ident] and arrived
    receiver.script.clear()
    posthouse.start()
    posthouse.wait_until_empty()
    assert [m.ident for m in receiver.seen] == [ident], "once delivered it must not be sent again"


def test_sigterm_keeps_what_waits_and_a_restart_delivers_it(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.stop()
    message, ident = mail.compose(mail.large_body(400_000))
    submit(posthouse.port, message)
    small, small_ident = mail.compose(mail.BODIES["plain"])
    submit(posthouse.port, small)
    posthouse.stop()
    receiver.start()
    posthouse.start()
    assert mail.without_trace(receiver.wait_for_ident(ident).content) == message
    assert mail.without_trace(receiver.wait_for_ident(small_ident).content) == small
    posthouse.wait_until_empty()


def test_sigterm_tells_connected_clients(relay):
    posthouse = relay()
    with posthouse.wire() as idle:
        idle.hello()
        posthouse.child.signal(signal.SIGTERM)
        reply = idle.reply()
        assert reply is None or reply.startswith("421"), reply
    assert posthouse.child.wait(15) == 0


def test_stopped_is_said_when_another_relay_may_have_the_spool(relay):
    """Whatever clients do that have been told to go."""
    posthouse = relay()
    spool = posthouse.settings["spool"]["path"]
    with posthouse.wire() as silent:
        silent.hello()
        posthouse.child.signal(signal.SIGTERM)
        posthouse.child.wait_for_log(r" stopped ")
        with open(f"{spool}/LOCK") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert posthouse.child.wait(15) == 0


def test_sigint_stops_as_well(relay):
    posthouse = relay()
    posthouse.child.signal(signal.SIGINT)
    assert posthouse.child.wait(15) == 0


def test_a_stop_that_cannot_wait_for_the_last_reply_says_that_it_is_in_doubt(relay, receiver):
    posthouse = relay(
        [route("peer.test", receiver.port)],
        delivery={"stop_patience": "200ms"},
        retry={"schedule": ["1h"], "max_interval": "1h"},
    )
    receiver.script["DOT"] = replies(HANG, None)
    message, _ = mail.compose(mail.BODIES["plain"])
    submit(posthouse.port, message)
    until(lambda: receiver.seen, lambda: f"the whole message, in {receiver.commands}")
    posthouse.stop()
    assert "in_doubt" in posthouse.log(), posthouse.log()
    posthouse.start()
    posthouse.wait_for_queued("bob@peer.test", lambda recipient: recipient["state"] == "in_doubt")
    assert "may arrive twice" in posthouse.command("why", "bob@peer.test").stdout


def test_the_states_of_recipients_survive_a_restart(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], retry={"schedule": ["1h"], "max_interval": "1h"})
    receiver.script["RCPT"] = lambda session, argument: "450 4.2.1 busy" if "late" in argument else None
    message, _ = mail.compose(mail.BODIES["plain"])
    submit(posthouse.port, message, recipients=["soon@peer.test", "late@peer.test"])
    receiver.wait_for(1)
    before = posthouse.wait_for_queued("late@peer.test", lambda recipient: recipient["attempts"] == 1)
    posthouse.kill()
    posthouse.start()
    after = posthouse.wait_for_queued("late@peer.test")
    assert after[1]["attempts"] == 1 and after[1]["next_attempt"] == before[1]["next_attempt"]
    assert after[0]["id"] == before[0]["id"] and "busy" in after[1]["last_reply"]
    assert [r["address"] for r in after[0]["recipients"]] == ["late@peer.test"]
    receiver.script.clear()
    posthouse.flush()
    receiver.wait_for(2)
    assert [m.addresses for m in receiver.messages] == [["soon@peer.test"], ["late@peer.test"]]


# ---- Reloading -----------------------------------------------------------------------------------


def test_sighup_adds_and_removes_listeners_and_keeps_connections(relay):
    posthouse = relay()
    other = free_port()
    with posthouse.wire() as client:
        client.hello()
        posthouse.settings["listener"] = [{"address": f"127.0.0.1:{other}"}]
        posthouse.reload()
        until(lambda: is_open(other), "the new listener is open")
        until(lambda: not is_open(posthouse.port), "the old listener is closed")
        client.envelope()
        assert client.data(b"Subject: still here\r\n\r\nx\r\n.\r\n").startswith("250")
    with Wire(other) as wire:
        wire.hello()


def test_sighup_takes_new_routes_and_relay_rights(relay, receiver):
    posthouse = relay([route("peer.test", free_port())])
    message, ident = mail.compose(mail.BODIES["plain"])
    submit(posthouse.port, message)
    posthouse.wait_for_queued("bob@peer.test")
    posthouse.settings["route"] = [route("peer.test", receiver.port)]
    posthouse.settings["relay"] = {"networks": ["127.0.0.0/8"]}
    posthouse.reload()
    posthouse.flush()
    receiver.wait_for_ident(ident)
    with posthouse.wire(source="127.0.0.2") as wire:
        wire.hello()
        wire.envelope()


def test_a_bad_new_file_changes_nothing_and_says_why(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    said = posthouse.reload(change='hostname = "other.test"\n[inbound]\nrecipients = "many"\n')
    until(lambda: "inbound.recipients" in posthouse.log(), lambda: f"why, in {posthouse.log()}")
    assert said
    with posthouse.wire() as wire:
        assert "relay.test" in wire.reply()
    message, ident = mail.compose(mail.BODIES["plain"])
    submit(posthouse.port, message)
    receiver.wait_for_ident(ident)
    posthouse.write_config()


def test_sighup_takes_new_floors_of_the_spool_but_no_other_segment_size(relay):
    posthouse = relay(spool={"free_percent": 90, "free_space": "1000GB"})
    with posthouse.wire() as wire:
        wire.hello()
        assert wire.say("MAIL FROM:<a@b.test>").startswith("452 4.3.1")
        posthouse.settings["spool"].update(free_percent=0, free_space="1MB")
        posthouse.reload()
        until(lambda: "reloaded" in posthouse.log(), "it has read them")
        assert wire.say("MAIL FROM:<a@b.test>").startswith("250")
    posthouse.settings["spool"]["segment_size"] = "32MB"
    posthouse.reload()
    until(lambda: "spool.segment_size cannot change" in posthouse.log(), lambda: f"why, in {posthouse.log()}")


def test_a_new_listener_that_cannot_be_opened_changes_nothing(relay):
    posthouse = relay()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = {**posthouse.settings, "hostname": "other.test"}
        settings["listener"] = [{"address": f"127.0.0.1:{taken.getsockname()[1]}"}]
        posthouse.reload(change=to_toml(settings))
        until(lambda: "in use" in posthouse.log(), lambda: f"why, in {posthouse.log()}")
    with posthouse.wire() as wire:
        assert "relay.test" in wire.reply()
    posthouse.write_config()


# ---- Seeing and steering -------------------------------------------------------------------------


def test_queue_why_status_and_flush_tell_the_story(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], retry={"schedule": ["1h"], "max_interval": "1h"})
    receiver.script["RCPT"] = replies("450 4.2.1 the mailbox is busy", None)
    message, ident = mail.compose(mail.BODIES["plain"])
    reply = submit(posthouse.port, message)
    queued, recipient = posthouse.wait_for_queued("bob@peer.test", lambda r: r["attempts"] == 1)
    assert queued["id"] in reply, "the client is told the queue id"
    assert queued["sender"] == "ada@client.test" and queued["size"] > len(message)
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    assert re.fullmatch(stamp, queued["arrived"]) and re.fullmatch(stamp, recipient["next_attempt"])
    assert recipient["state"] == "queued" and "the mailbox is busy" in recipient["last_reply"]
    for question in (queued["id"], "bob@peer.test", "peer.test"):
        assert "the mailbox is busy" in posthouse.why(question)
    text = posthouse.command("queue").stdout
    assert queued["id"] in text and "bob@peer.test" in text
    assert json.loads(posthouse.command("status", "--json").stdout)
    assert "1" in posthouse.command("status").stdout
    assert f"id={queued['id']}" in posthouse.log(), "each log line about it has its id"
    posthouse.flush("peer.test")
    receiver.wait_for_ident(ident)
    posthouse.wait_until_empty()
    posthouse.command("why", queued["id"], status=1)


def test_the_id_of_the_250_is_that_of_the_queue_and_of_the_received_line(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], retry={"schedule": ["1h"], "max_interval": "1h"})
    receiver.script["RCPT"] = replies("450 4.2.1 busy", None)
    with posthouse.wire() as wire:
        wire.hello()
        wire.envelope()
        reply = wire.data(mail.compose(mail.BODIES["plain"], ident="named")[0] + b".\r\n")
    ident = re.fullmatch(r"250 2\.0\.0 queued as (\w+)", reply.strip())[1]
    queued, _ = posthouse.wait_for_queued("bob@peer.test", lambda recipient: recipient["attempts"] == 1)
    assert queued["id"] == ident
    posthouse.flush()
    received = receiver.wait_for_ident("named").content.split(b"X-Test-Id", 1)[0].decode()
    assert f" id {ident}" in received


def test_cancel_takes_a_message_out_of_the_queue_for_good(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], retry={"schedule": ["1h"], "max_interval": "1h"})
    receiver.script["RCPT"] = always("450 4.2.1 busy")
    submit(posthouse.port, mail.compose(mail.BODIES["plain"])[0])
    submit(posthouse.port, mail.compose(mail.BODIES["plain"])[0], recipients=["eve@peer.test"])
    queued, _ = posthouse.wait_for_queued("bob@peer.test", lambda recipient: recipient["attempts"] == 1)
    posthouse.wait_for_queued("eve@peer.test", lambda recipient: recipient["attempts"] == 1)
    posthouse.command("cancel", queued["id"], "--yes")
    assert [m["recipients"][0]["address"] for m in posthouse.queue()] == ["eve@peer.test"]
    posthouse.kill()
    posthouse.start()
    assert [m["recipients"][0]["address"] for m in posthouse.queue()] == ["eve@peer.test"]


def test_cancel_by_address_or_domain_leaves_the_other_recipients_alone(relay, receiver):
    routes = [route(domain, receiver.port) for domain in ("peer.test", "other.test")]
    posthouse = relay(routes, retry={"schedule": ["1h"], "max_interval": "1h"})
    receiver.script["RCPT"] = always("450 4.2.1 busy")
    message, ident = mail.compose(mail.BODIES["plain"])
    everybody = ["bob@peer.test", "eve@peer.test", "joe@other.test", "sue@other.test"]
    submit(posthouse.port, message, recipients=everybody)
    for address in everybody:
        posthouse.wait_for_queued(address, lambda recipient: recipient["attempts"] == 1)

    def waiting():
        return sorted(recipient["address"] for m in posthouse.queue() for recipient in m["recipients"])

    assert "1 recipient of 1 message cancelled" in posthouse.command("cancel", "bob@peer.test", "--yes").stdout
    assert waiting() == everybody[1:]
    assert "2 recipients of 1 message held" in posthouse.command("hold", "other.test").stdout
    assert "1 recipient of 1 message released" in posthouse.command("release", "sue@other.test").stdout
    assert waiting() == everybody[1:]  # reading the message waits for the orders to be on disk
    posthouse.kill()
    posthouse.start()
    assert waiting() == everybody[1:]
    del receiver.script["RCPT"]
    until(lambda: posthouse.flush() and waiting() == ["joe@other.test"], waiting, interval=0.3)
    served = [address for m in receiver.messages for address in m.addresses]
    assert sorted(served) == ["eve@peer.test", "sue@other.test"]
    posthouse.command("cancel", "other.test", "--yes")
    posthouse.wait_until_empty()


def test_commands_without_a_running_relay_say_so(relay):
    posthouse = relay(start=False)
    posthouse.write_config()
    for arguments in (["queue"], ["why", "peer.test"], ["flush"], ["status"]):
        assert "not running" in posthouse.command(*arguments, status=1).stderr


def test_a_socket_left_by_a_killed_relay_is_no_hindrance(relay):
    posthouse = relay()
    posthouse.kill()
    assert os.path.exists(posthouse.settings["admin"]["socket"])
    posthouse.start()
    posthouse.command("status")


def test_what_peers_say_cannot_forge_a_log_line(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.script["RCPT"] = always('450 4.2.1 busy" id=forged \x1b[31m\x07')
    with posthouse.wire() as wire:
        wire.expect("220")
        wire.say('EHLO a"\x1b[31mb')
    submit(posthouse.port, mail.compose(mail.BODIES["plain"])[0])
    posthouse.wait_for_queued("bob@peer.test", lambda recipient: recipient["attempts"] >= 1)
    log = posthouse.log()
    assert "\x1b" not in log and "\x07" not in log and '" id=forged' not in log.replace('\\"', "")
    answer = posthouse.why("bob@peer.test") + posthouse.command("queue").stdout
    assert "\x1b" not in answer and "\x07" not in answer


def test_quickstart_runs_as_it_stands(tmp_path):
    """`./dev run`'s configuration, with only its port and folders moved so that it can run beside others."""
    text = (CHECKOUT / "conf/quickstart.toml").read_text()
    port = free_port()
    config = tmp_path / "quickstart.toml"
    config.write_text(text.replace("127.0.0.1:2525", f"127.0.0.1:{port}").replace("../build/quickstart", str(tmp_path)))
    assert str(port) in config.read_text()
    process = subprocess.Popen([BINARY, "serve", "--config", config], stderr=subprocess.PIPE)
    try:
        until(lambda: is_open(port), "listening")
    finally:
        process.terminate()
        assert process.wait(15) == 0
        process.stderr.close()


def test_signals_in_its_last_moments_do_not_change_how_it_ended(relay):
    """A service manager that asks once more just then must hear the exit status and not of a death by a signal."""
    for _ in range(5):
        posthouse = relay([])
        deadline = time.monotonic() + 20
        while posthouse.child.is_running() and time.monotonic() < deadline:
            posthouse.child.signal(signal.SIGTERM)
        assert posthouse.child.wait(10) == 0
        assert "stopped exit_status=0" in posthouse.log()
