"""Measures how fast the relay answers operators with many messages queued, while mail flows.

    bench/answers.py [MESSAGES...]               default: 100000

For each number, the program makes a spool of so many deferred messages (bench_fill_spool: 1000 domains, 200 senders)
and starts the relay on it; 1000 more messages wait for a next hop that is down. Then smtp-source sends through the
relay to smtp-sink without a pause, while the program asks each question over the admin socket ROUNDS times, in turns.
It also measures what the questions cost the mail that flows: the messages relayed a second without questions, with one
a second, and with one after the other. At the end it holds, releases and cancels all waiting mail.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness.child import Child  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.posthouse import Posthouse, route  # noqa: E402
from harness.servers import PEERS, SmtpSink  # noqa: E402
from harness.wait import until  # noqa: E402

FILL = ROOT / "build/release/bench_fill_spool"
ROUNDS = int(os.environ.get("ROUNDS", "30"))
SECONDS = float(os.environ.get("SECONDS", "10"))  # of each measurement of the flow
DOWN = 1000


class Admin(http.client.HTTPConnection):
    """The relay's admin socket, with one connection for all questions."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, path, **query):
        return self.answer("GET", urllib.parse.quote(path) + ("?" + urllib.parse.urlencode(query) if query else ""))

    def order(self, path, **body):
        return self.answer("POST", path, json.dumps(body))

    def answer(self, method, target, body=None):
        self.request(method, target, body)
        response = self.getresponse()
        text = response.read()
        if response.status != 200:
            raise SystemExit(f"{target}: {response.status} {text.decode()}")
        return json.loads(text) if response.headers["Content-Type"].startswith("application/json") else text.decode()


def questions(count):
    """The questions, each with a check of its answer."""
    ident = count // 2
    queue = "/v1/queue"

    def messages(minimum):
        return lambda answer: len(answer["messages"]) >= minimum

    def total(minimum):
        return lambda answer: answer["total"]["messages"] >= minimum

    address = f"user{ident}@domain{ident % 1000}.example"
    return [
        ("why MESSAGE-ID", f"/v1/why/<{ident}@office.example>", {}, messages(1)),
        ("why ADDRESS (a recipient)", f"/v1/why/{address}", {}, messages(1)),
        ("why ADDRESS (a sender)", "/v1/why/sender7@office.example", {}, messages(10)),
        ("why ADDRESS (of nobody)", "/v1/why/nobody@domain7.example", {}, messages(0)),
        ("why DOMAIN", "/v1/why/domain7.example", {}, messages(10)),
        ("queue (the oldest 100)", queue, {"sort": "age"}, total(count)),
        ("queue --sort size", queue, {"sort": "size"}, total(count)),
        ("queue --sort next", queue, {"sort": "next"}, total(count)),
        ("queue --sort sender", queue, {"sort": "sender"}, total(count)),
        ("queue --sort destination", queue, {"sort": "destination"}, total(count)),
        ("queue --from ADDRESS", queue, {"sort": "age", "from": "sender7@office.example"}, total(count // 201)),
        ("queue --to ADDRESS", queue, {"sort": "age", "to": address}, messages(1)),
        ("queue --message-id ID", queue, {"sort": "age", "message_id": f"{ident}@office.example"}, messages(1)),
        ("queue --domain DOMAIN", queue, {"sort": "age", "domain": "domain7.example"}, total(count // 1001)),
        ("queue --domain .SUFFIX", queue, {"sort": "age", "domain": ".example"}, total(count)),
        ("queue --host TEXT", queue, {"sort": "age", "host": "mx.domain77"}, total(1)),
        ("queue --state held", queue, {"sort": "age", "state": "held"}, total(0)),
        ("queue --older 2h", queue, {"sort": "age", "older": "2h"}, total(count // 4)),
        ("queue --larger 1MB", queue, {"sort": "age", "larger": "1MB"}, total(0)),
        ("queue --reply TEXT", queue, {"sort": "age", "reply": "greylisted"}, total(count)),
        ("queue --reply TEXT (of nobody)", queue, {"sort": "age", "reply": "mailbox full"}, total(0)),
        ("queue --count", queue, {"count": "true"}, total(count)),
        ("queue --by destination", queue, {"by": "destination"}, total(count)),
        ("queue --by domain", queue, {"by": "domain"}, total(count)),
        ("queue --by sender", queue, {"by": "sender"}, total(count)),
        ("queue --by reason", queue, {"by": "reason"}, total(count)),
        ("queue --by state", queue, {"by": "state"}, total(count)),
        ("status", "/v1/status", {}, lambda answer: answer["queue"]["messages"] >= count),
        ("destinations", "/v1/destinations", {}, lambda answer: len(answer["destinations"]) >= 2),
        ("top", "/v1/top", {}, lambda answer: len(answer["destinations"]) >= 2),
        ("/metrics", "/metrics", {}, lambda text: "posthouse_destination_recipients{" in text),
    ]


def timed(admin, path, query, is_answer):
    began = time.monotonic()
    answer = admin.ask(path, **query)
    took = (time.monotonic() - began) * 1000
    if not is_answer(answer):
        raise SystemExit(f"{path} {query}: no answer: {json.dumps(answer)[:500]}")
    return took


def rate(admin, seconds, ask=None, pause=0.0):
    """Messages relayed a second, while ask() is called every `pause` seconds."""

    def delivered():
        return admin.ask("/v1/status")["queue"]["delivered_total"]

    first, began = delivered(), time.monotonic()
    while time.monotonic() < began + seconds:
        if ask is None:
            time.sleep(seconds)
        else:
            ask()
            time.sleep(pause)
    return (delivered() - first) / (time.monotonic() - began)


def measure(admin, count):
    asked = questions(count)
    some = admin.ask("/v1/queue", limit="1")["messages"][0]["id"]
    asked.insert(0, ("why ID", f"/v1/why/{some}", {}, lambda answer: answer["found"]))
    took = {name: [] for name, *_ in asked}
    for _ in range(ROUNDS):
        for name, path, query, is_answer in asked:
            took[name].append(timed(admin, path, query, is_answer))
    print("| question | p50 ms | p99 ms | max ms |")
    print("|---|---|---|---|")
    took["all of them"] = [value for values in took.values() for value in values]
    for name, values in took.items():
        print(f"| {name} | {statistics.median(values):.1f} | {quantile(values, 0.99):.1f} | {max(values):.1f} |")
    return [lambda q=q: timed(admin, *q[1:]) for q in asked]


def give_orders(admin, count):
    """Holds, releases and cancels all mail but that which flows."""
    for order in ("hold", "release", "cancel"):
        first, began = admin.ask("/v1/status")["queue"]["delivered_total"], time.monotonic()
        touched, longest, cursor = 0, 0.0, ""
        while cursor is not None:
            part_began = time.monotonic()
            part = admin.order(f"/v1/{order}", domain=".example", cursor=cursor)
            longest = max(longest, time.monotonic() - part_began)
            touched += part["messages"]
            cursor = part.get("next")
        took = time.monotonic() - began
        flowed = admin.ask("/v1/status")["queue"]["delivered_total"] - first
        if touched != count:
            raise SystemExit(f"{order}: {touched} of {count} messages")
        print(f"{order} {touched} messages: {took:.1f} s, in parts of at most {longest:.1f} s; "
              f"meanwhile {flowed / took:.0f} messages/s are relayed")  # fmt: skip


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))]


def cycle(asks):
    place = [0]

    def ask():
        asks[place[0] % len(asks)]()
        place[0] += 1

    return ask


def run(count):
    sink_port = free_port()
    down_port = free_port()
    relay = Posthouse(
        [route("live.test", sink_port), route("down.test", down_port), route("*", down_port)],
        log={"level": "info"},
        retry={"schedule": ["1m", "5m", "15m", "30m", "1h"], "max_interval": "4h"},
        spool={"free_percent": 0, "free_space": "1MB"},
    )
    subprocess.run([FILL, relay.folder / "spool", str(count)], check=True)
    os.sync()  # so that nobody waits for these bytes
    with relay, SmtpSink(sink_port, dump=False) as _:
        until(lambda: "spool_loaded" in relay.log(), "all is loaded", 120)
        admin = Admin(relay.settings["admin"]["socket"])
        source = [PEERS / "bin" / "smtp-source", "-d", "-s", "20", "-l", "4096", "-f", "load@client.test"]
        subprocess.run([*source, "-m", str(DOWN), "-t", "user@down.test", f"127.0.0.1:{relay.port}"], check=True)
        flow = Child("smtp-source", [*source, "-m", "100000000", "-t", "user@live.test", f"127.0.0.1:{relay.port}"],
                     relay.folder / "source.log")  # fmt: skip
        try:
            until(lambda: admin.ask("/v1/status")["queue"]["delivered_total"] > 1000, "mail flows", 60)
            print(f"\n{count} messages queued; each question {ROUNDS} times\n")
            asks = measure(admin, count)
            print()
            quiet = rate(admin, SECONDS)
            for words, pause in (("one question a second", 1.0), ("one question after the other", 0.0)):
                busy = rate(admin, SECONDS, cycle(asks), pause)
                again = rate(admin, SECONDS)
                base = (quiet + again) / 2
                print(f"{words}: {busy:.0f} messages/s are relayed, {busy / base:.2f} of the {base:.0f} without")
                quiet = again
            give_orders(admin, count)
        finally:
            flow.kill()


def main():
    for count in [int(word) for word in sys.argv[1:]] or [100_000]:
        run(count)


if __name__ == "__main__":
    sys.exit(main())
