"""Connections to servers that lookups ask: opened when needed, used by one thread at a time, kept for the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol, TypeVar

MAX_IDLE = 8  # connections to one server that wait for work
MAX_REST = 60.0  # seconds that one waits; servers and firewalls forget those that say nothing for long


class Link(Protocol):
    """One connection."""

    def is_fresh(self) -> bool:
        """Whether it can be used as if it had just been opened."""

    def close(self) -> None:
        """End it. Does not raise."""


L = TypeVar("L", bound=Link)


class Pools:
    """Idle connections, by whom they lead to. Thread-safe. Empty until used, so it may exist before a fork."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._idle: dict[Hashable, list[tuple[float, Link]]] = {}
        self._lock = Lock()

    @contextmanager
    def link(self, key: Hashable, connect: Callable[[], L]) -> Iterator[L]:
        """A connection for one use; *connect* opens one when none is idle.

        After the use it is kept, unless the use raised or has left it in a
        state that others would see.
        """
        link: L = self._kept(key) or connect()  # type: ignore[assignment]  # a key leads to one kind of link
        try:
            yield link
        except BaseException:
            link.close()
            raise
        if link.is_fresh():
            self._keep(key, link)
        else:
            link.close()

    def close(self) -> None:
        """End every idle connection."""
        with self._lock:
            links = [link for idle in self._idle.values() for _, link in idle]
            self._idle.clear()
        for link in links:
            link.close()

    def _kept(self, key: Hashable) -> Link | None:
        """The idle connection that was used last, if there is a good one."""
        while True:
            with self._lock:
                idle = self._idle.get(key)
                if not idle:
                    return None
                since, link = idle.pop()
            if self._clock() - since < MAX_REST and link.is_fresh():
                return link
            link.close()

    def _keep(self, key: Hashable, link: Link) -> None:
        now = self._clock()
        with self._lock:
            idle = self._idle.setdefault(key, [])
            idle.append((now, link))
            rested = sum(now - since >= MAX_REST for since, _ in idle)  # they are in the order of time
            old = idle[: max(rested, len(idle) - MAX_IDLE)]
            del idle[: len(old)]
        for _, leaving in old:
            leaving.close()
