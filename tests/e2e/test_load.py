"""Three thousand messages: none lost, none twice; and what a kill -9 in the middle does to them."""

import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from harness.load import Generator, Sink
from harness.ports import free_port
from harness.posthouse import route
from harness.servers import PEERS, SmtpSink
from harness.wait import until

COUNT = 3000


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="ph-load-") as name:
        yield Path(name)


@pytest.fixture
def counting(folder):
    port = free_port()
    sink = Sink(port, folder)
    sink.port = port
    yield sink
    sink.stop()


def smtp_source(port, count, *more):
    command = [PEERS / "bin" / "smtp-source", "-d", "-s", "20", "-l", "4096", "-m", str(count),
               "-f", "load@client.test", "-t", "user@peer.test", *more, f"127.0.0.1:{port}"]  # fmt: skip
    subprocess.run(command, check=True, timeout=150)


def recipients_in(dumps):
    return Counter(re.search(rb"^X-Rcpt-Args: <(\d+)user@peer\.test>", dump, re.MULTILINE)[1] for dump in dumps)


@pytest.mark.sanitized
def test_smtp_source_to_smtp_sink_loses_and_duplicates_nothing(relay):
    """-N numbers the recipients, the sink's dump has them again."""
    with SmtpSink() as sink:
        posthouse = relay([route("peer.test", sink.port)], log={"level": "info"})
        smtp_source(posthouse.port, COUNT, "-N")
        posthouse.wait_until_empty(120)
        arrived = recipients_in(sink.messages())
    assert set(arrived.values()) == {1} and len(arrived) == COUNT


@pytest.mark.sanitized
def test_every_acknowledged_message_arrives_once(relay, counting, folder):
    posthouse = relay([route("peer.test", counting.port)], log={"level": "info"})
    generator = Generator(posthouse.port, folder, COUNT)
    generator.wait(150)
    posthouse.wait_until_empty(120)
    arrived = counting.counts()
    assert len(generator.acknowledged()) == COUNT
    assert set(arrived) == generator.acknowledged() and set(arrived.values()) == {1}


@pytest.mark.sanitized
@pytest.mark.parametrize("kills", [1, 5])
def test_after_kill_9_every_acknowledged_message_arrives(relay, counting, folder, kills):
    """The generator goes on at the restarted relay. Twice may come only what the restarted relay found in its spool:
    what was finished there stays finished. And of that there is little, since each delivery is recorded with the next
    write: what came in with the last two of them, from so many sessions, and what was on its way to the next hop."""
    sessions = connections = 20
    twice_max = 2 * sessions + 2 * connections  # a connection has at most two messages under way
    posthouse = relay([route("peer.test", counting.port)], log={"level": "info"},
                      delivery={"connections_per_destination": connections})  # fmt: skip
    generator = Generator(posthouse.port, folder, COUNT, sessions)
    for kill in range(1, kills + 1):
        goal = COUNT * kill // (kills + 1)
        until(lambda: generator.total() >= goal, lambda: f"{goal} acknowledged, not {generator.total()}", 60)
        assert generator.is_running(), "the kill must be in the middle"
        posthouse.kill()
        posthouse.start()
    generator.wait(150)
    posthouse.wait_until_empty(120)
    arrived = counting.counts()
    lost = generator.acknowledged() - set(arrived)
    assert not lost, f"{len(lost)} lost, as {sorted(lost)[:5]}"
    assert len(generator.acknowledged()) >= COUNT - 20 * kills
    assert max(arrived.values()) <= 1 + kills
    twice = sum(count - 1 for count in arrived.values())
    found = [int(number) for number in re.findall(r" spool_loaded .*\bqueued=(\d+)", posthouse.log())]
    print(f"{len(arrived)} arrived, {twice} of them again; found at each start: {found}")
    assert len(found) == 1 + kills and found[0] == 0
    assert twice <= sum(found)
    assert twice <= kills * twice_max, "deliveries are not recorded soon"


def test_kill_9_with_the_downstream_off_keeps_the_whole_queue(relay, folder):
    port = free_port()
    posthouse = relay([route("peer.test", port)], log={"level": "info"})
    generator = Generator(posthouse.port, folder, COUNT)
    until(lambda: generator.total() >= COUNT // 2, "half is acknowledged", 60)
    posthouse.kill()
    posthouse.start()
    generator.wait(150)
    posthouse.kill()
    posthouse.start()
    assert len(posthouse.queue()) >= len(generator.acknowledged())
    sink = Sink(port, folder)
    try:
        until(lambda: posthouse.flush() and sink.total() >= len(generator.acknowledged()), "all arrived", 60, 0.5)
        posthouse.wait_until_empty(60)
        arrived = sink.counts()
    finally:
        sink.stop()
    assert generator.acknowledged() <= set(arrived) and set(arrived.values()) == {1}


def test_a_hung_destination_does_not_slow_the_others(relay, counting, folder):
    from harness.receiver import HANG, Receiver, always
    from harness.wire import submit

    with Receiver() as hung:
        hung.script["CONNECT"] = always(HANG)
        posthouse = relay([route("hung.test", hung.port), route("peer.test", counting.port)], log={"level": "info"})
        for number in range(200):
            submit(posthouse.port, b"Subject: hung\r\n\r\nx\r\n", recipients=[f"u{number}@hung.test"])
        generator = Generator(posthouse.port, folder, 1000)
        generator.wait(60)
        until(lambda: counting.total() >= 1000, lambda: f"all arrived, not {counting.total()}", 30)
    assert set(counting.counts().values()) == {1}
