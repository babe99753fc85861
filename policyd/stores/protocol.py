"""What a store is."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, Protocol, TypeVar

from policyd.errors import Defer

T = TypeVar("T")

Step = Callable[[bytes | None, float], tuple[bytes | None, T]]
"""From what is stored (None: nothing) and the store's time, in seconds since 1970, to what to store (None: leave it as
it is) and an answer.

A store may run it again when what it wanted could not be written.
"""

LONGEST_KEY = 511  # octets: LMDB's own limit


class Operation(ABC, Generic[T]):
    """A `Step` that can also be taken where the value is: in Redis, by one call, at Redis' time.

    *lua* is the step's twin, the body of a function of ``stored`` (nil:
    nothing), ``now`` (a number) and ``arguments`` (a table of strings) that
    returns what to store (nil: leave it) and the answer, a string.
    """

    lua: ClassVar[str]

    @abstractmethod
    def __call__(self, stored: bytes | None, now: float) -> tuple[bytes | None, T]:
        """The step."""

    @abstractmethod
    def arguments(self) -> tuple[bytes, ...]:
        """What the twin needs to know."""

    @abstractmethod
    def answer(self, reply: bytes) -> T:
        """What the twin's answer says. Raises ValueError for what it cannot say."""

    @abstractmethod
    def alone(self, hosts: int) -> Operation[T]:
        """The same step for one of so many *hosts* that cannot share for now."""

    @abstractmethod
    def lenient(self) -> T:
        """The answer that lets mail through when nobody can count."""


class Unavailable(Defer):
    """The store is not there, or not able to work: it would be no better with another key.

    *reason*: ``timeout``, ``connection``, or ``refused`` where it says so itself.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class Store(Protocol):
    """Every operation is atomic among all who share the store. Raises `policyd.errors.Defer` when it cannot work.

    Values are the same octets in every store. Keys over `LONGEST_KEY` octets
    are shortened as `fitting` does.
    """

    def open(self) -> None:
        """Open it now, in this process. Otherwise that happens at first use."""

    def close(self) -> None:
        """Leave everything in order: the last thing before an exit."""

    def get(self, key: bytes) -> bytes | None:
        """What is stored, unless it has expired."""

    def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Store *value* for *ttl* seconds, whatever was there."""

    def delete(self, key: bytes) -> None:
        """Forget what is stored, if anything is."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Everything whose key begins with *prefix*, in no order: what comes or goes meanwhile may be in it or not."""

    def read(self, key: bytes, step: Step[T]) -> T:
        """What *step* answers to what is stored now; nothing is written."""

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """Read, compute and write as one; the value lives for *ttl* seconds."""

    def until(self, deadline: float) -> Store:
        """The same store, giving up (with `Defer`) at *deadline*, a ``time.monotonic()`` value."""


def fitting(key: bytes) -> bytes:
    """*key*; of one that is too long its beginning and a digest, of an empty one a digest."""
    if 0 < len(key) <= LONGEST_KEY:
        return key
    digest = b"#sha256:" + hashlib.sha256(key).hexdigest().encode()
    return key[: LONGEST_KEY - len(digest)] + digest
