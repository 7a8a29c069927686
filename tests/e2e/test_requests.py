"""What few senders ask for with MAIL: MT-PRIORITY, FUTURERELEASE and DELIVERBY, from the client to the next hop."""

import json
import re
import subprocess
import time

import pytest
from harness import mail
from harness.posthouse import BINARY, route
from harness.receiver import DEFAULT_CAPABILITIES, always
from harness.wait import until
from harness.wire import submit

pytestmark = pytest.mark.sanitized
STRANGER = "127.0.0.2"


def extensions_for(posthouse, source=None):
    with posthouse.wire(source=source) as wire:
        return {line[4:].split()[0]: line[4:].split()[1:] for line in wire.hello().split("\n")[1:]}


def send(posthouse, parameters, to="bob@peer.test", **more):
    message, ident = mail.compose(mail.BODIES["plain"], to=to)
    reply = submit(posthouse.port, message, recipients=[to], parameters=" " + parameters, **more)
    return ident, reply, re.search(r"queued as (\w+)", reply).group(1)


def test_they_are_offered_to_our_own_clients(relay):
    posthouse = relay(inbound={"future_release_max": "2h", "deliver_by_min": "30s"})
    ours = extensions_for(posthouse)
    assert ours["MT-PRIORITY"] == [] and ours["DELIVERBY"] == ["30"]
    seconds, latest = ours["FUTURERELEASE"]
    assert seconds == "7200" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", latest)
    assert not {"MT-PRIORITY", "DELIVERBY", "FUTURERELEASE"} & set(extensions_for(posthouse, STRANGER))
    posthouse.settings["inbound"] = {"future_release_max": "0s", "priority_networks": [STRANGER + "/32"]}
    posthouse.reload()
    assert not {"MT-PRIORITY", "FUTURERELEASE"} & set(extensions_for(posthouse))
    assert "MT-PRIORITY" in extensions_for(posthouse, STRANGER)


def test_priority_and_time_left_go_to_the_next_hop(relay, receiver):
    receiver.capabilities = (*DEFAULT_CAPABILITIES, "MT-PRIORITY", "DELIVERBY")
    posthouse = relay([route("peer.test", receiver.port)])
    ident, _, _ = send(posthouse, "MT-PRIORITY=-4 BY=600;R")
    received = receiver.wait_for_ident(ident)
    assert "MT-PRIORITY=-4" in received.sender_parameters.split()
    assert re.search(r"\bBY=(59\d|600);R\b", received.sender_parameters), received.sender_parameters
    assert b"\r\n\tpriority -4;" in received.content
    assert "priority=-4" in posthouse.log()


def test_a_strangers_priority_is_lowered_and_he_is_told(relay, receiver):
    receiver.capabilities = (*DEFAULT_CAPABILITIES, "MT-PRIORITY")
    posthouse = relay([route("peer.test", receiver.port)], relay={"domains": ["peer.test"]})
    ident, reply, _ = send(posthouse, "MT-PRIORITY=9", source=STRANGER)
    assert reply.startswith("250 2.3.6 0 is the new priority")
    assert "MT-PRIORITY" not in receiver.wait_for_ident(ident).sender_parameters


def test_a_message_for_later_waits_over_a_restart_and_a_flush(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    begin = time.time()
    ident, _, queue_id = send(posthouse, "HOLDFOR=6 MT-PRIORITY=2")
    message, recipient = posthouse.wait_for_queued("bob@peer.test")
    assert recipient["state"] == "queued" and recipient["waits_for"] == "future_release"
    assert recipient["next_attempt"] == message["release"] and message["priority"] == 2
    words = " ".join(posthouse.why(queue_id).split())
    assert "wants it to go out" in words and "priority is 2" in words, words
    posthouse.flush()
    posthouse.kill()
    posthouse.start()
    posthouse.flush("peer.test")
    _, recipient = posthouse.wait_for_queued("bob@peer.test")
    assert recipient["waits_for"] == "future_release"
    receiver.wait_for_ident(ident)
    assert time.time() - begin >= 6


def test_a_message_for_later_can_be_released_and_cancelled(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    now_ident, _, now_id = send(posthouse, "HOLDFOR=3600")
    _, _, never_id = send(posthouse, "HOLDUNTIL=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 900)))
    posthouse.command("release", now_id)
    receiver.wait_for_ident(now_ident)
    posthouse.command("cancel", "--yes", never_id)
    posthouse.wait_until_empty()
    assert len(receiver.messages) == 1


def test_what_cannot_be_delivered_in_time_comes_back(relay, receiver):
    receiver.capabilities = (*DEFAULT_CAPABILITIES, "DELIVERBY")
    receiver.script["RCPT"] = lambda _, argument: "450 4.2.1 busy" if "bob" in argument else None
    routes = [route("peer.test", receiver.port), route("client.test", receiver.port)]
    posthouse = relay(routes, inbound={"deliver_by_min": "1s"})
    begin = time.time()
    send(posthouse, "BY=3;R")
    until(lambda: receiver.messages, "a report")
    assert 2.9 <= time.time() - begin < 15
    report = receiver.messages[0]
    assert report.addresses == ["ada@client.test"]
    text = report.content.decode()
    assert "Status: 5.4.7" in text and "Deliver-By-Date: " in text and "450 4.2.1 busy" in text
    posthouse.wait_until_empty()


def test_nothing_with_return_goes_to_a_server_without_deliverby(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port), route("client.test", receiver.port)])
    send(posthouse, "BY=600;R")
    until(lambda: receiver.messages, "a report")
    assert receiver.messages[0].addresses == ["ada@client.test"]
    assert "Status: 5.4.7" in receiver.messages[0].content.decode()
    assert len(receiver.messages) == 1


def test_with_notify_it_goes_there_and_the_sender_is_told(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port), route("client.test", receiver.port)])
    ident, _, _ = send(posthouse, "BY=600;N")
    assert "BY=" not in receiver.wait_for_ident(ident).sender_parameters
    report = until(lambda: [r for r in receiver.messages if r.addresses == ["ada@client.test"]], "a report")[0]
    assert "Action: relayed" in report.content.decode()


def test_an_export_keeps_all_of_it(relay, receiver, tmp_path):
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.script["RCPT"] = always("450 4.2.1 busy")
    ident, _, queue_id = send(posthouse, "MT-PRIORITY=9 HOLDFOR=3600 BY=600;NT")
    posthouse.stop()
    spool = ["--spool", str(posthouse.folder / "spool")]
    folder = tmp_path / "out"
    subprocess.run([BINARY, "spool", "export", *spool, str(folder), queue_id], check=True, timeout=60)
    written = json.loads((folder / f"{queue_id}.json").read_text())
    assert written["priority"] == 9 and written["deliver_by"]["mode"] == "notify" and written["deliver_by"]["trace"]
    subprocess.run([BINARY, "spool", "import", *spool, str(folder)], check=True, timeout=60)
    listed = json.loads(subprocess.run([BINARY, "spool", "ls", "--json", *spool], check=True, capture_output=True,
                                       timeout=60).stdout)  # fmt: skip
    assert len(listed) == 2
    for member in ("priority", "release", "deliver_by"):
        assert listed[0][member] == listed[1][member] == written[member]
    shown = subprocess.run([BINARY, "spool", "cat", *spool, queue_id], check=True, capture_output=True, timeout=60)
    assert re.search(rb"Priority   9\nRelease    .*\nDeliver by .*, or tell the sender; with a trace\n", shown.stdout)
