"""Which files make a configuration, and their text: one octet, one character."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from policyd.errors import PolicyError, Where
from policyd.policy import Snapshot

TREE = ("main", "acl", "router", "transport", "retry", "rewrite", "auth")
"""The directories of Debian's split configuration, in the order in which they make one file."""
TREE_FILE = re.compile(r"[A-Za-z0-9_-]+(\.conf)?")


def roots(path: str) -> tuple[tuple[str, ...], ...]:
    """The configurations that *path* stands for, each a sequence of files.

    A file is one. Each file of a directory is one, in lexical order. A tree
    with ``main/`` and ``acl/`` in it is one of many files. Raises `PolicyError`.
    """
    try:
        if stat.S_ISDIR(os.stat(_octets(path)).st_mode):
            names = _names(path)
            return (_tree(path, names),) if {"main", "acl"} <= set(names) else _directory(path, names)
    except OSError as error:
        raise _unreadable(path, error) from None
    return ((path,),)


def _directory(path: str, names: list[str]) -> tuple[tuple[str, ...], ...]:
    files = [posixpath.join(path, name) for name in names if name.endswith(".conf") and not name.startswith(".")]
    if not files:
        raise PolicyError.at(Where(path, 0), "no policy here", "a directory is read for files named *.conf")
    return tuple((file,) for file in files)


def _tree(path: str, names: list[str]) -> tuple[str, ...]:
    """Debian's rule: plain names only, and ``NAME.rul`` in the place of ``NAME``."""
    files: list[str] = []
    for part in (posixpath.join(path, part) for part in TREE if part in names):
        inside = _names(part)
        chosen = (f"{name}.rul" if f"{name}.rul" in inside else name for name in inside if TREE_FILE.fullmatch(name))
        files += [posixpath.join(part, name) for name in chosen]
    return tuple(files)


def _names(path: str) -> list[str]:
    return [name.decode("latin-1") for name in sorted(os.listdir(_octets(path)))]


def _octets(path: str) -> bytes:
    return path.encode("latin-1")


def _unreadable(path: str, error: OSError) -> PolicyError:
    return PolicyError.at(Where(path, 0), f"cannot be read: {error.strerror}")


@dataclass(slots=True)
class Disk:
    """Reads files, and remembers what they said."""

    texts: dict[str, str] = field(default_factory=dict)
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The text of file *name*, the same at every call. Raises `OSError`."""
        if name not in self.texts:
            try:
                self.texts[name] = _text(name)
            except OSError as error:
                self.faults[name] = (error.errno or 0, error.strerror or str(error))
                raise
        return self.texts[name]


def _text(name: str) -> str:
    # A pipe or a device would be waited for, or never end.
    if not stat.S_ISREG(os.stat(_octets(name)).st_mode):
        raise OSError(0, "not a regular file")
    with open(_octets(name), encoding="latin-1", newline="") as file:
        return file.read()


def texts_of(snapshot: Snapshot) -> Callable[[str], str]:
    """The files of *snapshot* as they were read: the same text, or the same `OSError`."""

    def text(name: str) -> str:
        if name in snapshot.texts:
            return snapshot.texts[name]
        raise OSError(*snapshot.faults.get(name, (0, "not a part of the configuration")))

    return text
