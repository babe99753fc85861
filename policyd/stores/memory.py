"""State of one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Lock

from policyd.stores.protocol import Step, T, fitting

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

    def open(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def get(self, key: bytes) -> bytes | None:
        """What is stored, unless it has expired."""
        return self._live(fitting(key), self._clock())

    def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Store *value* for *ttl* seconds, whatever was there."""
        self.update(key, lambda stored, now: (value, None), ttl)

    def delete(self, key: bytes) -> None:
        """Forget what is stored, if anything is."""
        with self._lock:
            self._values.pop(fitting(key), None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Everything whose key begins with *prefix*."""
        with self._lock:
            now = self._clock()
            found = [
                (key, value)
                for key, (expires, value) in self._values.items()
                if key.startswith(prefix) and expires > now
            ]
        yield from found

    def read(self, key: bytes, step: Step[T]) -> T:
        """What *step* answers to what is stored now; nothing is written."""
        now = self._clock()
        return step(self._live(fitting(key), now), now)[1]

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """Read, compute and write as one; the value lives for *ttl* seconds."""
        key = fitting(key)
        with self._lock:
            now = self._clock()
            value, answer = step(self._live(key, now), now)
            if value is not None:
                self._values[key] = now + ttl, value
                if len(self._values) > self._enough:
                    self._sweep(now)
        return answer

    def until(self, deadline: float) -> MemoryStore:
        """The same store: it never waits for anybody."""
        return self

    def _live(self, key: bytes, now: float) -> bytes | None:
        expires, value = self._values.get(key, (0.0, None))
        return value if expires > now else None

    def _sweep(self, now: float) -> None:
        self._values = {key: record for key, record in self._values.items() if record[0] > now}
        self._enough = max(FEW, 2 * len(self._values))
