"""State of one host: an LMDB database that its processes share."""

from __future__ import annotations

import hashlib
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import lmdb

from policyd.errors import Defer
from policyd.stores.protocol import Step, T
from policyd.stores.soundness import distrust, opened

EXPIRY = struct.Struct(">d")  # before each value in LMDB: when it expires, in seconds since 1970
LONGEST_KEY = 511  # LMDB's own limit, in octets
SWEPT = 4  # records that an update looks at: it adds one at most, so that expired ones cannot pile up
PURGED = 1000  # and that it looks at when there is no room


class LmdbStore:
    """The store of one host: an LMDB database that all its processes share.

    *directory* belongs to the database alone. It is made if need be, and the
    database opened, at first use, and again in a child after a fork: an LMDB
    environment must not cross one. *size* bounds the database, in octets.

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
        self._opening = Lock()
        self._owner = 0  # the process that opened the environment
        self._environment: lmdb.Environment
        self._hand = b""  # where sweeping goes on

    def open(self) -> None:
        """Open the database now, in this process. Raises `Defer`."""
        with self._failures(), self._opening:
            if self._owner != os.getpid():
                self.__dict__.pop("_environment", None)  # a parent's: not ours to use, nor to close
                self._environment = opened(self._directory, self._size, self._complain)
                self._owner = os.getpid()

    def close(self) -> None:
        """Write everything to the disk: the last thing before an orderly exit. Raises `Defer`."""
        with self._failures(), self._opening:
            if self._owner == os.getpid():
                self._owner = 0
                self._environment.sync(True)
                self._environment.close()

    def get(self, key: bytes) -> bytes | None:
        """What is stored, unless it has expired."""
        with self._failures(), self._begin() as txn:
            return _live(txn.get(_fitting(key)), self._clock())

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """Read, compute and write as one; the value lives for *ttl* seconds. Also drops a few expired ones."""
        with self._failures():
            try:
                return self._updated(_fitting(key), step, ttl)
            except lmdb.MapFullError:
                self._purge()
                return self._updated(_fitting(key), step, ttl)

    def _updated(self, key: bytes, step: Step[T], ttl: float) -> T:
        with self._begin(write=True) as txn:
            now, record = self._clock(), txn.get(key)
            value, answer = step(_live(record, now))
            if value is not None:
                if record is None and self._is_full():
                    raise lmdb.MapFullError("no room for a new record")
                txn.put(key, EXPIRY.pack(now + ttl) + value)
                self._sweep(txn, now)
            return answer

    def _is_full(self) -> bool:
        pages = self._environment.stat()
        used = pages["branch_pages"] + pages["leaf_pages"] + pages["overflow_pages"]
        return used * pages["psize"] >= self._size

    def _purge(self) -> None:
        """Make room, little by little: others wait for the end of each transaction."""
        for _ in range(PURGED // SWEPT):
            with self._begin(write=True) as txn:
                self._sweep(txn, self._clock())

    def _sweep(self, txn: lmdb.Transaction[memoryview], now: float) -> None:
        """Look at a few records, going on where the last sweep ended, and drop those that have expired."""
        cursor = txn.cursor()
        found = cursor.set_range(self._hand) if self._hand else cursor.first()
        for _ in range(SWEPT):
            if not found:
                break
            if _expired(cursor.value(), now):
                cursor.delete()  # and moves on
                found = len(cursor.key()) > 0
            else:
                found = cursor.next()
        self._hand = bytes(cursor.key()) if found else b""

    def _begin(self, write: bool = False) -> lmdb.Transaction[memoryview]:
        if self._owner != os.getpid():
            self.open()
        return self._environment.begin(write=write, buffers=True)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """What LMDB and the file system complain about, as `Defer`."""
        try:
            yield
        except lmdb.MapFullError:
            raise Defer(f"{self._directory}: full: {self._size >> 20} MiB of records that are still valid") from None
        except (lmdb.CorruptedError, lmdb.PageNotFoundError) as error:
            distrust(self._directory)
            raise Defer(f"{self._directory}: damaged, will be verified at the next start: {error}") from error
        except lmdb.Error as error:
            raise Defer(f"{self._directory}: {error}") from error
        except OSError as error:
            raise Defer(f"{error.filename or self._directory}: {error.strerror}") from error


def _fitting(key: bytes) -> bytes:
    """*key*, or a digest of it where LMDB cannot take it."""
    return key if 0 < len(key) <= LONGEST_KEY else b"sha256:" + hashlib.sha256(key).digest()


def _live(record: memoryview | None, now: float) -> bytes | None:
    """The value in *record*, unless it has expired."""
    return None if record is None or _expired(record, now) else bytes(record[EXPIRY.size :])


def _expired(record: memoryview, now: float) -> bool:
    return len(record) < EXPIRY.size or EXPIRY.unpack_from(record)[0] <= now
