"""Opening an LMDB database that a crash of the host may have harmed.

No commit waits for the disk, so what a crash leaves may be a mixture of old and
new pages, and reading it can kill the process. A file beside the database says in
which boot it was last found sound. A process of another boot verifies it first:
about a second for 100 MiB, once.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import lmdb
from lmdb.verify import VerifyError, verify

RESERVE = 1 << 20  # octets for LMDB itself: it needs new pages even to delete something
READERS = 1024  # threads of all processes that may read at once
CACHE_LINE = 64  # octets in the lock file for each
DATA, LOCK, MARK = "data.mdb", "lock.mdb", "sound"
DAMAGED = "data.mdb.damaged"


def opened(directory: Path, size: int, complain: Callable[[str], object]) -> lmdb.Environment:
    """The database in *directory*, for *size* octets of records; both are made if need be.

    One process at a time looks, repairs and opens. *complain* is told of a
    damaged file; it is kept as ``data.mdb.damaged``, and an empty one takes its place.
    """
    _make(directory)
    with _locked(directory):
        damage = _damage(directory)
        if not damage:
            try:
                return _environment(directory, size)
            except (lmdb.InvalidError, lmdb.VersionMismatchError) as error:
                damage = str(error)
        (directory / DATA).replace(directory / DAMAGED)
        (directory / LOCK).unlink(missing_ok=True)
        complain(f"{directory}: damaged: {damage}; kept as {DAMAGED}, and begun anew")
        return _environment(directory, size)


def _environment(directory: Path, size: int) -> lmdb.Environment:
    _reserve(directory / LOCK)
    environment = lmdb.open(
        os.fspath(directory),
        map_size=size + size // 16 + RESERVE,
        max_readers=READERS,
        mode=0o700,  # of files: 0600
        sync=False,
        metasync=False,
    )
    environment.reader_check()  # forget readers that were killed
    with suppress(OSError):  # a full disk: then it will be verified once more
        (directory / MARK).write_text(f"{_boot()} {(directory / DATA).stat().st_size}")
    for path in filter(Path.exists, (directory / name for name in (DATA, LOCK, MARK))):
        _give(path, directory)
    return environment


def _reserve(lock: Path) -> None:
    """Have the disk keep room for the file through which processes agree: without it, writing there would kill us."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, (READERS + 8) * CACHE_LINE)
    finally:
        os.close(descriptor)


def distrust(directory: Path) -> None:
    """Have the database verified before it is opened again."""
    (directory / MARK).unlink(missing_ok=True)


def _damage(directory: Path) -> str:
    """What is wrong with the database; nothing when it is sound, or new."""
    data = directory / DATA
    length = data.stat().st_size if data.exists() else 0
    if length == 0 or _trusted(directory / MARK, length):
        return ""
    try:
        return next(iter(verify(data)), "")  # type: ignore[no-untyped-call]
    except VerifyError as error:
        return str(error)


def _trusted(mark: Path, length: int) -> bool:
    """Whether a process of this boot found the file sound, and nobody has cut it since: LMDB never does."""
    boot, _, least = (mark.read_text() if mark.exists() else "").partition(" ")
    return boot == _boot() and least.isdigit() and length >= int(least)


def _boot() -> str:
    """The kernel's name for this boot; nothing where it does not tell."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(directory: Path) -> None:
    if not directory.is_dir():
        directory.mkdir(0o700, parents=True, exist_ok=True)
        _give(directory, directory.parent)


def _give(path: Path, like: Path) -> None:
    """A command that root runs must not lock the daemon out: what it makes belongs to the owner of what is around."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
