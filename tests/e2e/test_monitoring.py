"""Metrics for Prometheus, the live screen, and the dialogue of coming attempts, of a real relay."""

import http.client
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess

import pytest
from harness import mail
from harness.ports import free_port
from harness.posthouse import BINARY, route
from harness.receiver import Receiver, always, replies
from harness.wait import until
from harness.wire import Wire, submit

pytestmark = pytest.mark.sanitized
_SAMPLE = re.compile(r'([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+\})? (\S+)')


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self._path)


def fetch(connection, path="/metrics"):
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response, body


def metrics(posthouse):
    """{"name{labels}": value}"""
    response, text = fetch(_UnixConnection(posthouse.settings["admin"]["socket"]))
    assert response.status == 200 and response.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, f"not a line of the format: {line!r}"
        samples[match[1] + (match[2] or "")] = float(match[3])
    return samples


def send(posthouse, to="bob@peer.test"):
    message, ident = mail.compose(mail.BODIES["plain"], to=to)
    submit(posthouse.port, message, recipients=[to])
    return ident


def test_metrics_follow_the_mail(relay, receiver):
    downstream = free_port()
    posthouse = relay([route("peer.test", receiver.port), route("off.test", downstream)])
    before = metrics(posthouse)
    assert before["posthouse_accepted_messages_total"] == 0 and before["posthouse_queue_messages"] == 0
    receiver.wait_for_ident(send(posthouse))
    send(posthouse, "eve@off.test")
    posthouse.wait_for_queued("eve@off.test", lambda recipient: recipient["waits_for"] == "destination_down")
    with Wire(posthouse.port) as wire:
        wire.hello()
        wire.expect("50", "NONSENSE")
    name = f"127.0.0.1:{downstream}"
    until(lambda: f'posthouse_destination_oldest_seconds{{destination="{name}"}}' in metrics(posthouse), "the survey")
    after = metrics(posthouse)
    for sample, value in {
        "posthouse_accepted_messages_total": 2,
        'posthouse_recipients_total{outcome="delivered"}': 1,
        "posthouse_queue_messages": 1,
        "posthouse_destinations_down": 1,
        f'posthouse_destination_recipients{{destination="{name}",trouble="none"}}': 1,
        f'posthouse_destination_circuit{{destination="{name}",state="open"}}': 1,
        'posthouse_delivery_seconds_bucket{le="+Inf"}': 1,
        "posthouse_delivery_seconds_count": 1,
        "posthouse_connect_seconds_count": 1,
        "posthouse_stored_seconds_count": 2,
        'posthouse_refused_total{reason="syntax"}': 1,
        "posthouse_spool_accepting": 1,
        "posthouse_loading": 0,
    }.items():
        assert after[sample] == value, f"{sample}: {after[sample]}, not {value}"
    assert after["posthouse_spool_syncs_total"] >= 2 and after["posthouse_spool_sync_seconds_total"] > 0
    assert after["posthouse_client_connections_total"] == 3
    assert after[f'posthouse_destination_oldest_seconds{{destination="{name}"}}'] < 30


def test_metrics_count_the_dns(relay):
    posthouse = relay()  # its name server does not answer
    send(posthouse, "bob@them.example")
    posthouse.wait_for_queued("bob@them.example", lambda recipient: recipient["waits_for"] == "dns_down")
    samples = metrics(posthouse)
    assert samples["posthouse_dns_look_ups_total"] >= 1 and samples["posthouse_dns_failures_total"] >= 1


def test_metrics_on_a_port_of_their_own(relay):
    port = free_port()
    posthouse = relay(admin={"metrics": f"127.0.0.1:{port}"})
    response, text = fetch(http.client.HTTPConnection("127.0.0.1", port, timeout=20))
    assert response.status == 200 and "posthouse_queue_messages 0\n" in text
    for path in ("/v1/queue", "/v1/status", "/", "/metrics/x"):
        response, _ = fetch(http.client.HTTPConnection("127.0.0.1", port, timeout=20), path)
        assert response.status == 404, f"{path} is not for everybody"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/metrics", "{}")
    assert connection.getresponse().status == 405
    connection.close()
    assert metrics(posthouse)


def test_metrics_port_is_for_this_machine_only(relay):
    posthouse = relay(admin={"metrics": "0.0.0.0:9725"}, start=False)
    posthouse.write_config()
    said = posthouse.command("check", status=1)
    assert "admin.metrics" in said.stdout + said.stderr and "this machine" in said.stdout + said.stderr


def test_metrics_port_that_is_taken_is_said(relay):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        posthouse = relay(admin={"metrics": "127.0.0.1:%d" % taken.getsockname()[1]}, start=False)
        posthouse.write_config()
        result = posthouse.command("serve", status=1)
        assert "admin.metrics" in result.stderr and "in use" in result.stderr


# ---- posthouse trace ----


def trace(posthouse, what, *arguments):
    return subprocess.Popen(
        [str(BINARY), "trace", what, *arguments, "--config", str(posthouse.config)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_until_it_watches(process):
    line = process.stderr.readline()
    assert "Waiting for attempts" in line, line


def test_trace_shows_the_dialogue(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)])
    process = trace(posthouse, "peer.test", "--count", "1", "--timeout", "60s")
    wait_until_it_watches(process)
    ident = send(posthouse)
    receiver.wait_for_ident(ident)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    for part in ("connecting", "connected", "< 220 receiver.test ESMTP", "> EHLO relay.test",
                 "> MAIL FROM:<ada@client.test>", "> RCPT TO:<bob@peer.test>", "< 250 2.1.5 ok", "bytes of message)",
                 "< 250 2.0.0 taken", "end of the attempt", f"[127.0.0.1]:{receiver.port}"):  # fmt: skip
        assert part in out, f"{part!r} is not in\n{out}"
    assert "the horses are fresh" not in out and ident not in out, "a message is private"
    line = next(line for line in out.splitlines() if "> MAIL" in line)
    assert re.match(r"\d\d:\d\d:\d\d\.\d\d\d #\d+-\d+ \S+ [0-9a-z]{6} > MAIL", line), line


def test_trace_is_about_its_own_mail_only(relay, receiver):
    with Receiver() as others:
        posthouse = relay([route("peer.test", receiver.port), route("others.test", others.port)])
        process = trace(posthouse, "bob@peer.test", "--count", "1", "--timeout", "60s", "--json")
        wait_until_it_watches(process)
        others.wait_for_ident(send(posthouse, "eve@others.test"))
        receiver.wait_for_ident(send(posthouse, "carl@peer.test"))
        receiver.wait_for_ident(send(posthouse, "bob@peer.test"))
        out, err = process.communicate(timeout=30)
        lines = [json.loads(line) for line in out.splitlines()]
        said = [line["text"] for line in lines if line["kind"] == "sent"]
        assert "RCPT TO:<bob@peer.test>" in said, out + err
        assert not [text for text in said if "eve@" in text or "carl@" in text]


def test_trace_ends_with_its_time_and_with_ctrl_c(relay):
    posthouse = relay()
    process = trace(posthouse, "peer.test", "--timeout", "1s")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and not out, out + err
    process = trace(posthouse, "peer.test")
    wait_until_it_watches(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0
    # Nobody watches any more, so eight can.
    for number in range(8):
        connection = _UnixConnection(posthouse.settings["admin"]["socket"])
        connection.request("POST", "/v1/trace", json.dumps({"watch": str(number), "what": "peer.test"}))
        assert connection.getresponse().status == 200, number
        connection.close()
    connection = _UnixConnection(posthouse.settings["admin"]["socket"])
    connection.request("POST", "/v1/trace", json.dumps({"watch": "ninth", "what": "peer.test"}))
    assert connection.getresponse().status == 429
    connection.close()


# ---- posthouse top ----


def test_top_once_shows_destinations_and_rates(relay, receiver):
    posthouse = relay([route("peer.test", receiver.port)], retry={"schedule": ["1h"], "max_interval": "1h"})
    receiver.script["RCPT"] = always("450 4.2.1 the mailbox is busy")
    send(posthouse)
    posthouse.wait_for_queued("bob@peer.test", lambda recipient: recipient["attempts"] == 1)
    until(lambda: "1 refused" in posthouse.command("top", "--once").stdout, "the survey", interval=0.2)
    text = posthouse.command("top", "--once").stdout
    assert f"127.0.0.1:{receiver.port}" in text and "0.0/s" in text and "1 message" in text, text
    answer = json.loads(posthouse.command("top", "--json").stdout)
    assert answer["destinations"][0]["troubles"] == {"refused": 1}


@pytest.mark.parametrize("end", ["q", signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_top_on_a_terminal_refreshes_and_ends_when_it_is_told_to(relay, receiver, end):
    posthouse = relay([route("peer.test", receiver.port)])
    receiver.script["RCPT"] = replies("450 4.2.1 later", None)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(str(BINARY), [str(BINARY), "top", "--config", str(posthouse.config)])
    seen = b""

    def has(*words):
        nonlocal seen
        ready, _, _ = select.select([terminal], [], [], 0.1)
        if ready:
            seen += os.read(terminal, 65536)
        return all(word in seen for word in words)

    try:
        until(lambda: has(b"\x1b[?1049h", b"DESTINATION", b"q ends this"), lambda: f"a picture: {seen!r}")
        seen = b""
        until(lambda: has(b"DESTINATION"), lambda: f"another picture: {seen!r}")
        os.write(terminal, b"q") if end == "q" else os.kill(pid, end)
        until(lambda: has(b"\x1b[?1049l"), lambda: f"the screen restored: {seen!r}")
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        pid = 0
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)
