"""The relay under trial: its spool where the trial wants it, every time short, if need be under another program."""

import os
import shutil
from pathlib import Path

from harness.child import Child
from harness.posthouse import BINARY, READY, Posthouse
from harness.wait import until

BUILD = BINARY.parent
NO_SYNC = BUILD / "crash_no_sync.so"


class Relay(Posthouse):
    """`under`: a command that the relay's own is appended to. It must let the relay be its direct successor (`exec`, or
    `strace -D`), so that signals reach it."""

    def __init__(self, spool_path, routes, under=(), env=None, **tables):
        settings = {
            "delivery": {"connections_per_destination": 5, "idle_timeout": "1s", "connect_timeout": "5s"},
            "retry": {"schedule": ["200ms", "300ms", "500ms"], "max_interval": "1s"},
            "log": {"level": "info"},
        }
        settings["spool"] = {"path": str(spool_path), "segment_size": "1MiB", "free_percent": 0, "free_space": "0B"}
        for name, table in tables.items():
            if isinstance(table, dict):
                settings.setdefault(name, {}).update(table)
            else:
                settings[name] = table
        super().__init__(routes, **settings)
        self.under, self.env = list(under), env or {}

    @property
    def spool(self):
        return Path(self.settings["spool"]["path"])

    def launch(self):
        """Starts it and does not wait until it is ready."""
        self.write_config()
        self.starts += 1
        command = [*self.under, BINARY, "serve", "--config", self.config]
        env = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0", **self.env}
        self.child = Child("posthouse", command, self.folder / f"log.{self.starts:05d}", env=env)
        return self

    def start(self, seconds=30.0):
        self.launch()
        self.child.wait_for_log(READY, seconds)
        return self

    def wait_until_empty(self, seconds=30.0):
        """Old mail comes in while new mail is taken already; until it is all there, an empty queue says nothing."""
        self.child.wait_for_log(r"\bspool_loaded\b", seconds)
        super().wait_until_empty(seconds)

    def wait_for_end(self, seconds=20.0):
        until(lambda: not self.child.is_running(), lambda: f"the relay's end; its log:\n{self.log()[-3000:]}", seconds)
        return self.child.wait()

    def discard(self):
        """However it is, it ends, and so does its folder."""
        if self.child and self.child.is_running():
            self.child.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def quarantined(self):
        folder = self.spool / "quarantine"
        return sorted(os.listdir(folder)) if folder.is_dir() else []
