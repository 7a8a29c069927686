"""Every call of the write path fails once, at each of its turns, with each error that a disk may give."""

import re
import shutil
import signal
from contextlib import closing

import pytest
from harness.child import Child
from harness.wait import NeverHappened, until
from rig import load
from rig.account import Account, Judge, parse
from rig.hops import Hops
from rig.plan import Plan, Planned
from rig.relay import Relay
from rig.untested import need_strace, untested

SIZES = [500, 200_000, 300_000, 500, 3_000, 400_000, 250_000, 500, 300_000, 500]
WRITE_PATH = ("mkdir", "openat", "pwrite64", "pwritev", "ftruncate", "fallocate", "sync_file_range", "fdatasync",
              "fsync", "rename", "unlink")  # fmt: skip
# Only the spool makes the others; these are made by all parts and are distinguished by their paths.
BY_PATH = ("mkdir", "openat")
ERRORS = {"EIO": "Input/output error", "ENOSPC": "No space left on device"}
TURNS_MAX = 200
INJECTED = re.compile(r"^(\d+) +(\w+)\((.*)\) += -1 (E\w+) .*\(INJECTED\)$", re.MULTILINE)


class FewMessages(Plan):
    """Enough that bodies have records of their own, segments are filled and used again, and some mail is refused."""

    def message(self, number):
        kinds = ["ok"] + ["later1"] * (number % 3 == 1) + ["no"] * (number % 4 == 2)
        recipients = [f"{kind}-{index}-{number}@d{index + 1}.test" for index, kind in enumerate(kinds)]
        return Planned(number, f"s-{number}@back.test", recipients, SIZES[number], self.seed + number)


@pytest.fixture(scope="module", autouse=True)
def _can_trace():
    need_strace("failing system calls were")


def spool_paths(spool):
    names = ["", "seg", "free", "quarantine", "VERSION", "VERSION.new"]
    for number in range(1, 20):
        names += [f"{place}/{number:016x}.{kind}" for place in ("seg", "free") for kind in ("log", "idx", "new")]
    return [str(spool / name).rstrip("/") for name in names]


def strace(trace, spool, call, error, turn):
    command = ["strace", "-D", "-f", "--seccomp-bpf", "-y", "-s", "40", "-o", trace]
    if call in BY_PATH:
        command += [part for path in spool_paths(spool) for part in ("-P", path)]
    known = ",".join(f"?{name}" for name in WRITE_PATH)
    return [*command, "-e", f"trace={known}", "-e", f"inject=?{call}:error={error}:when={turn}"]


class Trial:
    """One relay whose `call` fails with `error` at its turn `turn` (in each thread that gets so far)."""

    def __init__(self, folder, call, error, turn):
        self.folder, self.call, self.error, self.turn = folder, call, error, turn
        self.plan = FewMessages(turn)
        self.path, self.trace = folder / "account", folder / "trace"
        self.trace.touch()

    def run(self):
        account = Account(self.path)
        with Hops(account) as hops:
            relay = Relay(self.folder / "spool", hops.routes())
            try:
                self._with_fault(relay, account)
                self.log = relay.log()
                account.note("K", "fault")
                self._without(relay, hops, account)
            finally:
                relay.discard()
                account.close()

    def _with_fault(self, relay, account):
        relay.under = strace(self.trace, relay.spool, self.call, self.error, self.turn)
        relay.launch()

        def is_dead():
            return not relay.child.is_running()

        until(lambda: is_dead() or " ready" in relay.child.log(), "its start or end", 20)
        load.send(relay.port, self.plan, range(len(SIZES)), account, is_over=is_dead)
        try:
            until(lambda: is_dead() or not relay.queue(), "an empty queue or its end", 10)
        except NeverHappened:
            pass
        except AssertionError:
            assert is_dead() or until(is_dead, "its end", 10)
        relay.child.signal(signal.SIGTERM)
        self.status = relay.wait_for_end()

    def _without(self, relay, hops, account):
        relay.under = []
        hops.accepts_all = True
        relay.start()
        numbers = range(len(SIZES))
        sent = {int(event[1]) for event in parse(self.path.read_text()) if event[0] == "S"}
        load.send(relay.port, self.plan, [number for number in numbers if number not in sent], account)
        relay.wait_until_empty()
        relay.stop()

    def injected(self):
        return [match.groups() for match in INJECTED.finditer(self.trace.read_text(errors="replace"))]

    def problems(self):
        events = parse(self.path.read_text(errors="replace"))
        verdict = Judge(events, self.plan).judge()
        found = [f"lost: {lost}" for lost in verdict.lost] + verdict.wrong
        refused = [event for event in events if event[0] == "R" and len(event) > 2]
        sent = {event[1] for event in events if event[0] == "S"}
        answered = {event[1] for event in events if event[0] == "A"}
        for event in refused:
            # 421: the relay stopped before it had seen the final dot.
            if event[1] in sent - answered and event[2] not in ("421", "451", "452"):
                found.append(f"a client that waited for the answer to its final dot was told {event[2:]}")
        if self.status != 0 and ERRORS[self.error] not in self.log:
            found.append(f"it ended with {self.status} and did not say why")
        if self.status not in (0, 1):
            found.append(f"it ended with status {self.status}")
        return found

    def written_after_the_fault(self):
        """In segments that are in use, and what failed itself. Whoever prepares the next one may not know yet; and if
        that one failed, whoever had written to another file by then may still sync that, once."""
        lines = self.trace.read_text(errors="replace").splitlines()
        at = next(index for index, line in enumerate(lines) if line.endswith("(INJECTED)"))
        failed = re.search(r"<([^>]*)>", lines[at])[1]
        calls = re.compile(rf" (pwrite64|pwritev|fdatasync|fsync)\(\d+<({re.escape(failed)}|[^>]*/seg/[^>]*\.log)>")
        unsynced = set()
        for line in lines[:at]:
            if call := calls.search(line):
                (unsynced.add if call[1].startswith("pwrite") else unsynced.discard)(call[2])
        unsynced.discard(failed)
        later = []
        for line in lines[at + 1 :]:
            if call := calls.search(line):
                if call[1] == "fdatasync" and call[2] in unsynced:
                    unsynced.remove(call[2])
                else:
                    later.append(line)
        return later


def trials(folder, results, call, error):
    """A trial for each turn, until the call is not made so often; each is kept if it goes wrong."""
    for turn in range(1, TURNS_MAX):
        place = folder / str(turn)
        place.mkdir()
        trial = Trial(place, call, error, turn)
        trial.run()
        if not trial.injected():
            return
        try:
            yield trial
        except GeneratorExit:
            shutil.copytree(place, results / f"fault-{call}-{error}-{turn}", dirs_exist_ok=True)
            raise
        shutil.rmtree(place)
    pytest.fail(f"{call} has more than {TURNS_MAX} turns")


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", WRITE_PATH)
def test_nothing_is_lost_if_a_call_fails(folder, results, call, error):
    """Whatever was acknowledged arrives, nothing arrives in part, and who waited hears that it was not taken. If the
    relay ends, it says why."""
    outcomes = []
    with closing(trials(folder, results, call, error)) as each:
        for trial in each:
            outcomes.append(trial.status)
            problems = trial.problems()
            assert not problems, f"turn {trial.turn}: {trial.injected()}\n" + "\n".join(problems) + trial.log
    print(f"{call} {error}: {len(outcomes)} turns, {outcomes.count(1)} ended the relay")


@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
def test_after_a_failed_sync_nothing_is_written(folder, results, call):
    """Nobody knows what is on the disk then, and a second sync would say that all is well."""
    with closing(trials(folder, results, call, "EIO")) as each:
        for trial in each:
            later = trial.written_after_the_fault()
            assert not later and trial.status == 1, f"turn {trial.turn}: {trial.injected()}\n" + "\n".join(later[:5])


@pytest.mark.parametrize("error, reply", [("EIO", "451"), ("ENOSPC", "452")])
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
def test_a_client_that_waits_for_the_disk_hears_that_it_failed(folder, call, error, reply):
    """It is alone, so the failing call is that for its message."""
    relay = Relay(folder / "spool", [])
    try:
        relay.start()
        command = ["strace", "-f", "-o", folder / "trace", "-p", relay.child.pid, "-e", "trace=pwrite64,fdatasync",
                   "-e", f"inject={call}:error={error}:when=1"]  # fmt: skip
        tracer = Child("strace", command, folder / "strace.log")
        until(lambda: "attached" in tracer.log() or not tracer.is_running(), "strace is attached")
        if not tracer.is_running():
            untested("the answer to who waits for a failing disk was", tracer.log())
        with relay.wire() as wire:
            wire.hello()
            wire.envelope()
            said = wire.data("Subject: hello\r\n\r\n.\r\n")
        assert said and said.startswith(reply + " 4.3."), said
        if (call, error) == ("pwrite64", "ENOSPC"):
            until(lambda: "there is room on the disk of the spool again" in relay.log(), "the end of it", 10)
            relay.stop()
        else:
            assert relay.wait_for_end() == 1
        tracer.wait()
        assert ERRORS[error] in relay.log() and str(relay.spool) in relay.log(), relay.log()
    finally:
        relay.discard()
