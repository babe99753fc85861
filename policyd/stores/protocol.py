"""What a store is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

Step = Callable[[bytes | None], tuple[bytes | None, T]]
"""From what is stored (None: nothing) to what to store (None: leave it as it is) and an answer.

A store may run it again when what it wanted could not be written.
"""


class Store(Protocol):
    """Every operation is atomic among all workers. Raises `policyd.errors.Defer` when it cannot work."""

    def get(self, key: bytes) -> bytes | None:
        """What is stored, unless it has expired."""

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """Read, compute and write as one; the value lives for *ttl* seconds."""
