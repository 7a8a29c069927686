"""`posthouse spool`: looking into the spool's files, and moving mail from one to another."""

import json
import os
import random
import re
import shutil
import signal
import subprocess

import pytest
from harness import mail
from harness.load import Generator, Sink
from harness.ports import free_port
from harness.posthouse import BINARY, route
from harness.receiver import always
from harness.wait import until
from harness.wire import submit

pytestmark = pytest.mark.sanitized


def spool(*arguments, status=0, seconds=60):
    result = subprocess.run([BINARY, "spool", *map(str, arguments)], capture_output=True, timeout=seconds,
                            stdin=subprocess.DEVNULL)  # fmt: skip
    text = result.stdout.decode(errors="replace") + result.stderr.decode(errors="replace")
    assert result.returncode == status, f"spool {arguments}: exit status {result.returncode}\n{text}"
    assert not re.search(r"Sanitizer|runtime error", text), text
    assert b"\r" not in result.stderr, "a progress bar without a terminal"
    return result.stdout


class Stopped:
    """A relay that was stopped with five messages of every kind in its spool, each tried in vain once."""

    KINDS = {**mail.BODIES, "large": mail.large_body(600_000).decode()}

    def __init__(self, relay, receiver):
        self.receiver = receiver
        self.posthouse = relay([route("peer.test", receiver.port)], retry={"schedule": ["1h"], "max_interval": "1h"})
        receiver.script["RCPT"] = always("450 4.2.1 the mailbox is busy")
        self.sent = {}
        for kind, body in self.KINDS.items():
            message, ident = mail.compose(body, to=f"{kind.replace(' ', '-')}@peer.test")
            submit(self.posthouse.port, message, recipients=[f"{kind.replace(' ', '-')}@peer.test"])
            self.sent[ident] = message
        for kind in self.KINDS:
            self.posthouse.wait_for_queued(f"{kind.replace(' ', '-')}@peer.test", lambda r: r["attempts"] == 1)
        self.posthouse.stop()
        del receiver.script["RCPT"]
        self.path = self.posthouse.folder / "spool"

    def list(self, *more):
        return json.loads(spool("ls", "--json", "--spool", self.path, *more))

    def assert_all_arrive(self, posthouse):
        posthouse.start()
        until(lambda: posthouse.flush() and not posthouse.queue(), lambda: posthouse.queue(), 30, 0.3)
        for ident, message in self.sent.items():
            assert mail.without_trace(self.receiver.wait_for_ident(ident).content) == message
        assert len(self.receiver.messages) == len(self.sent)


@pytest.fixture
def stopped(relay, receiver):
    return Stopped(relay, receiver)


def test_ls_cat_and_verify_of_a_stopped_spool(stopped):
    messages = stopped.list()
    assert len(messages) == len(stopped.sent)
    assert {m["sender"] for m in messages} == {"ada@client.test"}
    for message in messages:
        (recipient,) = message["recipients"]
        assert recipient["state"] == "queued" and recipient["attempts"] == 1
        assert recipient["last_reply"].endswith("the mailbox is busy")
        raw = spool("cat", message["id"], "--raw", "--spool", stopped.path)
        assert len(raw) == message["size"]
        assert mail.without_trace(raw) == stopped.sent[mail.ident_of(raw)]
        words, _, content = spool("cat", message["id"].upper(), "--config", stopped.posthouse.config).partition(b"\n\n")
        assert content == raw
        for part in (message["id"], "<ada@client.test>", recipient["address"], "1 attempt", "mailbox is busy"):
            assert part in words.decode(), words.decode()
    table = spool("ls", "--spool", stopped.path).decode()
    assert all(message["id"] in table for message in messages) and "5 messages, 5 recipients" in table
    assert [m["recipients"][0]["address"] for m in stopped.list("--to", "DOTS@peer.test")] == ["dots@peer.test"]
    assert stopped.list("--state", "held") == []
    assert b"no damage" in spool("verify", "--spool", stopped.path)
    spool("cat", "00zzzz", "--spool", stopped.path, status=1)
    spool("ls", "--spool", stopped.path / "nowhere", status=1)
    spool("cat", "--spool", stopped.path, status=2)


def test_reading_changes_nothing(stopped):
    def content():
        return {path: (path.read_bytes(), path.stat().st_mtime_ns)
                for path in sorted(stopped.path.rglob("*")) if path.is_file()}  # fmt: skip

    before = content()
    out = stopped.posthouse.folder / "out"
    for arguments in (["ls"], ["verify"], ["cat", stopped.list()[0]["id"]], ["export", out]):
        spool(*arguments, "--spool", stopped.path)
    assert content() == before


def test_export_and_import_into_a_fresh_spool(stopped, relay):
    """What was queued here is delivered from there, byte for byte, with its attempts and times."""
    folder = stopped.posthouse.folder / "out"
    assert b"5 messages exported" in spool("export", folder, "--spool", stopped.path)
    names = {m["id"] + ending for m in stopped.list() for ending in (".eml", ".json")}
    assert {path.name for path in folder.iterdir()} == names
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    spool("export", folder, "--spool", stopped.path, status=1)  # nothing is overwritten

    other = relay([route("peer.test", stopped.receiver.port)], start=False)
    other.write_config()
    assert b"5 messages imported." in spool("import", folder, "--config", other.config)
    assert {path.name for path in folder.iterdir()} == {name + ".imported" for name in names}
    assert b"0 messages imported." in spool("import", folder, "--config", other.config)

    def without_ids(messages):
        return sorted(({**m, "id": None} for m in messages), key=lambda m: m["message_id"])

    target = json.loads(spool("ls", "--json", "--config", other.config))
    assert without_ids(target) == without_ids(stopped.list())
    assert b"no damage" in spool("verify", "--config", other.config)
    stopped.assert_all_arrive(other)


def test_export_of_named_messages(stopped):
    first, second = (m["id"] for m in stopped.list()[:2])
    folder = stopped.posthouse.folder / "out"
    spool("export", folder, first, second.upper(), "--spool", stopped.path)
    assert {path.stem for path in folder.iterdir()} == {first, second}
    assert spool("export", folder, "00zzzz", "--spool", stopped.path, status=1)


def test_import_of_others_files(relay, receiver, tmp_path):
    minimal = {"sender": "ada@client.test", "recipients": ["bob@peer.test", "eve@peer.test"]}
    good, ident = mail.compose("line\r\n.dot\r\nend\r\n")
    cases = {
        "lf-only": (good.replace(b"\r\n", b"\n"), minimal),
        "not-mixed": (b"A: b\r\n\r\nbare\nLF\r\n", minimal),
        "no-nul": (b"A: b\r\n\r\n\0\r\n", minimal),
        "no-long-line": (b"A: b\r\n\r\n" + b"x" * 1_100_000 + b"\r\n", minimal),
        "no-address": (good, {**minimal, "recipients": ["bob at peer"]}),
        "no-sender": (good, {"recipients": ["bob@peer.test"]}),
        "no-recipients": (good, {**minimal, "recipients": []}),
        "no-object": (good, []),
        "empty": (b"", minimal),
        "all-done": (good, {**minimal, "recipients": [{"address": "bob@peer.test", "state": "delivered"}]}),
        "no-json": (good, None),
    }
    for name, (content, description) in cases.items():
        (tmp_path / f"{name}.eml").write_bytes(content)
        if description is not None:
            (tmp_path / f"{name}.json").write_text(json.dumps(description))
    (tmp_path / "no-eml.json").write_text(json.dumps(minimal))
    (tmp_path / "README").write_text("not mail")
    posthouse = relay([route("peer.test", receiver.port)], start=False)
    posthouse.write_config()
    result = posthouse.command("spool", "import", tmp_path, status=1)
    assert "1 message imported, 1 without an open recipient passed over, 10 refused." in result.stdout
    for name in cases:
        if name not in ("lf-only", "all-done"):
            assert f"{name}." in result.stderr, result.stderr
    assert "no-json.json is missing" in result.stderr and "no-eml.eml" in result.stderr
    left = {path.name for path in tmp_path.iterdir()}
    assert {"lf-only.eml.imported", "lf-only.json.imported", "no-nul.eml", "no-nul.json", "README"} <= left
    posthouse.start()
    got = receiver.wait_for_ident(ident)
    assert got.content == good and sorted(got.addresses) == minimal["recipients"]
    posthouse.wait_until_empty()


def test_import_leaves_files_that_shall_be_kept_and_a_held_message_held(relay, receiver, tmp_path):
    (tmp_path / "a.eml").write_bytes(mail.compose("x\r\n")[0])
    recipients = [{"address": "bob@peer.test", "state": "held", "attempts": 3},
                  {"address": "joe@peer.test", "state": "delivered"}]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps({"sender": "", "recipients": recipients}))
    posthouse = relay([route("peer.test", receiver.port)], start=False)
    posthouse.write_config()
    for _ in range(2):
        posthouse.command("spool", "import", tmp_path, "--keep")
    posthouse.start()
    queued = posthouse.queue()
    assert [[(r["address"], r["state"], r["attempts"]) for r in m["recipients"]] for m in queued] == [
        [("bob@peer.test", "held", 3)]] * 2  # fmt: skip
    posthouse.command("release", "peer.test")
    until(lambda: len(receiver.messages) == 2, "delivered after the release")
    assert all(m.sender == "" and m.addresses == ["bob@peer.test"] for m in receiver.messages)


def test_import_into_a_running_spool_is_refused(relay, receiver, tmp_path):
    posthouse = relay([route("peer.test", receiver.port)])
    result = posthouse.command("spool", "import", tmp_path, status=1)
    assert "stop that one first" in result.stderr
    posthouse.command("spool", "ls")


def test_import_into_the_spool_of_another_user_is_refused(relay, tmp_path):
    path = "/usr"  # root's
    if os.geteuid() == 0:
        path = tmp_path / "spool"
        path.mkdir()
        os.chown(path, 65534, 65534)
    posthouse = relay(start=False, spool={"path": str(path)})
    posthouse.write_config()
    assert "runuser -u" in posthouse.command("spool", "import", tmp_path, status=1).stderr
    assert "runuser -u" in posthouse.command("serve", status=1).stderr
    assert "LOCK" not in os.listdir(path)


def test_ctrl_c_in_the_middle_of_an_import_loses_nothing_and_doubles_nothing(relay, receiver, tmp_path):
    for number in range(3000):
        (tmp_path / f"{number}.eml").write_bytes(b"X-Test-Id: %d\r\n\r\nx\r\n" % number)
        (tmp_path / f"{number}.json").write_text('{"sender": "", "recipients": ["bob@peer.test"]}')
    posthouse = relay([route("peer.test", receiver.port)], start=False)
    posthouse.write_config()
    command = [BINARY, "spool", "import", tmp_path, "--config", posthouse.config]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: (tmp_path / "0.eml.imported").exists(), "the import is under way", 30, 0.001)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    done = len(list(tmp_path.glob("*.eml.imported")))
    if child.returncode == 0:
        assert done == 3000
    else:
        assert child.returncode == 1 and "interrupted" in err and f"{done} messages imported" in out
    assert len(json.loads(spool("ls", "--json", "--config", posthouse.config))) == done
    spool("import", tmp_path, "--config", posthouse.config)
    listed = json.loads(spool("ls", "--json", "--config", posthouse.config))
    assert len(listed) == 3000


def test_verify_says_where_a_byte_is_wrong(stopped):
    """One byte is flipped, in turn in many places. Only what was not certain yet may go unnoticed: the last write."""
    segments = sorted((stopped.path / "seg").glob("*.log"))
    segment = max(segments, key=lambda path: len(path.read_bytes().rstrip(b"\0")))
    pristine = segment.read_bytes()
    end = len(pristine.rstrip(b"\0"))
    source = random.Random(7)
    for _ in range(25):
        place = source.randrange(80) if source.random() < 0.2 else source.randrange(4096, end - 200)
        damaged = bytearray(pristine)
        damaged[place] ^= 1 << source.randrange(8)
        segment.write_bytes(damaged)
        out = spool("verify", "--spool", stopped.path, status=1).decode()
        found = [(int(m[1]), int(m[2])) for m in re.finditer(rf"{segment.name}, byte (\d+) \((\d+) byte", out)]
        assert any(begin <= place < begin + size for begin, size in found), f"byte {place}: {out}"
        assert json.loads(spool("verify", "--json", "--spool", stopped.path, status=1))["problems"]
    segment.write_bytes(pristine)
    spool("verify", "--spool", stopped.path)


def spoil(path, text):
    """Flips a bit of `text` in the segment that has it; returns that segment."""
    (segment,) = (segment for segment in (path / "seg").glob("*.log") if text in segment.read_bytes())
    content = bytearray(segment.read_bytes())
    content[content.index(text) + len(text) // 2] ^= 1
    segment.write_bytes(content)
    return segment


def test_damaged_messages_hold_up_no_others_and_are_told_until_somebody_has_seen_to_it(relay, receiver):
    """One is found at the start, in a segment that is read then; two when they are to be delivered."""
    posthouse = relay([route("peer.test", receiver.port), route("client.test", receiver.port)],
                      spool={"segment_size": "1MiB"}, retry={"schedule": ["1h"], "max_interval": "1h"})  # fmt: skip
    receiver.script["RCPT"] = always("450 4.2.1 the mailbox is busy")
    bodies = {"small": b"the early bird\r\n", "large": mail.large_body(400_000) + b"the heavy bird\r\n"}
    bodies |= {f"filler{number}": mail.large_body(300_000, number) for number in range(2, 6)}
    bodies |= {"late": b"the late bird\r\n", "last": b"another one\r\n"}
    sent = {}
    for name, body in bodies.items():
        message, sent[name] = mail.compose(body, to=f"{name}@peer.test")
        submit(posthouse.port, message, recipients=[f"{name}@peer.test"])
    for name in bodies:
        posthouse.wait_for_queued(f"{name}@peer.test", lambda r: r["attempts"] == 1)
    ids = {message["recipients"][0]["address"]: message["id"] for message in posthouse.queue()}
    posthouse.stop()
    del receiver.script["RCPT"]
    path = posthouse.folder / "spool"
    for text, has_digest in ((b"early bird", True), (b"heavy bird", True), (b"late bird", False)):
        assert spoil(path, text).with_suffix(".idx").exists() == has_digest, "or the start finds the wrong ones"

    posthouse.start()
    assert "spool_damage" in posthouse.log()
    until(lambda: posthouse.flush() and not posthouse.queue(), lambda: posthouse.command("queue").stdout, 30, 0.3)
    for name, ident in sent.items():
        if name not in ("small", "large", "late"):
            assert mail.body_of(receiver.wait_for_ident(ident).content) == bodies[name]
    for name in ("small", "large"):
        assert f"unreadable id={ids[f'{name}@peer.test']}" in posthouse.log()
    damaged = ("small", "large", "late")

    def reports():
        return [m.content for m in receiver.messages if m.addresses == ["ada@client.test"]]

    until(lambda: len(reports()) == len(damaged), reports, 20)
    for name in damaged:
        (report,) = [content for content in reports() if f"{name}@peer.test".encode() in content]
        assert b"5.3.0" in report and b"damaged on our disk" in report
        assert b" bird" not in report
    assert len(receiver.messages) == len(sent) - len(damaged) + len(reports()), "nothing in part, nothing twice"

    def quarantine():
        return json.loads(posthouse.command("status", "--json").stdout)["spool"]["quarantine"]

    assert len(quarantine()) == 3
    assert "3 pieces of the spool did not match" in posthouse.command("status").stdout
    for kept in (path / "quarantine").iterdir():
        kept.unlink()
    posthouse.flush()
    assert quarantine() == []
    assert "did not match" not in posthouse.command("status").stdout


def test_backup_and_move_a_stopped_spool_copied_elsewhere_goes_on_there(stopped, relay):
    copy = stopped.posthouse.folder / "elsewhere"
    subprocess.run(["cp", "-a", stopped.path, copy], check=True)
    shutil.rmtree(stopped.path)
    other = relay([route("peer.test", stopped.receiver.port)], start=False, spool={"path": str(copy)})
    stopped.assert_all_arrive(other)


def test_reading_a_running_spool_under_load(relay, tmp_path):
    """Segments fill, are recycled and come new, while ls, verify, cat and export look on: never damage, never a lie."""
    port = free_port()
    sink = Sink(port, tmp_path)
    posthouse = relay([route("peer.test", port), route("wait.test", free_port())], spool={"segment_size": "1MiB"},
                      log={"level": "info"}, retry={"schedule": ["1h"], "max_interval": "1h"})  # fmt: skip
    waiting = set()
    for number in range(20):
        submit(posthouse.port, b"X-Test-Id: w%d\r\n\r\nwait\r\n" % number, recipients=[f"w{number}@wait.test"])
        waiting.add(f"w{number}@wait.test")
    generator = Generator(posthouse.port, tmp_path, 6000, size=8192)
    rounds = 0
    try:
        while generator.is_running() or rounds < 3:
            listed = json.loads(spool("ls", "--json", "--spool", posthouse.folder / "spool"))
            assert waiting <= {r["address"] for m in listed for r in m["recipients"]}
            spool("verify", "--spool", posthouse.folder / "spool")
            spool("export", tmp_path / f"out{rounds}", "--spool", posthouse.folder / "spool")
            assert len(list((tmp_path / f"out{rounds}").glob("*.json"))) >= len(waiting)
            ident = next(m["id"] for m in listed if m["recipients"][0]["address"] == "w7@wait.test")
            assert spool("cat", "--raw", ident, "--spool", posthouse.folder / "spool").endswith(b"wait\r\n")
            rounds += 1
        generator.wait(150)
    finally:
        generator.stop()
        sink.stop()
    assert set(sink.counts()) == generator.acknowledged()


def test_a_progress_bar_is_shown_on_a_terminal(stopped):
    import pty

    here, there = pty.openpty()
    subprocess.run([BINARY, "spool", "verify", "--spool", stopped.path], stderr=there, stdout=subprocess.DEVNULL,
                   check=True, timeout=30)  # fmt: skip
    os.close(there)
    shown = b""
    try:
        while chunk := os.read(here, 4096):
            shown += chunk
    except OSError:
        pass
    os.close(here)
    assert b"reading the spool [" in shown and b"100%" in shown and shown.rstrip().endswith(b"\x1b[K")
