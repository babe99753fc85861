"""A store that may go away, and what happens meanwhile."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from policyd.errors import Defer
from policyd.metrics import Metrics
from policyd.stores.breaker import Breaker, Leave
from policyd.stores.protocol import Step, Store, T, Unavailable

A = TypeVar("A")
QUIET = 60.0  # seconds between two lines about single operations


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What ``store_error`` says: its *word*, and the *store* that then answers; None: nobody does."""

    word: str
    store: Store | None = None


class GuardedStore:
    """*store*, and where it fails, what *otherwise* says.

    *tell* gets a line when the store goes away, and one when it is back. A
    failure with one key does not open the *breaker*.
    """

    def __init__(
        self,
        store: Store,
        otherwise: Otherwise,
        breaker: Breaker,
        metrics: Metrics,
        tell: Callable[[str], object],
    ) -> None:
        self._store = store
        self._otherwise = otherwise
        self._breaker = breaker
        self._metrics = metrics
        self._tell = tell
        self._quiet = [0.0]  # until when; one for all copies

    def open(self) -> None:
        """Open both now. What fails is told, and tried again when it is used."""
        for store in (self._store, self._otherwise.store):
            try:
                if store is not None:
                    store.open()
            except Defer as error:
                self._tell(str(error))

    def close(self) -> None:
        """Close both. Raises `Defer`."""
        self._store.close()
        if self._otherwise.store is not None:
            self._otherwise.store.close()

    def get(self, key: bytes) -> bytes | None:
        """What is stored, unless it has expired."""
        return self._tried(lambda store: store.get(key))

    def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Store *value* for *ttl* seconds, whatever was there."""
        self._tried(lambda store: store.put(key, value, ttl))

    def delete(self, key: bytes) -> None:
        """Forget what is stored, if anything is."""
        self._tried(lambda store: store.delete(key))

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Everything whose key begins with *prefix*, out of one store."""
        return iter(self._tried(lambda store: list(store.scan(prefix))))

    def read(self, key: bytes, step: Step[T]) -> T:
        """What *step* answers to what is stored now; nothing is written."""
        return self._tried(lambda store: store.read(key, step))

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """Read, compute and write as one; the value lives for *ttl* seconds."""
        return self._tried(lambda store: store.update(key, step, ttl))

    def until(self, deadline: float) -> GuardedStore:
        """The same store, giving up at *deadline*, a ``time.monotonic()`` value."""
        bounded = copy.copy(self)
        bounded._store = self._store.until(deadline)
        return bounded

    def _tried(self, ask: Callable[[Store], A]) -> A:
        leave = self._breaker.leave()
        if leave is Leave.STAY:
            return self._instead(ask, Defer(self._breaker.why))
        start = time.perf_counter()
        failure: Defer | None = None
        try:
            return ask(self._store)
        except Defer as error:
            failure = error
        finally:
            self._metrics.observe("store_duration_seconds", time.perf_counter() - start)
            self._learn(leave, failure)
        return self._instead(ask, failure)

    def _learn(self, leave: Leave, failure: Defer | None) -> None:
        """Let the others know how it was. A trial that failed for any reason has not shown that the store works."""
        if failure is None:
            if (seconds := self._breaker.worked(leave)) is not None:
                self._metrics.count("store_breakers_open", amount=-1)
                self._tell(f"store available again after {seconds:.1f} s")
            return
        reason = failure.reason if isinstance(failure, Unavailable) else "operation"
        self._metrics.count("store_errors_total", reason)
        if reason == "operation" and leave is not Leave.TRY:
            self._complain(f"store_error = {self._otherwise.word}: {failure}")
        elif self._breaker.failed(leave, str(failure)):
            self._metrics.count("store_breakers_open")
            self._tell(f"store not available, store_error = {self._otherwise.word}: {failure}")

    def _complain(self, text: str) -> None:
        """Tell of one operation that failed, but not of each in a row."""
        now = time.monotonic()
        if now >= self._quiet[0]:
            self._quiet[0] = now + QUIET
            self._tell(text)

    def _instead(self, ask: Callable[[Store], A], failure: Defer) -> A:
        self._metrics.count("store_substitutions_total", self._otherwise.word)
        if self._otherwise.store is None:
            raise failure
        try:
            return ask(self._otherwise.store)
        except Defer as error:
            raise Defer(f"{failure}; {error}") from None
