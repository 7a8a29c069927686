"""Results that outlive a run."""

import hashlib
import json

from .relay import BINARY

_NAMES = ("acknowledged", "recipients", "lost", "wrong", "duplicated", "in_doubt", "in_doubt_arrived")


class Campaign:
    """A line of JSON for each trial, in a file that is named after the relay's bytes: a campaign that was interrupted
    goes on (`resume`), and a new relay begins a new one. `unit` is what is counted."""

    def __init__(self, folder, unit, resume):
        digest = hashlib.sha256(BINARY.read_bytes()).hexdigest()[:12]
        self.unit, self.path = unit, folder / f"{unit}-{digest}.jsonl"
        if not resume:
            self.path.unlink(missing_ok=True)
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self._results = [json.loads(line) for line in lines]

    def note(self, verdict, count=1, **more):
        result = {self.unit: count} | verdict.counts() | more
        self._results.append(result)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")

    def total(self, name):
        return sum(result[name] for result in self._results)

    @property
    def done(self):
        return self.total(self.unit)

    def __str__(self):
        return f"{self.done} {self.unit}: " + ", ".join(f"{name} {self.total(name)}" for name in _NAMES)
