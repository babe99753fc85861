"""``passwd``: the accounts of this host."""

from __future__ import annotations

import pwd

from policyd.language.registry import lookup
from policyd.language.source import BLANKS
from policyd.transaction import Transaction


@lookup("passwd", style="query")
def _passwd(_: Transaction, query: str, __: tuple[str, ...]) -> str | None:
    """The account of this name: ``*:UID:GID:full name:home:shell``."""
    try:
        account = pwd.getpwnam(query.lstrip(BLANKS))
    except (KeyError, ValueError):  # ValueError: a NUL in the name
        return None
    return f"*:{account.pw_uid}:{account.pw_gid}:{account.pw_gecos}:{account.pw_dir}:{account.pw_shell}"
