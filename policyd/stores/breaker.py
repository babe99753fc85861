"""A circuit breaker: who is ill is left alone for a while, and then asked by one thread first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from enum import Enum
from threading import Lock

FIRST = 0.2  # seconds until the first trial
LONGEST = 10.0  # seconds between two of them; it doubles up to that


class Leave(Enum):
    """What a thread may do."""

    GO = "go ahead"
    TRY = "find out, for all, whether it works again"
    STAY = "do without"


class Breaker:
    """Closed, everybody may go ahead. Open, nobody; but from time to time, one thread may try.

    Pauses are random, half as long to one and a half times as long, so that the
    processes of many hosts do not come back at once. Thread-safe.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.5),
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._lock = Lock()
        self._pause = 0.0  # 0: closed
        self._opened = self._due = 0.0
        self._trying = False
        self.why = ""  # it is open

    def leave(self) -> Leave:
        """What this thread may do now. Who goes or tries says with `worked` or `failed` how it was."""
        if not self._pause:
            return Leave.GO
        with self._lock:
            if self._pause and (self._trying or self._clock() < self._due):
                return Leave.STAY
            self._trying = bool(self._pause)
            return Leave.TRY if self._trying else Leave.GO

    def worked(self, leave: Leave) -> float | None:
        """It works: how many seconds it did not, if this is news."""
        if leave is not Leave.TRY:
            return None
        with self._lock:
            self._pause, self._trying = 0.0, False
            return self._clock() - self._opened

    def failed(self, leave: Leave, why: str) -> bool:
        """It does not work; whether this is news. Who went ahead before others knew does not make it worse."""
        with self._lock:
            self.why = why
            now = self._clock()
            news = not self._pause
            if news:
                self._opened = now
            if news or leave is Leave.TRY:
                self._pause = min(2 * self._pause or FIRST, LONGEST)
                self._due, self._trying = now + self._pause * self._jitter(), False
            return news
