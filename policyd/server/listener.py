"""The milter's listening socket: opened once by the supervisor, shared by all workers."""

from __future__ import annotations

import grp
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import milter

from policyd.server.descriptors import listening
from policyd.server.place import Place

NAME = "policyd"  # by which libmilter logs
BACKLOG = 1024  # connections that wait in the kernel while all workers are busy; it applies its own maximum
FAMILIES = {"unix": socket.AF_UNIX, "inet": socket.AF_INET, "inet6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Listener:
    """An open listening socket. libmilter, too, knows its *descriptor*."""

    descriptor: int
    bound: Any  # what getsockname() says, also of the connections that come in
    place: Place
    inode: int = 0  # of the path

    def __str__(self) -> str:
        if self.place.path:
            return f"unix:{self.place.path}"
        host, port = self.bound[:2]
        return f"{self.place.kind}:{port}@" + (f"[{host}]" if ":" in host else host)

    def reachable(self) -> bool:
        """Whether the path, if there is one, still leads here."""
        try:
            return not self.place.path or os.stat(self.place.path).st_ino == self.inode
        except FileNotFoundError:
            return False

    def withdraw(self) -> None:
        """Remove the path, unless it leads to somebody else by now, or only root may: the next start replaces it."""
        if self.place.path and self.reachable():
            with suppress(PermissionError):
                os.unlink(self.place.path)


def listen(socket_option: str, mode: int, group: str) -> Listener:
    """Open a milter_socket. *mode* and *group* (empty: the process's own) are for a path. Raises OSError: why not."""
    try:
        place = Place.parse(socket_option)
    except ValueError as error:
        raise OSError(str(error)) from None
    if not place.path:
        return _open(place)
    _refuse_occupied(place.path)
    private = Place("unix", path=os.path.join(os.path.dirname(place.path), f".{os.getpid()}"))
    mask = os.umask(0o177)
    try:
        opened = _open(private)
    finally:
        os.umask(mask)
    _publish(private.path, place.path, mode, group)
    return Listener(opened.descriptor, opened.bound, place, os.stat(place.path).st_ino)


def _refuse_occupied(path: str) -> None:
    """A dead socket may be replaced; a file that is something else, or a socket that is in use, may not."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise FileExistsError(f"{path} exists and is not a socket")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        return
    raise FileExistsError(f"{path} is in use: another process answers there")


def _publish(private: str, path: str, mode: int, group: str) -> None:
    """Give the socket its rights, then its name, in one step.

    When any worker stops, libmilter unlinks the name it bound; by then that
    name no longer exists. The rename also replaces a dead socket.
    """
    try:
        if group:
            _give(private, group)
        os.chmod(private, mode)
        os.rename(private, path)
    except BaseException:
        os.unlink(private)
        raise


def _give(path: str, group: str) -> None:
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except KeyError:
        raise OSError(f"milter_socket_group: there is no group {group!r}") from None
    except PermissionError:
        unit = f"SupplementaryGroups={group} in the unit"
        raise OSError(f"milter_socket_group: policyd is neither root nor in the group {group!r}: {unit}") from None


def _open(place: Place) -> Listener:
    """Let libmilter open *place*, and mend what it leaves undone."""
    milter.setconn(place.conn)
    milter.register(NAME)
    milter.setbacklog(BACKLOG)
    before = listening()
    try:
        milter.opensocket(False)
    except milter.error:
        raise OSError(f"milter_socket: {_reason(place)}") from None
    (descriptor,) = listening() - before
    # A worker that loses the race for a connection must not sleep in accept(), deaf to everything.
    os.set_blocking(descriptor, False)
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        if place.kind != "unix":
            # Accepted sockets inherit it. libmilter writes an edit and the answer apart; Nagle holds the second back.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Listener(descriptor, sock.getsockname(), place)


def _reason(place: Place) -> str:
    """Why *place* cannot be opened, which libmilter tells only to syslog: try again and see."""
    try:
        with socket.socket(FAMILIES[place.kind]) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place.address)
            sock.listen()
    except OSError as error:
        return f"{os.path.dirname(place.path) or place.conn}: {error.strerror or error}"
    return f"libmilter cannot open {place.conn}; syslog has the reason"
