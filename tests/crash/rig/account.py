"""The account of a run: a line for each thing that the world outside the relay knows, in the order in which it came to
know, and the judge who reads it.

    S number                        a client is about to send the final dot
    A number                        and has read 250
    R number reply                  or something else
    C connection                    a next hop was connected to
    D connection number address...  it has the whole message, and is about to say 250
    L connection number address...  it is about to say 4xx
    F connection number address     it is about to say 5xx
    B connection number address...  it has a report that these have failed, and is about to say 250
    N connection                    it has got a command after that: the relay has read the reply
    X words                         it got something that is not whole
    K words                         the relay is dead: killed, or the power has gone
"""

import bisect
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field


class Account:
    """One line a write, appended: its place among the lines of other processes is its place in time."""

    def __init__(self, path):
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def note(self, *words):
        os.write(self._fd, (" ".join(map(str, words)) + "\n").encode())

    def close(self):
        os.close(self._fd)


def parse(text):
    return [line.split(" ") for line in text.split("\n") if line]


@dataclass
class Verdict:
    acknowledged: int = 0
    recipients: int = 0  # of the acknowledged messages
    delivered: int = 0
    bounced: int = 0
    duplicated: int = 0  # deliveries that were under way, or not yet certain, when the relay died
    in_doubt: int = 0  # messages that were sent whole and never answered
    in_doubt_arrived: int = 0
    lost: list = field(default_factory=list)
    wrong: list = field(default_factory=list)  # sentences

    @property
    def is_good(self):
        return not self.lost and not self.wrong

    def counts(self):
        names = ("acknowledged", "recipients", "delivered", "bounced", "duplicated", "in_doubt", "in_doubt_arrived")
        return {name: getattr(self, name) for name in names} | {"lost": len(self.lost), "wrong": len(self.wrong)}

    def __str__(self):
        return f"{self.counts()}\n" + "\n".join([f"lost: {n} {a}" for n, a in self.lost[:20]] + self.wrong[:20])


@dataclass
class _Seen:
    place: int
    kind: str
    connection: str


class Judge:
    """`is_final`: everything had the time to end, so whatever was acknowledged must have done so."""

    def __init__(self, events, plan):
        self.plan = plan
        self.sent, self.acknowledged = {}, {}
        self.deaths = []
        self.opened = {}  # connection: place
        self.heard_on = defaultdict(list)  # connection: places of the commands after a final reply
        self.seen = defaultdict(list)  # (number, address): what happened to it
        self.faults = []
        for place, event in enumerate(events):
            self._read(place, event)
        # For each S in order: how soon a message was acknowledged that was sent from then on.
        self._sent_places = sorted(place for place in self.sent.values())
        by_place = {place: self.acknowledged.get(number, len(events)) for number, place in self.sent.items()}
        soonest, self._soonest = len(events), []
        for place in reversed(self._sent_places):
            soonest = min(soonest, by_place[place])
            self._soonest.append(soonest)
        self._soonest.reverse()
        self._end = len(events)

    def _read(self, place, event):
        kind, words = event[0], event[1:]
        if kind == "S":
            self.sent[int(words[0])] = place
        elif kind == "A":
            self.acknowledged[int(words[0])] = place
        elif kind == "K":
            self.deaths.append(place)
        elif kind == "C":
            self.opened[words[0]] = place
        elif kind == "N":
            self.heard_on[words[0]].append(place)
        elif kind == "X":
            self.faults.append(" ".join(words))
        elif kind in "DLFB":
            for address in words[2:]:
                self.seen[int(words[1]), address].append(_Seen(place, kind, words[0]))

    def life_of(self, connection):
        """How many deaths there were before: a connection does not outlive the process."""
        return bisect.bisect(self.deaths, self.opened[connection])

    def certain_from(self, seen):
        """The place from which on it is proven that the relay had written down what `seen` was: it read the reply, then
        took the final dot of another message, then acknowledged that one. The log keeps its order, so whatever it was
        told before is certain, too."""
        after = self.heard_on[seen.connection]
        at = bisect.bisect(after, seen.place)
        if at == len(after):
            return self._end
        at = bisect.bisect(self._sent_places, after[at])
        return self._soonest[at] if at < len(self._soonest) else self._end

    def judge(self, is_final=True):
        verdict = Verdict(acknowledged=len(self.acknowledged))
        verdict.wrong += [f"not whole: {fault}" for fault in self.faults]
        for number in self.acknowledged:
            for address in self.plan.message(number).recipients:
                verdict.recipients += 1
                kinds = {one.kind for one in self.seen[number, address]}
                verdict.delivered += "D" in kinds
                verdict.bounced += "B" in kinds
                if is_final and not kinds & {"D", "B"}:
                    verdict.lost.append((number, address))
        doubtful = set(self.sent) - set(self.acknowledged)
        verdict.in_doubt = len(doubtful)
        verdict.in_doubt_arrived = len(doubtful & {number for number, _ in self.seen})
        for (number, address), events in self.seen.items():
            if number not in self.sent:
                verdict.wrong.append(f"{address} got mail that nobody sent")
            self._judge_repetitions(address, events, verdict)
        return verdict

    def _judge_repetitions(self, address, events, verdict):
        """After a delivery or a report there may be more only if the relay died before it could know or write it."""
        counts = Counter(one.kind for one in events)
        verdict.duplicated += max(0, counts["D"] - 1)
        final = [one for one in events if one.kind in "DB"]
        for first in final[:1]:
            life = self.life_of(first.connection)
            for again in events:
                if again.place <= first.place:
                    continue
                if self.life_of(again.connection) == life:
                    verdict.wrong.append(f"{address}: {first} and again {again} without a death between them")
                elif self.certain_from(first) < self.deaths[life]:
                    verdict.wrong.append(f"{address}: {first} was certain before the death, and then {again}")
