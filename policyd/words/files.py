"""Files: what they hold, and what is known about them."""

from __future__ import annotations

import os
import stat

from policyd.errors import ExpansionError, Unopened
from policyd.language.marks import FILE_NAME, keeps_out
from policyd.language.registry import item, operator, test
from policyd.transaction import Transaction


@keeps_out(FILE_NAME, 0)
@item("readfile", arguments=(1, 2))
def _readfile(tx: Transaction, path: str, line_end: str | None = None) -> str:
    """``${readfile{path}{line end}}``: the text of a file; every newline in it becomes *line end*, if that is given.

    The file is read again only when it has changed.
    """
    try:
        text = tx.read_file(path)
    except Unopened as error:
        raise ExpansionError(str(error)) from None
    return text if line_end is None else text.replace("\n", line_end)


@keeps_out(FILE_NAME, 0)
@test("exists", arguments=1)
def _exists(_: Transaction, path: str) -> bool:
    """Whether there is a file or a directory of this name."""
    try:
        os.stat(path.encode("latin-1"))
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False
    return True


@keeps_out(FILE_NAME, 0)
@operator("stat", context=True)
def _stat(_: Transaction, path: str) -> str:
    """What is known about a file: ``mode=0644 smode=-rw-r--r-- inode=… device=… links=… uid=… gid=… size=…`` and times.

    It fails when there is no such file.
    """
    try:
        found = os.stat(path.encode("latin-1"))
    except (OSError, ValueError) as error:
        raise ExpansionError(f"stat({path}) failed: {getattr(error, 'strerror', None) or error}") from None
    fields = {
        "mode": f"{found.st_mode & 0o77777:04o}",
        "smode": stat.filemode(found.st_mode),
        "inode": found.st_ino,
        "device": found.st_dev,
        "links": found.st_nlink,
        "uid": found.st_uid,
        "gid": found.st_gid,
        "size": found.st_size,
        "atime": int(found.st_atime),
        "mtime": int(found.st_mtime),
        "ctime": int(found.st_ctime),
    }
    return " ".join(f"{name}={value}" for name, value in fields.items())
