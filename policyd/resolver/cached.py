"""DNS with a memory: answers live as long as they say, and one question is on its way only once."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from policyd.metrics import Metrics, NoMetrics
from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.names import ascii_name

if TYPE_CHECKING:
    from policyd.resolver.upstream import Upstream

MAX_KEPT = 4096  # characters; whoever publishes more than a domain needs is not given our memory

Question = tuple[str, str]
Outcome = Answer | DnsTemporary | None
"""What came of asking. None: whoever asked had less time than the question deserves; ask again."""


class Cache:
    """The answers used last, each for its TTL. Not thread-safe."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[Question, tuple[float, Answer]] = OrderedDict()

    def find(self, question: Question) -> Answer | None:
        """The answer, with what remains of its TTL."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        expiry, answer = entry
        remaining = expiry - time.monotonic()
        if remaining <= 0:
            del self._entries[question]
            return None
        self._entries.move_to_end(question)
        return Answer(answer.records, answer.exists, remaining, answer.secure)

    def keep(self, question: Question, answer: Answer) -> None:
        """Remember *answer*; the one that was not used for longest makes room."""
        if answer.ttl <= 0 or len(repr(answer.records)) > MAX_KEPT:
            return
        self._entries[question] = (time.monotonic() + answer.ttl, answer)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)


class CachedResolver:
    """Asks name servers, and remembers what they say, but not that they failed.

    *servers* are addresses, asked in this order; empty: those of
    ``/etc/resolv.conf``. *timeout*: seconds for one question, over all servers
    and retries. *cache_size*: answers kept, 0 for none. Thread-safe. To be
    opened after fork.
    """

    def __init__(
        self,
        servers: Iterable[str] = (),
        port: int = 53,
        timeout: float = 5.0,
        cache_size: int = 20000,
        metrics: Metrics | None = None,
    ) -> None:
        self._servers = tuple(servers)
        self._port = port
        self._timeout = timeout
        self._metrics: Metrics = metrics or NoMetrics()
        self._cache = Cache(cache_size)
        self._flights: dict[Question, Future[Outcome]] = {}
        self._lock = Lock()  # of the cache and the flights
        self._upstream: Upstream | None = None

    def open(self) -> Upstream:
        """Load dnspython, and find the servers. The first question does it where nobody has."""
        from policyd.resolver.upstream import Upstream, system_servers  # dnspython is slow to load

        self._upstream = Upstream(self._servers or system_servers(), self._port, self._metrics)
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
        question = (rtype, asked)
        full = time.monotonic() + self._timeout
        limit = min(full, deadline)
        hurried = limit < full
        while True:
            found = self._found(question)
            if isinstance(found, Answer):
                return found
            outcome = _landed(found, limit) if found else self._fly(question, limit, hurried)
            if isinstance(outcome, DnsTemporary):
                raise DnsTemporary(str(outcome))
            if outcome:
                return outcome
            hurried = True  # it has waited for nothing

    def _found(self, question: Question) -> Answer | Future[Outcome] | None:
        """What is remembered, or the flight that will bring it; None: it is for the caller to `_fly`."""
        with self._lock:
            found = self._cache.find(question) or self._flights.get(question)
            self._metrics.count("dns_cache_requests_total", result="hit" if found else "miss")
            if found is None:
                self._flights[question] = Future()
        return found

    def _fly(self, question: Question, limit: float, hurried: bool) -> Outcome:
        """Ask, and tell everybody who waits for the same answer. A failure of one who is *hurried* is only his."""
        outcome: Outcome = None
        try:
            outcome = self._asked(question, limit)
        finally:
            with self._lock:
                flight = self._flights.pop(question)
                if isinstance(outcome, Answer):
                    self._cache.keep(question, outcome)
            flight.set_result(None if hurried and isinstance(outcome, DnsTemporary) else outcome)
        return outcome

    def _asked(self, question: Question, limit: float) -> Answer | DnsTemporary:
        try:
            return (self._upstream or self.open()).answer(*question, limit)
        except DnsTemporary as error:
            return error


def _landed(flight: Future[Outcome], limit: float) -> Outcome:
    try:
        return flight.result(max(limit - time.monotonic(), 0))
    except TimeoutError:
        return DnsTemporary("no reply in time")


@dataclass(frozen=True, slots=True)
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
