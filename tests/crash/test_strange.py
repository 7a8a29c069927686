"""Kills as in test_kill.py, and while the relay is dead the spool gets what no relay leaves there: segments of another
spool, files with numbers out of any row, digests and free segments cut short; and mail that is imported."""

import json
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from rig.plan import SMALL_SIZES, Plan
from test_kill import disk_folder, kill_often  # noqa: F401

STRANGE_NUMBERS = ("0000000000000000", "0000000100000000", "ffffffffffffffff")
IMPORTED_FROM = 2_000_000  # numbers of the plan that the load never comes to


class Strangers:
    """What happens to the spool while the relay is dead, one thing after the other."""

    def __init__(self, plan, rng):
        self.plan, self.rng = plan, rng
        self.next = IMPORTED_FROM
        self.stray = None  # a segment of another spool
        self.turns = 0

    def __call__(self, relay, account):
        turns = (self.put_stray, self.put_strange_number, self.cut_files, self.import_mail)
        turns[self.turns % len(turns)](relay, account)
        self.turns += 1

    def put_stray(self, relay, _account):
        if self.stray is None:
            return self.keep_segment_of_another_spool(relay)
        segments = sorted((relay.spool / "seg").glob("*.log"))
        number = int(segments[-1].stem, 16) + self.rng.randint(1, 50)
        header = bytearray(self.stray)
        header[32:40] = number.to_bytes(8, "little")
        header[4092:4096] = crc32c(bytes(header[:4092])).to_bytes(4, "little")
        (relay.spool / "seg" / f"{number:016x}.log").write_bytes(header)
        return None

    def keep_segment_of_another_spool(self, relay):
        """The header of one of this one's, with another uuid."""
        segment = min((relay.spool / "seg").glob("*.log"))
        header = bytearray(segment.read_bytes()[:4096])
        header[16] ^= 0xFF
        self.stray = bytes(header)

    def put_strange_number(self, relay, _account):
        name = self.rng.choice(STRANGE_NUMBERS)
        (relay.spool / self.rng.choice(("seg", "quarantine")) / f"{name}.log").write_bytes(b"")

    def cut_files(self, relay, _account):
        """Files of the kinds that may be lost without losing mail."""
        files = [*(relay.spool / "seg").glob("*.idx"), *(relay.spool / "free").glob("*")]
        for path in self.rng.sample(files, min(3, len(files))):
            with open(path, "r+b") as file:
                file.truncate(self.rng.randint(0, path.stat().st_size))

    def import_mail(self, relay, account):
        folder = Path(tempfile.mkdtemp(prefix="import-", dir=relay.folder))
        numbers = range(self.next, self.next + 5)
        self.next += len(numbers)
        for number in numbers:
            message = self.plan.message(number)
            (folder / f"{number}.eml").write_bytes(message.content())
            pair = {"sender": message.sender, "recipients": message.recipients}
            (folder / f"{number}.json").write_text(json.dumps(pair))
            account.note("S", number)
        result = relay.command("spool", "import", folder)
        assert f"{len(numbers)} messages imported" in result.stdout
        for number in numbers:
            account.note("A", number)
        shutil.rmtree(folder)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_kills_among_strange_files_and_imports(request, disk_folder, seed):  # noqa: F811
    if request.config.option.replay:
        pytest.skip("only a replay was asked for")
    kills = max(12, request.config.option.kills // 5)
    plan, rng = Plan(seed, SMALL_SIZES), random.Random(seed)
    strangers = Strangers(plan, rng)
    verdict, log, quarantined = kill_often(disk_folder, plan, kills, rng, strangers)
    assert verdict.is_good, f"{verdict}\n{log}"
    assert verdict.acknowledged > 10 * kills, f"the load was too light to mean much: {verdict}"
    assert strangers.next > IMPORTED_FROM and quarantined
    damage = [name for name in quarantined if not name.split(".")[1].startswith("log")]
    assert not damage, "only whole files of others are set aside"
