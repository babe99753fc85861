"""What the generator has counted: to be compared with what policyd has."""

from __future__ import annotations

import re
import threading
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

GRACE = 15.0  # seconds after a fault in which its effects may still show: the longest pause of the store's breaker
BUSY = "too many connections"  # the kind that is deferred at any time
GENERATION = re.compile(r"generation (\d+)")


@dataclass(frozen=True, slots=True)
class End:
    """How a transaction ended, and where.

    *outcome*: accept, quarantine, reject or defer, as policyd has said; abort: by us, after MAIL; nothing: by us,
    before; unknown: we did not wait for the answer; cut: the connection was closed; hung: nobody answered.
    """

    outcome: str
    phase: str
    text: str = ""


@dataclass
class Windows:
    """The times of faults, by `time.monotonic`."""

    spans: list[tuple[float, float]] = field(default_factory=list)

    def begin(self) -> None:
        """A fault begins."""
        self.spans.append((time.monotonic(), float("inf")))

    def end(self) -> None:
        """It is undone."""
        self.spans[-1] = (self.spans[-1][0], time.monotonic())

    def quiet(self, begin: float, end: float) -> bool:
        """Whether no fault can have been felt between these times."""
        return all(end < first or begin > last + GRACE for first, last in self.spans)


class Tally:
    """Counts of all threads. *ends*: by kind, outcome and phase; *recipients*: by action."""

    def __init__(self) -> None:
        self.windows = Windows()
        self.connections = 0
        self.ends: Counter[tuple[str, str, str]] = Counter()
        self.recipients: Counter[str] = Counter()
        self.generation = 0  # the latest of the policy that has shown itself
        self.longest: dict[str, float] = {}  # seconds until an answer, by phase
        self.quiet_times = array("f")  # seconds of whole messages, in quiet times
        self.wrong: list[str] = []  # verdicts that must not be
        self.uncalled: list[str] = []  # deferred, or cut, in quiet times
        self.overdue: list[str] = []  # what policyd should have done by then
        self.lock = threading.Lock()

    def connected(self) -> None:
        """A connection was opened, and the milter told of its client."""
        with self.lock:
            self.connections += 1

    def answered(self, phase: str, seconds: float) -> None:
        """It took so long until a command had its answer."""
        if seconds > self.longest.get(phase, 0.0):
            with self.lock:
                self.longest[phase] = max(seconds, self.longest.get(phase, 0.0))

    def recipient(self, action: str, text: str = "") -> None:
        """A recipient was accepted, or not."""
        with self.lock:
            self.recipients[action] += 1
            if found := GENERATION.search(text):
                self.generation = max(self.generation, int(found[1]))

    def ended(self, kind: str, may: frozenset[str], begun: float, end: End) -> None:
        """A transaction is over; *may*: how it may have ended, and "cut" whenever a worker is killed."""
        now = time.monotonic()
        said = f"{kind}: {end.outcome} at {end.phase}: {end.text}"
        quiet = self.windows.quiet(begun, now)
        with self.lock:
            self.ends[kind, end.outcome, end.phase] += 1
            if end.outcome not in may | {"cut"}:
                self.wrong.append(said)
            if quiet and end.outcome in ("defer", "cut", "hung") and kind != BUSY:
                self.uncalled.append(said)
            if quiet and end.outcome in ("accept", "quarantine"):
                self.quiet_times.append(now - begun)

    def count(self, *outcomes: str, phase: str = "") -> int:
        """Transactions that ended so; at *phase*, or anywhere."""
        return sum(
            number
            for (_, outcome, where), number in self.ends.items()
            if (not outcomes or outcome in outcomes) and phase in ("", where)
        )
