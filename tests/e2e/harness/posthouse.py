"""Posthouse itself: a configuration, the process, and the commands that ask it."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .child import Child
from .ports import free_port
from .wait import until
from .wire import Wire

CHECKOUT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("POSTHOUSE_BINARY") or CHECKOUT / "build" / "release" / "posthouse")
READY = r"\bspool_loaded\b"  # a moment after "ready": then the queue is known
_BROKEN = re.compile(r"(Address|Leak|Thread)Sanitizer|runtime error:|assertion failed", re.IGNORECASE)


def to_toml(settings):
    """A dictionary of tables as TOML: values first, then [tables], then [[lists of tables]]."""

    def value(item):
        if isinstance(item, bool):
            return "true" if item else "false"
        if isinstance(item, (list, tuple)):
            return "[" + ", ".join(map(value, item)) + "]"
        return str(item) if isinstance(item, int) else json.dumps(str(item))

    lines = [f"{key} = {value(item)}" for key, item in settings.items() if not isinstance(item, (dict, list))]
    for key, item in settings.items():
        tables = item if isinstance(item, list) else [item] if isinstance(item, dict) else []
        head = f"[[{key}]]" if isinstance(item, list) else f"[{key}]"
        for table in tables:
            lines += ["", head] + [f"{name} = {value(entry)}" for name, entry in table.items()]
    return "\n".join(lines) + "\n"


class Posthouse:
    """One relay in a folder of its own below /tmp (short: a socket's path has at most 107 bytes).

    `settings` is the configuration as nested dictionaries, made for tests: every time is short. Change it before
    start(), or before reload().
    """

    def __init__(self, routes=(), **tables):
        self.folder = Path(tempfile.mkdtemp(prefix="ph-"))
        self.port = free_port()
        self.config = self.folder / "posthouse.toml"
        self.child = None
        self.starts = 0
        self.settings = {
            "hostname": "relay.test",
            "spool": {"path": str(self.folder / "spool")},
            "listener": [{"address": f"127.0.0.1:{self.port}"}],
            "relay": {"networks": ["127.0.0.1/32"]},
            "inbound": {},
            "route": list(routes),
            "dns": {"servers": ["127.0.0.1:9"], "timeout": "500ms", "tries": 1},
            "delivery": {"connect_timeout": "5s", "idle_timeout": "1s"},
            "retry": {"schedule": ["300ms", "500ms", "1s"], "max_interval": "2s"},
            "admin": {"socket": str(self.folder / "admin.sock")},
            "log": {"level": "debug"},
        }
        for name, table in tables.items():
            if isinstance(table, dict):
                self.settings.setdefault(name, {}).update(table)
            else:
                self.settings[name] = table

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *failure):
        self.close(check=failure[0] is None)

    # ---- The process ----

    def write_config(self):
        self.config.write_text(to_toml(self.settings))

    def start(self, seconds=30.0):
        self.write_config()
        self.starts += 1
        self.child = Child(
            "posthouse",
            [BINARY, "serve", "--config", self.config],
            self.folder / f"log.{self.starts}",
            env={"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"},
        )
        self.child.wait_for_log(READY, seconds)
        return self

    def stop(self, seconds=20.0):
        """SIGTERM; the relay must end by itself, with status 0, and without a word from a sanitizer."""
        status = self.child.stop(seconds)
        assert status == 0, f"exit status {status}; the log:\n{self.log()[-4000:]}"
        self.assert_sound()

    def kill(self):
        self.child.kill()

    def close(self, check=True):
        try:
            if self.child and self.child.is_running():
                if check:
                    self.stop()
                else:
                    self.child.kill()
            if check:
                self.assert_sound()
        finally:
            if not check and self.child:
                print(f"---- the relay's log (end) ----\n{self.log()[-6000:]}")
            shutil.rmtree(self.folder)

    def assert_sound(self):
        broken = _BROKEN.search(self.log())
        assert not broken, f"the relay's log has {broken.group()!r}:\n{self.log()[-8000:]}"

    def reload(self, change=None):
        """SIGHUP with the present settings; returns what the log says from then on, once it has said something."""
        if change is None:
            self.write_config()
        else:
            self.config.write_text(change)
        before = len(self.log())
        self.child.signal(signal.SIGHUP)
        until(lambda: re.search(r"reload", self.log()[before:]), lambda: f"a reload in the log:\n{self.log()[before:]}")
        return self.log()[before:]

    def log(self):
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(self.folder.glob("log.*"))]
        return "".join(texts)

    # ---- The commands ----

    def command(self, *arguments, status=0, seconds=30.0):
        """Runs `posthouse ARGUMENT... --config ...`; the exit status must be `status` (None: any)."""
        result = subprocess.run(
            [str(BINARY), *map(str, arguments), "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
        assert status is None or result.returncode == status, (
            f"posthouse {arguments}: exit status {result.returncode}\n{result.stdout}\n{result.stderr}"
        )
        return result

    def queue(self, *filters):
        return json.loads(self.command("queue", "--json", *filters).stdout)

    def why(self, what):
        return self.command("why", what).stdout

    def flush(self, *domain):
        return self.command("flush", *domain)

    def wait_until_empty(self, seconds=30.0):
        until(lambda: not self.queue(), lambda: f"an empty queue: {self.command('queue').stdout}", seconds)

    def wait_for_queued(self, address, condition=lambda recipient: True, seconds=20.0):
        """Until the queue has `address` as a recipient for whom `condition` holds; returns (message, recipient)."""

        def look():
            for message in self.queue():
                for recipient in message["recipients"]:
                    if recipient["address"] == address and condition(recipient):
                        return message, recipient
            return None

        return until(look, lambda: f"{address} in the queue: {self.command('queue').stdout}\n{self.log()[-3000:]}",
                     seconds)  # fmt: skip

    def wire(self, **options):
        return Wire(self.port, **options)


def route(domain, *ports, host="127.0.0.1", **more):
    return {"domain": domain, "hosts": [f"{host}:{port}" for port in ports], **more}
