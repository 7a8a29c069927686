"""A process that a test started: its output in a file, and an end with it, whatever happens to the test."""

import ctypes
import os
import re
import signal
import subprocess
from pathlib import Path

from .wait import until

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_the_tester():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def as_root(command):
    """The command with the rights of root: servers that give up their rights must have some first."""
    return list(command) if os.geteuid() == 0 else ["sudo", "-n", "--"] + list(command)


class Child:
    def __init__(self, name, command, log_path, env=None, cwd=None):
        self.name = name
        self.log_path = Path(log_path)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            preexec_fn=_die_with_the_tester,
        )

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def wait_for_log(self, pattern, seconds=20.0):
        """Until the log has a match of `pattern`; fails at once if the process ends without it."""
        regex = re.compile(pattern)

        def look():
            running = self.is_running()
            match = regex.search(self.log())
            assert match or running, f"{self.name} ended with {self.process.returncode} and said:\n{self.log()}"
            return match

        return until(look, lambda: f"{pattern!r} in the log of {self.name}:\n{self.log()[-4000:]}", seconds)

    def signal(self, number):
        if self.is_running():
            os.kill(self.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    def wait(self, seconds=20.0):
        status = self.process.wait(timeout=seconds)
        self._log.close()
        return status

    def stop(self, seconds=20.0):
        """SIGTERM, then SIGKILL after `seconds`; returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {seconds:g} s; its log:\n{self.log()[-4000:]}")
