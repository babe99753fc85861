"""State of one host: an LMDB database that its processes share."""

from __future__ import annotations

import math
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Lock

import lmdb

from policyd.errors import Defer
from policyd.stores.protocol import Step, T, fitting
from policyd.stores.soundness import distrust, opened

EXPIRY = struct.Struct(">d")  # before each value in LMDB: when it expires, in seconds since 1970
HEAD = EXPIRY.size
SWEPT = 4  # records that whoever adds one looks at, so that expired ones cannot pile up
CROWD = 128  # and that it looks at when room gets short
MAKING_ROOM = 6  # times its size is made free for a new record: a page is not free before all of it is
ROUNDS = 32  # times that room is made for one record
TOLD_EVERY = 3600.0  # seconds: that the store is full is not news each time
BATCH = 256  # records that a scan reads at once: what a reader sees cannot be written over meanwhile


class LmdbStore:
    """The store of one host: an LMDB database that all its processes share.

    *directory* belongs to the database alone. It is made if need be, and the
    database opened, at first use, and again in a child after a fork: an LMDB
    environment must not cross one. *size* bounds the database, in octets: when it is
    nearly full, records that would expire first make room for new ones, before
    those that last.

    No commit waits for the disk: a killed process loses nothing, but a crash of
    the host may harm the file. So the first process to open it after a boot
    verifies it. A damaged file is kept as ``data.mdb.damaged``, *complain* is
    told, and counting starts anew.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        size: int = 256 << 20,
        clock: Callable[[], float] = time.time,
        complain: Callable[[str], object] = lambda text: sys.stderr.write(f"{text}\n"),
    ) -> None:
        self._directory = Path(directory)
        self._size = size
        self._clock = clock
        self._complain = complain
        self._failures = Failures(self._directory, size)
        self._opening = Lock()
        self._owner = 0  # the process that opened the environment
        self._environment: lmdb.Environment
        self._hand = b""  # where sweeping goes on
        self._longest = 0.0  # of the times to live so far, in seconds
        self._quiet_until = -math.inf  # when it may be told again that the store is full

    def open(self) -> None:
        """Open the database now, in this process. Raises `Defer`."""
        with self._failures, self._opening:
            if self._owner != os.getpid():
                self.__dict__.pop("_environment", None)  # a parent's: not ours to use, nor to close
                self._environment = opened(self._directory, self._size, self._complain)
                self._owner = os.getpid()

    def close(self) -> None:
        """Write everything to the disk: the last thing before an orderly exit. Raises `Defer`."""
        with self._failures, self._opening:
            if self._owner == os.getpid():
                self._owner = 0
                self._environment.sync(True)
                self._environment.close()

    def get(self, key: bytes) -> bytes | None:
        """What is stored, unless it has expired."""
        with self._failures, self._begin() as txn:
            return _live(txn.get(fitting(key)), self._clock())

    def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Store *value* for *ttl* seconds, whatever was there."""
        self.update(key, lambda stored, now: (value, None), ttl)

    def delete(self, key: bytes) -> None:
        """Forget what is stored, if anything is."""
        with self._failures, self._begin(write=True) as txn:
            txn.delete(fitting(key))

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Everything whose key begins with *prefix*, in the order of keys."""
        start = prefix
        while True:
            with self._failures, self._begin() as txn:
                batch, last = _batch(txn, prefix, start, self._clock())
            yield from batch
            if last is None:
                return
            start = last + b"\0"  # the next one there can be

    def read(self, key: bytes, step: Step[T]) -> T:
        """What *step* answers to what is stored now; nothing is written."""
        with self._failures, self._begin() as txn:
            now = self._clock()
            return step(_live(txn.get(fitting(key)), now), now)[1]

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """Read, compute and write as one; the value lives for *ttl* seconds. A new one also drops a few expired."""
        key = fitting(key)
        with self._failures:
            try:
                return self._updated(key, step, ttl)
            except lmdb.MapFullError:
                return self._made_to_fit(key, step, ttl)

    def until(self, deadline: float) -> LmdbStore:
        """The same store: it waits for other processes, and they for nobody."""
        return self

    def _made_to_fit(self, key: bytes, step: Step[T], ttl: float) -> T:
        """The same when there is no page left: others make room, little by little, as all wait for each transaction."""
        for _ in range(ROUNDS):
            with self._begin(write=True) as txn:
                self._sweep(txn, self._clock(), math.inf, self._size)
            with suppress(lmdb.MapFullError):
                return self._updated(key, step, ttl)
        raise lmdb.MapFullError("no room")

    def _updated(self, key: bytes, step: Step[T], ttl: float) -> T:
        with self._begin(write=True) as txn:
            now, record = self._clock(), txn.get(key)
            value, answer = step(_live(record, now), now)
            if value is not None:
                self._longest = max(self._longest, ttl)
                if record is None:
                    self._sweep(txn, now, self._pressure() * self._longest, MAKING_ROOM * len(value))
                txn.put(key, EXPIRY.pack(now + ttl) + value)
            return answer

    def _pressure(self) -> float:
        """How short of room it is: 0 while an eighth is free, 1 when nothing is."""
        pages = self._environment.stat()
        used = pages["branch_pages"] + pages["leaf_pages"] + pages["overflow_pages"]
        return min(max(8.0 * used * pages["psize"] / self._size - 7.0, 0.0), 1.0)

    def _sweep(self, txn: lmdb.Transaction[bytes], now: float, soon: float, room: int) -> None:
        """Look at a few records, going on where the last sweep ended, and drop those that have expired.

        With *soon*, at more of them, and those that expire within so many seconds make *room*, in octets.
        """
        cursor, number = txn.cursor(), CROWD if soon else SWEPT
        found = cursor.set_range(self._hand) if self._hand else cursor.first()
        crowd = [(key, value, _expiry(value)) for key, value in islice(cursor, number)] if found else []
        self._hand = crowd[-1][0] + b"\0" if len(crowd) == number else b""  # the next key there can be
        due = [(expires, key, len(value)) for key, value, expires in crowd if expires <= now + soon]
        valid = 0
        for expires, key, length in sorted(due):
            if expires <= now or room > 0:
                txn.delete(key)
                room -= length
                valid += expires > now
        if valid and now >= self._quiet_until:
            self._quiet_until = now + TOLD_EVERY
            self._complain(f"{self._directory}: full: {self._size >> 20} MiB; what would expire first makes room")

    def _begin(self, write: bool = False) -> lmdb.Transaction[bytes]:
        if self._owner != os.getpid():
            self.open()
        return self._environment.begin(write=write)


class Failures:
    """What LMDB and the file system complain about of a *directory*, as `Defer`. *size*: octets of its database."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self._size = size

    def __enter__(self) -> None:
        """Nothing has happened yet."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        if isinstance(error, lmdb.MapFullError):
            raise Defer(f"{self._directory}: full: a record does not fit into {self._size >> 20} MiB") from None
        if isinstance(error, (lmdb.CorruptedError, lmdb.PageNotFoundError)):
            distrust(self._directory)
            raise Defer(f"{self._directory}: damaged, will be verified at the next start: {error}") from error
        if isinstance(error, lmdb.Error):
            raise Defer(f"{self._directory}: {error}") from error
        if isinstance(error, OSError):
            raise Defer(f"{error.filename or self._directory}: {error.strerror}") from error


def _batch(
    txn: lmdb.Transaction[bytes], prefix: bytes, start: bytes, now: float
) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
    """Some of the live records from *start* on, and the last key looked at, or None when there are no more."""
    batch: list[tuple[bytes, bytes]] = []
    cursor = txn.cursor()
    found = cursor.set_range(start) if start else cursor.first()
    for _ in range(BATCH):
        if not found or not (key := cursor.key()).startswith(prefix):
            return batch, None
        if (value := _live(cursor.value(), now)) is not None:
            batch.append((key, value))
        found = cursor.next()
    return batch, key


def _live(record: bytes | None, now: float) -> bytes | None:
    """The value in *record*, unless it has expired."""
    return record[HEAD:] if record is not None and _expiry(record) > now else None


def _expiry(record: bytes) -> float:
    """When it expires; what is no record of ours has."""
    if len(record) < HEAD:
        return -math.inf
    expires: float = EXPIRY.unpack_from(record)[0]
    return expires
