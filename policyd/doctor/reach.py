"""What runs already: whether somebody else can open policyd's socket, as that user in that root; what it counts."""

from __future__ import annotations

import os
import pwd
import socket

from policyd.server.place import Place

PATIENCE = 3.0  # seconds
REASONS = {
    "FileNotFoundError": "there is no such socket: is policyd running?",
    "ConnectionRefusedError": "nobody listens there: is policyd running?",
    "PermissionError": "permission denied",
    "TimeoutError": "no answer",
}


def refusal(place: Place, user: str, root: str = "/") -> str:
    """Why *user*, confined to *root*, cannot connect; nothing when it can.

    Raises PermissionError for who may not become that user, and KeyError where there is no such user.
    """
    account = pwd.getpwnam(user)
    if os.geteuid() and (root != "/" or os.geteuid() != account.pw_uid):
        raise PermissionError(f"only root can try it as {user}")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, _tried(place, account, root).encode())
        finally:
            os._exit(0)  # whatever happens, nothing else of this program runs twice
    os.close(writer)
    with os.fdopen(reader) as answer:
        reason = answer.read()
    os.waitpid(child, 0)
    return reason


def _tried(place: Place, account: pwd.struct_passwd, root: str) -> str:
    try:
        if not os.geteuid():
            _become(account, root)
        _connect(place)
    except Exception as error:  # a port or a host name that there cannot be is no OSError
        return REASONS.get(type(error).__name__) or str(error) or type(error).__name__
    return ""


def _become(account: pwd.struct_passwd, root: str) -> None:
    os.initgroups(account.pw_name, account.pw_gid)
    os.chroot(root)
    os.chdir("/")
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def _connect(place: Place) -> None:
    if not place.path:
        socket.create_connection((place.host or "localhost", place.port), PATIENCE).close()
        return
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(PATIENCE)
        link.connect(place.path)


def counted(address: str, name: str) -> float:
    """What a daemon with metrics at *address* has counted as *name*, which has no labels; 0 where none answers."""
    from http.client import HTTPConnection, HTTPException

    if not address:
        return 0.0
    host, _, port = address.rpartition(":")
    link = HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE)
    try:
        link.request("GET", "/metrics")
        page = link.getresponse().read().decode("utf-8", "replace")
    except (OSError, HTTPException):
        return 0.0
    finally:
        link.close()
    return sum(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))
