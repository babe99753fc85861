"""Files that a policy names: read once, and again when they change."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

from policyd.errors import Unopened
from policyd.metrics import Metrics, NoMetrics

T = TypeVar("T")

MAX_SIZE = 64 * 1024 * 1024  # octets; larger ones belong into a database
MAX_KEPT = 256  # files; the one that was not used for longest makes room
PATIENCE = 1.0  # seconds to wait for somebody else's lock
SETTLED = 0.1  # seconds: two changes may come within one tick of a file system's clock, and look like one

UNCOUNTED = NoMetrics()

Identity = tuple[int, ...]
Parser = Callable[[str], Any]


@dataclass(slots=True)
class Entry:
    """What a file was read as. *identity*: which state of it; None: it has to be read again."""

    lock: Lock = field(default_factory=Lock)  # held while it is read: whoever else wants it waits for that
    identity: Identity | None = None
    value: Any = None


class Files:
    """What files say, by path: the same object as long as the file on disk is the same. Thread-safe."""

    def __init__(self, metrics: Metrics = UNCOUNTED) -> None:
        self._metrics = metrics
        self._entries: OrderedDict[tuple[str, Parser], Entry] = OrderedDict()
        self._lock = Lock()  # of the entries

    def read(self, path: str) -> str:
        """The file's octets as text. Raises `Unopened`."""
        return self.parsed(path, str)

    def parsed(self, path: str, parser: Callable[[str], T], purpose: str = "") -> T:
        """What *parser*, a function of a module, makes of the file's text. Raises `Unopened`, and what *parser* raises.

        *purpose* is for the message: ``for linear search``.
        """
        entry = self._entry(path, parser)
        try:
            if entry.identity != _state(path, purpose):
                self._renew(entry, path, parser, purpose)
        except Exception:
            self._metrics.count("lookup_reloads_total", "failure")
            raise
        value: T = entry.value
        return value

    def _renew(self, entry: Entry, path: str, parser: Parser, purpose: str) -> None:
        """Read a file that is new, or has changed; but once, however many want it."""
        with entry.lock:
            if entry.identity != _state(path, purpose):
                entry.identity = None
                identity, text = _load(path, purpose)
                entry.value = parser(text)
                entry.identity = identity
                self._metrics.count("lookup_reloads_total", "success")

    def append(self, path: str, text: str, mode: int = 0o640) -> None:
        """Add *text* to a file, all of it or nothing, while nobody else holds a lock on it (flock(2)).

        *mode*: of a file that there was not. Whoever reads the file under a
        lock makes others wait, but not for long. Raises `Unopened`.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(path.encode("latin-1"), flags, mode)
            try:
                _lock(descriptor)
                _add(descriptor, text.encode("latin-1"))
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            raise unopened(path, "to append", error) from None

    def _entry(self, path: str, parser: Parser) -> Entry:
        with self._lock:
            entry = self._entries.setdefault((path, parser), Entry())
            self._entries.move_to_end((path, parser))
            if len(self._entries) > MAX_KEPT:
                self._entries.popitem(last=False)
            return entry


def unopened(path: str, purpose: str, reason: object) -> Unopened:
    """What Exim says when *path* cannot be opened; *reason* is text or an exception."""
    return Unopened(" ".join(filter(None, ["failed to open", path, purpose])) + f": {_text(reason)}")


def _text(reason: object) -> str:
    return getattr(reason, "strerror", None) or str(reason)


def _state(path: str, purpose: str) -> Identity:
    """What changes whenever the file does. Raises `Unopened` for what cannot be read as one."""
    try:
        status = os.stat(path.encode("latin-1"))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise unopened(path, purpose, error) from None
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for somebody to write
        raise unopened(path, purpose, "not a regular file")
    return _identity(status)


def _identity(status: os.stat_result) -> Identity:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _load(path: str, purpose: str) -> tuple[Identity | None, str]:
    """A file's state and text. One that has just changed may do so once more, and not show it: it has no state."""
    try:
        with open(path.encode("latin-1"), encoding="latin-1", newline="") as file:
            status = os.fstat(file.fileno())
            if status.st_size > MAX_SIZE:
                raise unopened(path, purpose, f"larger than {MAX_SIZE} octets")
            settled = time.time() - status.st_ctime > SETTLED
            text = file.read()
    except OSError as error:
        raise unopened(path, purpose, error) from None
    return _identity(status) if settled else None, text


def _add(descriptor: int, octets: bytes) -> None:
    """Write at the end. Where there is no room for all of it, nothing stays. Raises OSError."""
    size = os.fstat(descriptor).st_size
    if os.write(descriptor, octets) < len(octets):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _lock(descriptor: int) -> None:
    """Raises BlockingIOError when somebody else keeps the lock."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
