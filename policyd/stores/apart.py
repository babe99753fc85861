"""A store within a store."""

from __future__ import annotations

from collections.abc import Iterator

from policyd.stores.protocol import Step, Store, T


class Apart:
    """Keeps in *store* what nobody else sees: every key begins with *prefix*."""

    def __init__(self, store: Store, prefix: bytes) -> None:
        self._store = store
        self._prefix = prefix

    def open(self) -> None:
        """Open it now."""
        self._store.open()

    def close(self) -> None:
        """Nothing: the store is somebody else's."""

    def get(self, key: bytes) -> bytes | None:
        """What is stored, unless it has expired."""
        return self._store.get(self._prefix + key)

    def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Store *value* for *ttl* seconds."""
        self._store.put(self._prefix + key, value, ttl)

    def delete(self, key: bytes) -> None:
        """Forget what is stored."""
        self._store.delete(self._prefix + key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Everything whose key begins with *prefix*."""
        for key, value in self._store.scan(self._prefix + prefix):
            yield key[len(self._prefix) :], value

    def read(self, key: bytes, step: Step[T]) -> T:
        """What *step* answers to what is stored now."""
        return self._store.read(self._prefix + key, step)

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """Read, compute and write as one."""
        return self._store.update(self._prefix + key, step, ttl)

    def until(self, deadline: float) -> Apart:
        """The same, giving up at *deadline*."""
        return Apart(self._store.until(deadline), self._prefix)
