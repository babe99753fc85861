"""root opens sockets; nobody else's octets are read as root."""

from __future__ import annotations

import os
import pwd

ROOT = 0


def become(user: str, *directories: str) -> str:
    """Have this process, and all that it will start, be *user*'s, who gets *directories*. What there is to say of it.

    Raises OSError where it cannot be done.
    """
    if os.geteuid() != ROOT:
        return f"user = {user} takes effect only when policyd is started by root" if user and not _is(user) else ""
    if not user:
        return "policyd runs as root: have systemd start it as a user of its own, or set user"
    account = _account(user)
    for directory in filter(None, directories):
        os.chown(directory, account.pw_uid, account.pw_gid)
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    return ""


def _is(user: str) -> bool:
    return _account(user).pw_uid == os.geteuid()


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise OSError(f"user: there is no user {user}") from None
