"""Real mail clients, each told to send one message.

A client is a function (port, message, sender, recipients). `exact` says that it sends the bytes it is given; s-nail
composes the message itself from the body.
"""

import os
import smtplib
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

_NODEMAILER = Path(__file__).with_name("nodemailer_client.js")


@dataclass
class Client:
    name: str
    send: Callable
    exact: bool = True
    utf8_addresses: bool = False
    many_recipients: bool = True


def _run(command, given=b"", env=None):
    result = subprocess.run(
        [str(part) for part in command], input=given, capture_output=True, timeout=60, env={**os.environ, **(env or {})}
    )
    said = result.stdout[-2000:] + result.stderr[-2000:]
    assert result.returncode == 0, f"{command[0]}: status {result.returncode}\n{said!r}"


def _swaks(port, message, sender, recipients):
    stuffed = message.replace(b"\r\n.", b"\r\n..") + b"."
    with tempfile.NamedTemporaryFile() as file:
        file.write(stuffed)
        file.flush()
        _run(["swaks", "--server", f"127.0.0.1:{port}", "--from", sender, "--to", ",".join(recipients), "--helo",
              "swaks.test", "--no-data-fixup", "--data", f"@{file.name}", "--silent", "2"])  # fmt: skip


def _msmtp(port, message, sender, recipients):
    _run(["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={port}", "--tls=off", "--auth=off",
          "--domain=msmtp.test", f"--from={sender}", "--set-date-header=off", "--set-from-header=off",
          "--set-msgid-header=off", "--", *recipients], message.replace(b"\r\n", b"\n"))  # fmt: skip


def _s_nail(port, message, sender, recipients):
    header, _, body = message.replace(b"\r\n", b"\n").partition(b"\n\n")
    ident = next(line for line in header.split(b"\n") if line.startswith(b"X-Test-Id: ")).decode()
    _run(["s-nail", "-:/", "-S", "v15-compat", "-S", f"mta=smtp://127.0.0.1:{port}",
          "-S", "smtp-auth=none", "-S", "hostname=s-nail.test",
          "-S", f"from={sender}", "-S", "nosave", "-S", "ttycharset=utf-8", "-S", "mime-encoding=8b",
          "-S", "sendwait", "-C", ident, "-s", "A test", "-r", sender, *recipients],
         body, env={"LC_ALL": "C.UTF-8", "MAILRC": "/dev/null"})  # fmt: skip


def _curl(port, message, sender, recipients):
    with tempfile.NamedTemporaryFile() as file:
        file.write(message)
        file.flush()
        arguments = ["curl", "--silent", "--show-error", "--url", f"smtp://127.0.0.1:{port}/curl.test",
                     "--mail-from", sender, "--upload-file", file.name]  # fmt: skip
        for recipient in recipients:
            arguments += ["--mail-rcpt", recipient]
        _run(arguments)


def _smtplib(port, message, sender, recipients):
    is_ascii = all(address.isascii() for address in [sender, *recipients])
    options = ["BODY=8BITMIME"] + ([] if is_ascii else ["SMTPUTF8"])
    with smtplib.SMTP("127.0.0.1", port, local_hostname="smtplib.test", timeout=60) as client:
        client.ehlo()
        if not is_ascii:
            client.command_encoding = "utf-8"
        refused = client.sendmail(sender, recipients, message, mail_options=options)
    assert not refused, refused


def _nodemailer(port, message, sender, recipients):
    with tempfile.NamedTemporaryFile() as file:
        file.write(message)
        file.flush()
        _run(["node", _NODEMAILER, port, file.name, sender, *recipients], env={"NODE_PATH": "/usr/share/nodejs"})


CLIENTS = [
    Client("swaks", _swaks),
    Client("msmtp", _msmtp),
    Client("s-nail", _s_nail, exact=False),
    Client("curl", _curl, utf8_addresses=True),
    Client("smtplib", _smtplib, utf8_addresses=True),
    Client("nodemailer", _nodemailer, utf8_addresses=True),
]
