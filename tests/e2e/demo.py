"""./dev demo: the relay's story on loopback, in a minute and on one screen.

Everything is real: a DNS authority and a resolver, a relay that delivers by MX, a next server that is switched off and
on again, a sender who gets an answer. Only the ports are unprivileged.
"""

import email
import email.policy
import os
import sys
import tempfile
import textwrap
import time
from contextlib import ExitStack

import dns_fixture
from harness import mail
from harness.ports import free_port
from harness.posthouse import BINARY, Posthouse, route
from harness.receiver import Receiver
from harness.wait import until
from harness.wire import submit

BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
SENDER = "ada@office.example"


def chapter(number, title):
    print(f"\n{BOLD}{number}. {title}{PLAIN}")


def say(text):
    print(f"   {text}")


def show(command, text):
    print(f"   {DIM}$ posthouse {command}{PLAIN}")
    for line in text.strip().split("\n"):
        indent = " " * (5 + len(line) - len(line.lstrip()))
        print(textwrap.fill(line.strip(), 116, initial_indent=indent, subsequent_indent=indent + "  "))


def send(relay, address):
    message, ident = mail.compose("The horses are fresh.\r\n", sender=SENDER, to=address, subject="Greetings")
    reply = submit(relay.port, message, SENDER, [address])
    say(f"{SENDER} -> {address}     the relay: {reply}")
    return ident


def is_known_why(relay, address):
    return "refused" in relay.command("why", address, status=None).stdout


def story(relay, far_away, home):
    chapter(1, "Delivered by MX")
    say("the DNS: them.example MX 10 mail.them.example, which is " + far_away.host)
    ident = send(relay, "bob@them.example")
    message = far_away.wait_for_ident(ident)
    say(f"mail.them.example has it, from {message.ehlo}:")
    trace = message.content[: message.content.index(b"X-Test-Id")].decode().split()
    print(textwrap.fill(" ".join(trace), 116, initial_indent=" " * 5, subsequent_indent=" " * 7))

    chapter(2, "The server is off: the mail waits, and says for what")
    far_away.stop()
    send(relay, "bob@them.example")
    until(lambda: is_known_why(relay, "bob@them.example"), "the relay knows why")
    show("queue", relay.command("queue").stdout)
    show("why bob@them.example", relay.why("bob@them.example"))

    chapter(3, "The server is back: delivered")
    far_away.start()
    show("flush them.example", relay.flush("them.example").stdout)
    far_away.wait_for(2)
    relay.wait_until_empty()
    show("queue", relay.command("queue").stdout)

    chapter(4, "An unknown user: the sender is told")
    far_away.script["RCPT"] = lambda session, argument: (
        "550 5.1.1 nobody of that name lives here" if "jones" in argument else None
    )
    send(relay, "jones@them.example")
    bounce = email.message_from_bytes(home.wait_for(1)[0].content, policy=email.policy.default)
    say(f"{SENDER} receives \"{bounce['subject']}\":")
    for line in bounce.get_body(("plain",)).get_content().strip().split("\n")[8:16]:
        print(f"     | {line}".rstrip())


def main():
    if not BINARY.exists():
        sys.exit(f"{BINARY} is missing: ./dev build")
    began = time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ph-demo-"))
        far_away = stack.enter_context(Receiver("127.0.0.2", free_port()))
        home = stack.enter_context(Receiver())
        zone = f"@ MX 10 mail\nmail A {far_away.host}"
        dns = stack.enter_context(dns_fixture.start(folder, {"them.example": zone}))
        relay = stack.enter_context(
            Posthouse(
                [route("office.example", home.port)],
                hostname="relay.office.example",
                dns={"servers": [dns.resolver]},
                delivery={"port": far_away.port, "allow_networks": ["127.0.0.0/8"]},
            )
        )
        story(relay, far_away, home)
    print(f"\n{DIM}{time.monotonic() - began:.1f} s. Next: README.md, conf/posthouse.toml, ./dev run{PLAIN}")


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    main()
