"""``dsearch``: is there a file of this name in a directory?"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from policyd.errors import Defer
from policyd.files import unopened
from policyd.language.registry import lookup
from policyd.transaction import Transaction

KINDS: dict[str, Callable[[int], bool]] = {
    "filter=file": stat.S_ISREG,
    "filter=dir": stat.S_ISDIR,
    "filter=subdir": stat.S_ISDIR,
}
RETURN_FULL = "ret=full"
PATHS = "key=path"
NOT_ENTRIES = {".", ".."}


@lookup("dsearch", style="file", options=(RETURN_FULL, PATHS, *KINDS))
def _dsearch(_: Transaction, directory: str, key: str, options: tuple[str, ...]) -> str | None:
    """The key itself, if the directory has an entry of this name, whatever it is.

    ``ret=full``: its path. ``filter=file``: only if it is a regular file;
    ``filter=dir`` or ``filter=subdir``: only if it is a directory. A symbolic
    link is neither. ``.`` and ``..`` are never found. A key with a slash is a
    deferral, unless ``key=path`` says that keys lead below the directory.
    """
    _check_directory(directory)
    if "/" in key and PATHS not in options:
        raise Defer(f"key for dsearch lookup contains a slash: {key}")
    path = f"{directory}/{key}"
    mode = _mode(path)
    if mode is None or NOT_ENTRIES & set(key.split("/")):
        return None
    wanted = all(KINDS[option](mode) for option in options if option in KINDS)
    return (path if RETURN_FULL in options else key) if wanted else None


def _check_directory(path: str) -> None:
    try:
        status = os.stat(path.encode("latin-1"))
    except (OSError, ValueError) as error:
        raise unopened(path, "for directory search", error) from None
    if not stat.S_ISDIR(status.st_mode):
        raise unopened(path, "for directory search", "Not a directory")


def _mode(path: str) -> int | None:
    """The mode of what is at *path*; None where there is nothing. Raises `Defer`."""
    try:
        return os.lstat(path.encode("latin-1")).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Defer(f"{path}: lstat: {getattr(error, 'strerror', error)}") from None
