"""What operators ask and order about many messages, by filters, of the real relay."""

import json

import pytest
from harness import mail
from harness.posthouse import route
from harness.receiver import always
from harness.wait import until
from harness.wire import submit

pytestmark = pytest.mark.sanitized

BUSY = "450 4.2.1 the mailbox is busy"


@pytest.fixture
def waiting(relay, receiver):
    """A relay with mail from two senders to two domains that has been tried once; ids by X-Test-Id."""
    routes = [route(domain, receiver.port) for domain in ("peer.test", "other.test", "client.test")]
    posthouse = relay(routes, retry={"schedule": ["1h"], "max_interval": "1h"})
    receiver.script["RCPT"] = always(BUSY)
    for number, (sender, recipients) in enumerate(
        [
            ("ada@client.test", ["bob@peer.test"]),
            ("ada@client.test", ["eve@peer.test", "joe@other.test"]),
            ("news@client.test", ["bob@peer.test"]),
            ("", ["joe@other.test"]),
        ]
    ):
        body = mail.large_body(20_000) if number == 2 else mail.BODIES["plain"]
        message, _ = mail.compose(body, ident=f"number{number}")
        submit(posthouse.port, message, sender=sender, recipients=recipients)
    until(lambda: len(tried(posthouse)) == 5, lambda: f"all have been tried: {posthouse.queue()}")
    return posthouse


def tried(posthouse, *filters):
    return [r for m in posthouse.queue(*filters) for r in m["recipients"] if r["attempts"] == 1]


def numbers(posthouse, *filters):
    return sorted(int(m["message_id"][7]) for m in posthouse.queue(*filters))


@pytest.mark.parametrize(
    "filters,want",
    [
        (["--from", "ada@client.test"], [0, 1]),
        (["--from", "@client.test"], [0, 1, 2]),
        (["--from", "<>"], [3]),
        (["--to", "Bob@peer.test"], [0, 2]),
        (["bob@peer.test"], [0, 2]),
        (["--domain", "other.test"], [1, 3]),
        ([".test"], [0, 1, 2, 3]),
        (["<number2@client.test>"], [2]),
        (["--message-id", "number2@client.test"], [2]),
        (["--host", "127.0.0.1"], [0, 1, 2, 3]),
        (["--reply", "BUSY"], [0, 1, 2, 3]),
        (["--reply", "full"], []),
        (["--larger", "10kB"], [2]),
        (["--smaller", "10kB"], [0, 1, 3]),
        (["--older", "1h"], []),
        (["--younger", "1h"], [0, 1, 2, 3]),
        (["--state", "queued", "--from", "news@client.test"], [2]),
        (["--sort", "size", "--limit", "1"], [2]),
        (["--sort", "age", "--reverse", "--limit", "2"], [2, 3]),
    ],
)
def test_the_queue_is_filtered_and_sorted(waiting, filters, want):
    assert numbers(waiting, *filters) == want


def test_the_queue_is_summed_up(waiting):
    groups = json.loads(waiting.command("queue", "--json", "--by", "sender").stdout)
    assert {g["name"]: g["messages"] for g in groups["groups"]} == {"ada@client.test": 2, "news@client.test": 1, "": 1}
    domains = waiting.command("queue", "--by", "domain").stdout.splitlines()
    assert domains[0].split() == ["MESSAGES", "RECIPIENTS", "SIZE", "OLDEST", "NEXT", "DOMAIN"]
    assert domains[1].split()[:2] == ["3", "3"] and domains[1].endswith("peer.test")
    assert domains[-1] == "4 messages, 5 recipients in all."
    reasons = waiting.command("queue", "--by", "reason").stdout
    assert "450 4.2.1 the mailbox is busy" in reasons
    assert waiting.command("queue", "--count", "--to", "joe@other.test").stdout.startswith("2 messages, 2 recipients, ")


def test_why_finds_a_message_id(waiting):
    for question in ("<number1@client.test>", "number1@client.test"):
        answer = waiting.why(question)
        assert "joe@other.test" in answer and "news@" not in answer
    waiting.command("why", "<number9@client.test>", status=1)


def test_orders_by_filter_touch_what_they_say_and_are_on_disk_when_answered(waiting):
    assert "4 recipients of 3 messages would be held" in waiting.command(
        "hold", "--from", "@client.test", "--dry-run").stdout
    assert not tried(waiting, "--state", "held")
    waiting.command("cancel", "--reply", "busy", status=2)
    assert "2 recipients of 2 messages held" in waiting.command("hold", "--to", "bob@peer.test").stdout
    assert "1 recipient of 1 message cancelled" in waiting.command("cancel", "--from", "<>", "--yes").stdout
    waiting.kill()
    waiting.start()
    assert numbers(waiting) == [0, 1, 2]
    assert numbers(waiting, "--state", "held") == [0, 2]
    assert "1 recipient of 1 message released" in waiting.command("release", "--from", "news@client.test").stdout
    assert numbers(waiting, "--state", "held") == [0]
    waiting.command("cancel", "--all", "--yes")
    assert waiting.queue() == []
    waiting.command("hold", "--all", status=1)
    ordered = [line.split(" ordered ", 1)[1] for line in waiting.log().splitlines() if " ordered " in line]
    assert 'what="release from=news@client.test" messages=1 recipients=1' in ordered
    assert not any("dry_run" in line for line in ordered)


def test_bounce_tells_the_senders_why(waiting, receiver):
    del receiver.script["RCPT"]
    answer = waiting.command("bounce", "eve@peer.test", "--reason", "Eve has left us.", "--yes").stdout
    assert "1 recipient of 1 message bounced" in answer
    report = until(lambda: receiver.messages and receiver.messages[0], "the report")
    assert report.addresses == ["ada@client.test"] and b"Eve has left us." in report.content
    assert b"joe@other.test" not in report.content
    assert numbers(waiting) == [0, 1, 2, 3]
    waiting.command("cancel", "--all", "--yes")
