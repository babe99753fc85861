"""Passwords in files that everybody can read."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from policyd.errors import Problem, Severity, Where
from policyd.policy import Snapshot

SECRET = re.compile(r"\s*(?:(hide)\s+\w+|(?:mysql|pgsql)_servers|redis_servers|store)\s*=\s*(\S.*)", re.ASCII)
PASSWORD = re.compile(r"//[^/@]*:[^/@]+@|/[^/:]+/[^/:]*/[^/:\s]+|/[0-9]+/[^/:\s]+")
"""``redis://user:password@``, ``host/database/user/password``, ``host/number/password``."""


def exposed(snapshot: Snapshot) -> Iterator[Problem]:
    """A warning for each line with a password, or with ``hide``, in a file that others may read."""
    for name, text in snapshot.texts.items():
        if not _for_everybody(name):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            found = SECRET.match(line)
            if found and (found[1] or PASSWORD.search(found[2])):
                message = "everybody on this host can read the secret in this file"
                hint = "chown root:policyd, and chmod 0640"
                yield Problem(Where(name, number, 0, line.strip()), message, hint, Severity.WARNING)


def _for_everybody(name: str) -> bool:
    try:
        return bool(os.stat(name.encode("latin-1")).st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False
