"""What is remembered of DNS, and what is on its way."""

from __future__ import annotations

import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass

from policyd.resolver import Answer, DnsTemporary

MAX_KEPT = 4096  # characters; whoever publishes more than a domain needs is not given our memory
CHANCES = 8  # how many that were used are passed over for one that makes room
STALE_TTL = 30.0  # seconds; RFC 8767 section 5: for how long a stale answer is given before the servers are asked again

Key = tuple[str, str]
"""The type, and an `ascii_name`."""
Outcome = Answer | DnsTemporary | None
"""What came of asking. None: whoever asked had less time than the question deserves; ask again."""


@dataclass(slots=True)
class Entry:
    """An answer that is good until *expiry*, and in need until *end*: ``time.monotonic()`` values.

    *unused*: it was asked for ahead, and nobody has wanted it yet. *recent*: it
    was found since room was last made.
    """

    answer: Answer
    expiry: float
    end: float
    unused: bool
    recent: bool = False

    @property
    def current(self) -> Answer:
        """The answer, with what remains of its TTL."""
        answer = self.answer
        return Answer(answer.records, answer.exists, self.expiry - time.monotonic(), answer.secure)


class Flight(Future[Outcome]):
    """A question on its way. *unused* as in `Entry`."""

    def __init__(self, unused: bool = False) -> None:
        super().__init__()
        self.unused = unused


class Cache:
    """The answers used last, *size* of them, each for its TTL. Any thread may look, but only one at a time change it.

    *stale*: seconds for which an answer outlives its TTL, to be used when there
    is no other. That there are no records is an answer like others.
    """

    def __init__(self, size: int = 20000, stale: float = 0.0) -> None:
        self._size = size
        self._stale = stale
        self._entries: OrderedDict[Key, Entry] = OrderedDict()

    def find(self, key: Key) -> Entry | None:
        """What is remembered, and still good."""
        entry = self._entries.get(key)
        if entry is None or entry.expiry <= time.monotonic():
            return None
        entry.recent = True
        return entry

    def known(self, key: Key) -> Answer | None:
        """The answer that `find` has, if it has been used before: one look for what is asked most."""
        entry = self._entries.get(key)
        if entry is None or entry.unused:
            return None
        left = entry.expiry - time.monotonic()
        if left <= 0:
            return None
        entry.recent = True
        answer = entry.answer
        return Answer(answer.records, answer.exists, left, answer.secure)

    def has(self, key: Key) -> bool:
        """Whether something is remembered, and still good."""
        entry = self._entries.get(key)
        return entry is not None and entry.expiry > time.monotonic()

    def keep(self, key: Key, answer: Answer, unused: bool = False) -> None:
        """Remember *answer*; one that was not used for long makes room."""
        if answer.ttl <= 0 or len(repr(answer.records)) > MAX_KEPT:
            return
        expiry = time.monotonic() + answer.ttl
        self._entries[key] = Entry(answer, expiry, expiry + self._stale, unused)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._make_room()

    def _make_room(self) -> None:
        """Forget the oldest that was not found lately. To note the order in which they were would slow finding down."""
        for _ in range(CHANCES):
            key, entry = self._entries.popitem(last=False)
            if not entry.recent:
                return
            entry.recent = False
            self._entries[key] = entry
        self._entries.popitem(last=False)

    def has_stale(self, key: Key) -> bool:
        """Whether there is an answer that will do when there is no other."""
        entry = self._entries.get(key)
        return entry is not None and entry.end > time.monotonic()

    def revive(self, key: Key) -> Answer | None:
        """The answer that is past its TTL: good for a little while again, since nobody has a better one (RFC 8767)."""
        if not self.has_stale(key):
            return None
        entry = self._entries[key]
        entry.expiry = max(entry.expiry, min(time.monotonic() + STALE_TTL, entry.end))
        return entry.current
