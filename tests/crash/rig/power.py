"""Power cuts: a run recorded once, cut many times.

    recording = record(folder, ...)          the relay under load on a disk that remembers
    for cut in recording.cuts(rng, count):   moments, early ones first
        cut.make(path)                       what the disk may hold if the power goes at that moment
    recover(...)                             the relay starts on it; the judge speaks
"""

import json
import mmap
import os
import random
import shutil
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.wait import NeverHappened, until

from . import disk as disks
from .account import Account, Judge, parse
from .hops import Hops
from .load import Load
from .plan import OFF_DOMAIN
from .relay import Relay

_HEAD = struct.Struct("<B3xIQQ")
_WRITE, _FLUSH_BEGIN, _FLUSH_DONE, _MARK = 1, 2, 3, 4
_SECTOR = 512
START, END = "START", "END"  # marks around the part of a recording that may be cut

# What arrives of the writes after the last flush: nothing, everything, the first ones, the first ones and a part of the
# next, the last ones, any of them, any of their sectors.
MODES = ("none", "all", "first", "torn", "last", "some", "sectors")


class Log:
    """What crash_disk wrote: (type, offset of the data, bytes, place on the disk, time) for each record."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.records = []
        at, size = 0, len(self._bytes)
        while at + _HEAD.size <= size:
            kind, length, place, time_ns = _HEAD.unpack_from(self._bytes, at)
            at += _HEAD.size
            self.records.append((kind, at, length, place, time_ns))
            at += length
        assert at == size, "the log of the disk ends in the middle of a record"

    def close(self):
        self._bytes.close()

    def data(self, record, begin=0, end=None):
        return self._bytes[record[1] + begin : record[1] + (record[2] if end is None else end)]

    def marks(self, end):
        return parse(b"".join(self.data(r) for r in self.records[:end] if r[0] == _MARK).decode(errors="replace"))

    def find_mark(self, word):
        wanted = word.encode() + b"\n"
        for index, record in enumerate(self.records):
            if record[0] == _MARK and self.data(record) == wanted:
                return index
        raise AssertionError(f"the recording has no {word}")


def certain_end(records, cut, first=0):
    """The place before which everything was made certain by a flush that was done before `cut`."""
    begin = None
    for index in range(cut - 1, first - 1, -1):
        kind = records[index][0]
        if kind == _FLUSH_DONE and begin is None:
            begin = 0
        elif kind == _FLUSH_BEGIN and begin == 0:
            return index
    return first


def choose_rest(writes, mode, rng):
    """Of (offset, bytes) what reached the disk, in order: a list of (offset, bytes)."""
    if mode == "none":
        return []
    if mode == "all":
        return writes
    keep = rng.randint(0, len(writes))
    if mode == "first":
        return writes[:keep]
    if mode == "last":
        return writes[keep:]
    if mode == "torn":
        torn = []
        for offset, data in writes[keep : keep + 1]:
            end = rng.randint(0, len(data) // _SECTOR) * _SECTOR
            torn.append((offset, data[:end]))
        return writes[:keep] + torn
    share = rng.choice((0.1, 0.5, 0.9))
    if mode == "some":
        return [write for write in writes if rng.random() < share]
    # Each sector for itself: one that was written twice may hold either, and those of one write need not stay together.
    sectors = []
    for offset, data in writes:
        for begin in range(0, len(data), _SECTOR):
            if rng.random() < share:
                sectors.append((offset + begin, data[begin : begin + _SECTOR]))
    return sectors


@dataclass
class Cut:
    index: int  # of the first record that the disk never saw
    mode: str
    seed: int
    path: Path
    events: list  # what the world knew
    uncertain_writes: int
    uncertain_bytes: int

    def __str__(self):
        return (f"record {self.index}, {self.mode} of {self.uncertain_writes} writes "
                f"({self.uncertain_bytes} bytes), seed {self.seed}")  # fmt: skip


class Recording:
    def __init__(self, log_path, before=None, events=(), ignores_flushes=False):
        """`before`: the image that it began with (zeros if None); `events`: what had happened before that."""
        self.log_path, self.before, self.events_before = Path(log_path), before, list(events)
        self.log = Log(log_path)
        self.start, self.end = self.log.find_mark(START), self.log.find_mark(END)
        self.ignores_flushes = ignores_flushes

    def close(self):
        self.log.close()

    def cut_points(self, rng, count):
        """(index, mode, seed), in the order of time."""
        points = [(rng.randint(self.start + 1, self.end), rng.choice(MODES), rng.getrandbits(48)) for _ in range(count)]
        return sorted(points)

    def cuts(self, points, folder):
        """Each cut's image is made when it is asked for, and is the caller's to remove."""
        base = self.log_path.with_suffix(".img")
        if self.before:
            shutil.copyfile(self.before, base)
        else:
            disks.new_image(base)
        applied = 0
        try:
            for index, mode, seed in points:
                certain = self.start if self.ignores_flushes else certain_end(self.log.records, index)
                self._apply(base, applied, certain)
                applied = max(applied, certain)
                yield self._make(base, index, mode, seed, applied, Path(folder) / "cut.img")
        finally:
            base.unlink()

    def _apply(self, base, begin, end):
        with open(base, "r+b") as file:
            for record in self.log.records[begin:end]:
                if record[0] == _WRITE:
                    os.pwrite(file.fileno(), self.log.data(record), record[3])

    def _make(self, base, index, mode, seed, certain, path):
        shutil.copyfile(base, path)
        writes = [(r[3], self.log.data(r)) for r in self.log.records[certain:index] if r[0] == _WRITE]
        with open(path, "r+b") as file:
            for offset, data in choose_rest(writes, mode, random.Random(seed)):
                os.pwrite(file.fileno(), data, offset)
        events = self.events_before + [event for event in self.log.marks(index) if event[0] not in (START, END)]
        events.append(["K", "power"])
        return Cut(index, mode, seed, path, events, len(writes), sum(len(data) for _, data in writes))


def record(folder, plan, count, name="a", env=None, sessions=12, seconds=60, flush_us=0):
    """The relay under load, on an empty disk; until `count` messages were sent and some of the rest is done."""
    folder = Path(folder)
    image, log = folder / "recorded.img", folder / f"{name}.log"
    disks.new_image(image)
    with ExitStack() as stack:
        disk = stack.enter_context(disks.CrashDisk(image, log, folder / "fuse", flush_us))
        disks.make_file_system(disk.disk)
        spool = stack.enter_context(disks.Mounted(disk.disk, folder / "mnt")) / "spool"
        account = Account(disk.mark)
        stack.callback(account.close)
        hops = stack.enter_context(Hops(account, name))
        relay = Relay(spool, hops.routes(), env=env)
        stack.callback(relay.discard)
        relay.start()
        os.sync()
        account.note(START)
        load = Load(relay.port, plan, disk.mark, 0, count, sessions, folder / "load.log")
        stack.callback(load.stop)
        # What waited for the host that was off goes, and its segments are used again; later it is off once more.
        until(lambda: hops.taken > count / 3, lambda: f"a third is delivered; {relay.log()[-2000:]}", seconds)
        hops.switch_on()
        relay.flush(OFF_DOMAIN)
        until(lambda: hops.taken > count or not load.is_running(), "more is delivered", seconds)
        hops.switch_off()
        until(lambda: not load.is_running(), lambda: f"the end of the load; {relay.log()[-2000:]}", seconds)
        time.sleep(0.3)  # part of the recording: the relay alone with its retries
        account.note(END)
        spool_words = json.loads(relay.command("status", "--json").stdout)["spool"]
        relay.kill()
    image.unlink()
    (folder / f"{name}.spool").write_text(json.dumps(spool_words))
    return log


def record_recovery(folder, cut, name, rng):
    """The start on the disk of `cut`, recorded, until a moment in the recovery or soon after."""
    folder = Path(folder)
    before, log = folder / "before.img", folder / f"{name}.log"
    shutil.copyfile(cut.path, before)
    with ExitStack() as stack:
        disk = stack.enter_context(disks.CrashDisk(cut.path, log, folder / "fuse"))
        account = Account(disk.mark)
        stack.callback(account.close)
        account.note(START)  # the file system's own recovery may be cut, too
        spool = stack.enter_context(disks.Mounted(disk.disk, folder / "mnt")) / "spool"
        hops = stack.enter_context(Hops(account, name))
        relay = Relay(spool, hops.routes())
        stack.callback(relay.discard)
        relay.launch()
        time.sleep(rng.choice((0.03, 0.06, 0.1, 0.2, 0.5)))  # how far it gets is chance
        account.note(END)
        relay.kill()
    return Recording(log, before, cut.events)


class Recovered:
    """The relay on the disk of a cut, with next hops that take everything."""

    def __init__(self, verdict, log, quarantined):
        self.verdict, self.log, self.quarantined = verdict, log, quarantined


def recover(folder, cut, plan, seconds=30):
    folder = Path(folder)
    path = folder / "recovery.account"
    path.unlink(missing_ok=True)
    with ExitStack() as stack:
        spool = stack.enter_context(disks.Mounted(cut.path, folder / "mnt")) / "spool"
        account = Account(path)
        stack.callback(account.close)
        hops = stack.enter_context(Hops(account, "r", accepts_all=True))
        relay = Relay(spool, hops.routes())
        stack.callback(relay.discard)
        relay.start()
        try:
            relay.wait_until_empty(seconds)
        except NeverHappened:
            pass  # the judge will say what is missing
        is_stuck = bool(relay.queue())
        relay.stop()
        quarantined, log = relay.quarantined(), relay.log()
    verdict = Judge(cut.events + parse(path.read_text(errors="replace")), plan).judge()
    if is_stuck:
        verdict.wrong.append(f"the queue was not empty after {seconds} s")
    if quarantined:
        verdict.wrong.append(f"a power cut is no damage, and yet there is {quarantined} in quarantine")
    return Recovered(verdict, log, quarantined)
