"""Disks: the one that remembers every write (crash_disk), and plain images; each behind a loop device, with ext4."""

import os
import signal
import subprocess
import time
from pathlib import Path

from harness.child import Child
from harness.wait import until

from .relay import BUILD

CRASH_DISK = BUILD / "crash_disk"
IMAGE_BYTES = 96 << 20


def run(*command, again_if=None):
    """Must succeed; for some seconds it is tried again if it says `again_if`."""
    deadline = time.monotonic() + 10
    while True:
        result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60,
                                stdin=subprocess.DEVNULL)  # fmt: skip
        if result.returncode == 0:
            return
        if not again_if or again_if not in result.stderr or time.monotonic() > deadline:
            raise RuntimeError(f"{command}: status {result.returncode}: {result.stdout}{result.stderr}")
        time.sleep(0.05)


def why_impossible():
    """Why no power can be cut here; None if it can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not Path(device).exists():
            return f"there is no {device}"
    if not CRASH_DISK.exists():
        return f"{CRASH_DISK} was not built: libfuse3-dev is missing"
    return None


def unmount(folder):
    """Retried: a process that has just been killed may still hold it."""
    deadline = time.monotonic() + 20
    while True:
        result = subprocess.run(["umount", str(folder)], capture_output=True, text=True, timeout=60)
        if result.returncode == 0 or "not mounted" in result.stderr:
            return
        if time.monotonic() > deadline:
            subprocess.run(["umount", "-l", str(folder)], check=False, timeout=60)
            raise AssertionError(f"cannot unmount {folder}: {result.stderr}")
        time.sleep(0.02)


class Mounted:
    """ext4 from `image` at `folder`, checked first if it must be; the loop device goes with the mount."""

    def __init__(self, image, folder):
        self.image, self.folder = image, Path(folder)

    def __enter__(self):
        self.folder.mkdir(exist_ok=True)
        try:
            self._mount()
        except RuntimeError:
            # ext4 itself does not bear a superblock of which one of the two sectors is old; what every machine does at
            # boot mends that.
            subprocess.run(["e2fsck", "-fy", str(self.image)], capture_output=True, timeout=60, check=False)
            self._mount()
        return self.folder

    def _mount(self):
        # The device of the mount before may still be on its way back.
        command = ("mount", "-t", "ext4", "-o", "loop,noatime", self.image, self.folder)
        run(*command, again_if="failed to setup loop device")

    def __exit__(self, *_):
        unmount(self.folder)


class CrashDisk:
    """`disk` is the image as a file of the recording file system, `mark` its notebook."""

    def __init__(self, image, log, folder, flush_us=0):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self._command = [CRASH_DISK, image, log, self.folder, flush_us]
        self._said = self.folder.with_suffix(".log")
        self.disk, self.mark = self.folder / "disk", self.folder / "mark"

    def __enter__(self):
        self._said.unlink(missing_ok=True)
        self._child = Child("crash_disk", self._command, self._said)
        self._child.wait_for_log("ready")
        return self

    def __exit__(self, *_):
        unmount(self.folder)
        try:
            until(lambda: not self._child.is_running(), "the end of crash_disk", 10)
        finally:
            self._child.signal(signal.SIGKILL)
            self._child.wait()


def new_image(path, size=IMAGE_BYTES):
    with open(path, "wb") as file:
        file.truncate(size)


def make_file_system(path):
    run("mkfs.ext4", "-q", "-F", "-J", "size=4", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", path)
