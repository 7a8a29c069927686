"""Real receiving servers: Postfix, Exim, OpenSMTPD, aiosmtpd and smtp-sink.

Each takes mail for everybody at `domain` except for addresses that begin with "unknown" (550 5.1.1), on 127.0.0.1 and
an unprivileged port. `messages()` are the bytes as the server stored them. The first three run from unpacked packages,
each in a root folder of its own (tests/tools/server_root.sh).
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from .child import Child, as_root
from .mail import ident_of
from .ports import free_port
from .wait import until

CHECKOUT = Path(__file__).resolve().parents[3]
PEERS = CHECKOUT / "build" / "peers"
SIZE_MAX = 60_000_000


class _Server:
    name = None
    takes_utf8_addresses = True

    def __init__(self, port=None):
        self.port = port or free_port()
        self.domain = f"{self.name}.test"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def messages(self):
        raise NotImplementedError

    def find(self, ident):
        return [message for message in self.messages() if ident_of(message) == ident]

    def wait_for(self, ident, seconds=30.0):
        """The stored bytes of the message with this X-Test-Id."""
        return until(lambda: self.find(ident), lambda: f"{self.name} has no message {ident}\n{self.log()}", seconds)[0]

    def log(self):
        return ""


class _Rooted(_Server):
    """A server in its own root folder. Subclasses give `files` for /etc and `command`."""

    log_files = ()

    def files(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def start(self):
        instances = CHECKOUT / "build" / "e2e"
        instances.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=instances))
        self.folder.chmod(0o755)
        self.root = self.folder / "root"
        etc = self.folder / "etc"
        for name, text in self.files().items():
            (etc / name).parent.mkdir(parents=True, exist_ok=True)
            (etc / name).write_text(text)
        tool = CHECKOUT / "tests" / "tools" / "server_root.sh"
        command = [tool, PEERS, self.root, etc, os.geteuid() or 985, *self.command()]
        self.child = Child(self.name, as_root(map(str, command)), self.folder / "log", cwd="/")
        until(self.answers, lambda: f"{self.name} does not greet; its log:\n{self.log()}")

    def answers(self):
        import socket

        assert self.child.is_running(), f"{self.name} ended; its log:\n{self.log()}"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                return probe.recv(4).startswith(b"220")
        except OSError:
            return False

    def stop(self):
        self.child.stop()
        subprocess.run(as_root(["rm", "-rf", "--one-file-system", str(self.folder)]), check=True)

    def log(self):
        texts = [self.child.log()]
        for name in self.log_files:
            path = self.root / name
            if path.exists():
                texts.append(subprocess.run(as_root(["cat", str(path)]), capture_output=True, text=True).stdout)
        return "\n".join(texts)[-6000:]

    def messages(self):
        folder = self.root / "var/mail/all/new"
        return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.exists() else []


class Postfix(_Rooted):
    name = "postfix"
    log_files = ("var/log/postfix.log",)

    def files(self):
        main = f"""
compatibility_level = 3.6
myhostname = mx.{self.domain}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
maillog_file = /var/log/postfix.log
smtputf8_enable = yes
message_size_limit = {SIZE_MAX}
virtual_mailbox_limit = 0
virtual_mailbox_domains = {self.domain}
virtual_mailbox_base = /var/mail
virtual_mailbox_maps = regexp:/etc/postfix/users
virtual_uid_maps = static:{os.geteuid() or 985}
virtual_gid_maps = static:985
virtual_minimum_uid = 1
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_forbid_bare_newline = yes
in_flow_delay = 0
alias_maps =
alias_database =
"""
        services = f"""
127.0.0.1:{self.port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
        return {
            "postfix/main.cf": main,
            "postfix/master.cf": services,
            "postfix/users": "!/^unknown/ all/\n",
        }

    def command(self):
        return ["/usr/lib/postfix/sbin/master", "-d", "-c", "/etc/postfix"]


class Exim(_Rooted):
    name = "exim"
    log_files = ("var/log/exim4/mainlog", "var/log/exim4/rejectlog", "var/log/exim4/paniclog")

    def files(self):
        return {
            "exim4/exim4.conf": f"""
primary_hostname = mx.{self.domain}
domainlist local_domains = {self.domain}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
acl_smtp_rcpt = check_recipient
host_lookup =
rfc1413_query_timeout = 0s
never_users = root
deliver_drop_privilege = true
message_size_limit = {SIZE_MAX}
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
smtputf8_advertise_hosts = *
helo_allow_chars = _
log_file_path = /var/log/exim4/%slog
begin acl
check_recipient:
  deny message = 5.1.1 no such user here
       local_parts = ^unknown
  accept domains = +local_domains
  deny message = relay not permitted
begin routers
everyone:
  driver = accept
  transport = folder
begin transports
folder:
  driver = appendfile
  directory = /var/mail/all
  maildir_format
  create_directory
  message_size_limit = 0
begin retry
* * F,2h,1m
"""
        }

    def command(self):
        return ["/usr/sbin/exim4", "-bdf", "-q1h"]


class OpenSmtpd(_Rooted):
    name = "opensmtpd"
    takes_utf8_addresses = False

    def files(self):
        return {
            "smtpd.conf": f"""
table everyone {{ "@" = "vmail" }}
filter strangers phase rcpt-to match rcpt-to regex {{ "^unknown" }} reject "550 5.1.1 no such user here"
smtp max-message-size "{SIZE_MAX}"
listen on 127.0.0.1 port {self.port} hostname mx.{self.domain} filter strangers
action "deliver" maildir "/var/mail/all" virtual <everyone>
match from any for domain "{self.domain}" action "deliver"
""",
            "mailname": f"mx.{self.domain}\n",
        }

    def command(self):
        return ["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"]


class _PythonSmtp(SMTP):
    line_length_limit = 100_000


class _PythonController(Controller):
    def factory(self):
        return _PythonSmtp(self.handler, **self.SMTP_kwargs)


class AioSmtpd(_Server):
    name = "aiosmtpd"

    def start(self):
        self._messages = []
        self._controller = _PythonController(
            self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True, data_size_limit=SIZE_MAX
        )
        self._controller.start()

    def stop(self):
        self._controller.stop()

    def messages(self):
        return list(self._messages)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        self._messages.append(envelope.original_content)
        return "250 2.0.0 taken"


class SmtpSink(_Server):
    """Postfix's smtp-sink. It takes everything; what it was given is in its dump, with the envelope on top."""

    name = "sink"
    takes_utf8_addresses = False

    def __init__(self, port=None, arguments=("-m", "2000"), dump=True):
        super().__init__(port)
        self._arguments, self._dump = list(arguments), dump

    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sink-"))
        command = [PEERS / "bin" / "smtp-sink", *self._arguments]
        if self._dump:
            command += ["-R", self.folder, "-d", "%Y"]
        if os.geteuid() == 0:
            command += ["-u", "nobody"]
            shutil.chown(self.folder, "nobody")
        self.child = Child(self.name, [*command, f"127.0.0.1:{self.port}", "1000"], self.folder / "log")
        self.answers_soon()

    def answers_soon(self):
        import socket

        def look():
            assert self.child.is_running(), self.child.log()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return True
            except OSError:
                return False

        until(look, lambda: f"smtp-sink does not listen: {self.child.log()}")

    def stop(self):
        self.child.stop()
        shutil.rmtree(self.folder)

    def messages(self):
        # The dump ends each message with an empty line of its own: without it, it is still being written.
        dumps = [path.read_bytes() for path in self.folder.iterdir() if path.name != "log"]
        return [dump.removesuffix(b"\n") for dump in dumps if dump.endswith(b"\n\n")]

    def log(self):
        return self.child.log()
