"""DNS with a memory: answers live as long as they say, and one question is on its way only once."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

from policyd.metrics import Metrics, NoMetrics
from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.cache import Cache, Entry, Flight, Key, Outcome
from policyd.resolver.names import ascii_name
from policyd.values import value_class

if TYPE_CHECKING:
    from policyd.resolver.shared import Source
    from policyd.stores import Store

STALE_PATIENCE = 1.8  # seconds to wait where an old answer would do (RFC 8767 section 5)


class CachedResolver:
    """Asks name servers, and remembers what they say, but not that they failed.

    *servers* are addresses, asked in this order; empty: those of
    ``/etc/resolv.conf``. *timeout*: seconds for one question, over all servers
    and retries. Thread-safe. To be opened after fork.
    """

    def __init__(
        self,
        servers: Iterable[str] = (),
        port: int = 53,
        timeout: float = 5.0,
        cache: Cache | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._servers = tuple(servers)
        self._port = port
        self._timeout = timeout
        self._metrics: Metrics = metrics or NoMetrics()
        self._cache = cache or Cache()
        self._flights: dict[Key, Flight] = {}
        self._lock = Lock()  # of changes to the cache and the flights
        self._upstream: Source | None = None

    def open(self, store: Store | None = None) -> Source:
        """Load dnspython, and find the servers. The first question does it where nobody has.

        *store*: where others look for answers, too, before they ask the servers.
        """
        from policyd.resolver.shared import SharedSource
        from policyd.resolver.upstream import Upstream, system_servers  # dnspython is slow to load

        upstream = Upstream(self._servers or system_servers(), self._port, self._metrics)
        self._upstream = SharedSource(upstream, store) if store else upstream
        return self._upstream

    def lookup(self, rtype: str, name: str) -> Answer:
        """The records of *name*, within the timeout. Raises `DnsTemporary`."""
        return self.answer(rtype, name, math.inf)

    def until(self, deadline: float) -> Bounded:
        """The same resolver and cache, giving up at *deadline*, a ``time.monotonic()`` value."""
        return Bounded(self, deadline)

    def answer(self, rtype: str, name: str, deadline: float) -> Answer:
        """The records of *name*, within the timeout and before *deadline*. Raises `DnsTemporary`."""
        asked = ascii_name(name)
        if asked is None:
            return Answer(exists=False)
        key = rtype, asked
        answer = self._cache.known(key)
        if answer is not None:  # mostly so, and then nothing changes that needs the lock
            self._metrics.count("dns_cache_requests_total", "hit")
            return answer
        found = self._found(key)
        return found.current if isinstance(found, Entry) else self._awaited(key, found, deadline)

    def _awaited(self, key: Key, flight: Flight | None, deadline: float) -> Answer:
        """What a *flight* brings; without one, what we find when we `_fly`. Raises `DnsTemporary`."""
        full = time.monotonic() + self._patience(key)
        limit = min(full, deadline)
        hurried = limit < full
        while True:
            outcome = _landed(flight, limit) if flight else self._fly(key, limit, hurried)
            if isinstance(outcome, DnsTemporary):
                return self._stale(key, outcome)
            if outcome:
                return outcome
            found = self._found(key)
            if isinstance(found, Entry):
                return found.current
            flight, hurried = found, True  # it has waited for nothing

    def _found(self, key: Key) -> Entry | Flight | None:
        """What is remembered, or the flight that will bring it; None: it is for the caller to `_fly`."""
        with self._lock:
            found = self._cache.find(key) or self._flights.get(key)
            unused = found is not None and found.unused
            if found is None:
                self._flights[key] = Flight()
            else:
                found.unused = False
        self._metrics.count("dns_cache_requests_total", "hit" if found else "miss")
        if unused:
            self._metrics.count("dns_prefetches_total", "used")
        return found

    def _patience(self, key: Key) -> float:
        """Seconds to wait: fewer where an old answer would do."""
        with self._lock:
            return min(self._timeout, STALE_PATIENCE) if self._cache.has_stale(key) else self._timeout

    def _fly(self, key: Key, limit: float, hurried: bool) -> Outcome:
        """Ask, and tell everybody who waits for the same answer. A failure of one who is *hurried* is only his."""
        outcome: Outcome = None
        try:
            outcome = self._asked(key, limit)
        finally:
            with self._lock:
                flight = self._flights.pop(key)
                if isinstance(outcome, Answer):
                    self._cache.keep(key, outcome, flight.unused)
            flight.set_result(None if hurried and isinstance(outcome, DnsTemporary) else outcome)
        return outcome

    def _asked(self, key: Key, limit: float) -> Answer | DnsTemporary:
        try:
            return (self._upstream or self.open()).answer(*key, limit)
        except DnsTemporary as error:
            return error

    def _stale(self, key: Key, trouble: DnsTemporary) -> Answer:
        """An answer that is past its TTL, where there may be one and there is; otherwise raises the *trouble*."""
        with self._lock:
            answer = self._cache.revive(key)
        if answer is None:
            raise DnsTemporary(str(trouble))
        self._metrics.count("dns_cache_requests_total", "stale")
        return answer

    # -- ahead of those who will ask

    def knows(self, key: Key) -> bool:
        """Whether asking is of no use: there is an answer, or it is on its way. A glance; who `depart`s looks again."""
        return self._cache.has(key) or key in self._flights

    def depart(self, key: Key) -> bool:
        """Begin a flight that the caller has to `arrive`; False: somebody has been quicker."""
        with self._lock:
            if key in self._flights or self._cache.find(key) is not None:
                return False
            self._flights[key] = Flight(unused=True)
        return True

    def arrive(self, key: Key) -> Outcome:
        """Ask for what has departed, with all the time that a question may take."""
        return self._fly(key, time.monotonic() + self._timeout, hurried=False)

    def crash(self, key: Key) -> None:
        """Nobody will ask for what has departed: whoever waits for it, asks."""
        with self._lock:
            flight = self._flights.pop(key)
        flight.set_result(None)


def _landed(flight: Flight, limit: float) -> Outcome:
    try:
        return flight.result(max(limit - time.monotonic(), 0))
    except TimeoutError:
        return DnsTemporary("no reply in time")


@value_class
class Bounded:
    """A `CachedResolver` with a deadline."""

    resolver: CachedResolver
    deadline: float

    def lookup(self, rtype: str, name: str) -> Answer:
        """The records of *name*, before the deadline. Raises `DnsTemporary`."""
        return self.resolver.answer(rtype, name, self.deadline)

    def until(self, deadline: float) -> Bounded:
        """The same, with the earlier of both deadlines."""
        return Bounded(self.resolver, min(deadline, self.deadline))
