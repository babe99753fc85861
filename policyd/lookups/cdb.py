"""``cdb``: a constant database, as ``tinycdb`` and ``cdbmake`` write it (D. J. Bernstein's format)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from policyd.errors import Defer
from policyd.files import unopened
from policyd.language.registry import lookup
from policyd.transaction import Transaction

PAIR = struct.Struct("<LL")
TABLES = 256  # pointers to hash tables, before everything else
HEADER = TABLES * PAIR.size


@lookup("cdb", style="file")
def _cdb(_: Transaction, path: str, key: str, __: tuple[str, ...]) -> str | None:
    """The data of the first record with exactly this key, octet by octet.

    The file is made anew whenever its data change, and renamed into its place.
    """
    try:
        descriptor = os.open(path.encode("latin-1"), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise unopened(path, "for cdb lookup", error) from None
    try:
        if os.fstat(descriptor).st_size < HEADER:
            raise unopened(path, "for cdb lookup", "too short")
        found = _find(descriptor, key.encode("latin-1"))
        return None if found is None else found.decode("latin-1")
    except (OSError, EOFError) as error:
        raise Defer(f"cdb: corrupt cdb file {path} ({error})") from None
    finally:
        os.close(descriptor)


def _find(descriptor: int, key: bytes) -> bytes | None:
    digest = _hash(key)
    for place in _places(descriptor, digest):
        key_size, data_size = _pair(descriptor, place)
        if key_size == len(key) and _read(descriptor, key_size, place + PAIR.size) == key:
            return _read(descriptor, data_size, place + PAIR.size + key_size)
    return None


def _places(descriptor: int, digest: int) -> Iterator[int]:
    """Where the records with this hash are."""
    table, slots = _pair(descriptor, digest % TABLES * PAIR.size)
    for step in range(slots):
        slot = (digest // TABLES + step) % slots
        found, place = _pair(descriptor, table + slot * PAIR.size)
        if not place:
            return
        if found == digest:
            yield place


def _pair(descriptor: int, place: int) -> tuple[int, int]:
    first, second = PAIR.unpack(_read(descriptor, PAIR.size, place))
    return first, second


def _read(descriptor: int, size: int, place: int) -> bytes:
    octets = os.pread(descriptor, size, place)
    if len(octets) != size:
        raise EOFError("too short")
    return octets


def _hash(key: bytes) -> int:
    digest = 5381
    for octet in key:
        digest = (digest * 33 ^ octet) & 0xFFFFFFFF
    return digest
