"""What takes the place of a store that does not work."""

from __future__ import annotations

from collections.abc import Iterator

from policyd.errors import Defer
from policyd.stores.protocol import Operation, Step, Store, T


class AloneStore:
    """The store of this host for as long as hosts cannot share: operations know that they are one of *hosts*."""

    def __init__(self, store: Store, hosts: int) -> None:
        self._store = store
        self._hosts = hosts
        self.open = store.open
        self.close = store.close
        self.get = store.get
        self.put = store.put
        self.delete = store.delete
        self.scan = store.scan

    def read(self, key: bytes, step: Step[T]) -> T:
        """What *step* answers, for one of the hosts."""
        return self._store.read(key, self._alone(step))

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """The *step* for one of the hosts."""
        return self._store.update(key, self._alone(step), ttl)

    def until(self, deadline: float) -> AloneStore:
        """The same store."""
        return self

    def _alone(self, step: Step[T]) -> Step[T]:
        return step.alone(self._hosts) if isinstance(step, Operation) else step


class LenientStore:
    """No store: operations let mail through, and everything else raises `Defer`."""

    def open(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def get(self, key: bytes) -> bytes | None:
        """Nobody knows."""
        raise _nobody()

    def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """It cannot be kept."""
        raise _nobody()

    def delete(self, key: bytes) -> None:
        """It may be there."""
        raise _nobody()

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Nobody knows."""
        raise _nobody()

    def read(self, key: bytes, step: Step[T]) -> T:
        """The answer that lets mail through."""
        if isinstance(step, Operation):
            answer: T = step.lenient()
            return answer
        raise _nobody()

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """The answer that lets mail through; nothing is kept."""
        return self.read(key, step)

    def until(self, deadline: float) -> LenientStore:
        """The same store."""
        return self


def _nobody() -> Defer:
    return Defer("nothing else keeps it")
