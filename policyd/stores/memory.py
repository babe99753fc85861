"""State of one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from policyd.stores.protocol import Step, T

FEW = 1024  # values; so many are never worth a sweep


class MemoryStore:
    """The store of one process, safe among its threads: for tests, and where nothing is shared.

    Expired values are dropped whenever the number of all has doubled.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._values: dict[bytes, tuple[float, bytes]] = {}  # when it expires, and what
        self._enough = FEW

    def get(self, key: bytes) -> bytes | None:
        """What is stored, unless it has expired."""
        expires, value = self._values.get(key, (0.0, None))
        return value if expires > self._clock() else None

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """Read, compute and write as one; the value lives for *ttl* seconds."""
        with self._lock:
            value, answer = step(self.get(key))
            if value is not None:
                self._values[key] = self._clock() + ttl, value
                if len(self._values) > self._enough:
                    self._sweep()
        return answer

    def _sweep(self) -> None:
        now = self._clock()
        self._values = {key: record for key, record in self._values.items() if record[0] > now}
        self._enough = max(FEW, 2 * len(self._values))
