"""What the file descriptors of this process are: libmilter does not tell which are its own."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Any


def listening() -> set[int]:
    """The descriptors of all listening sockets."""
    return {descriptor for descriptor, sock in _sockets() if _listens(sock)}


def accepted(bound: Any) -> int:
    """How many connections this process has open that came in at *bound*, whether they have spoken yet or not."""
    return sum(1 for _, sock in _sockets() if not _listens(sock) and _same_place(sock.getsockname(), bound))


def retire(descriptor: int) -> None:
    """Put a listening socket that nobody knows in the place of *descriptor*'s.

    libmilter goes on polling it, so that open connections are served to their
    end; new ones go to the processes that share the old socket.
    """
    with socket.socket(socket.AF_UNIX) as idle:
        idle.bind("")  # a name of the kernel's choice, in no directory
        idle.listen(1)
        idle.setblocking(False)
        os.dup2(idle.fileno(), descriptor, inheritable=False)


def _sockets() -> Iterator[tuple[int, socket.socket]]:
    """Every stream socket, as a copy that lives until the next one is asked for."""
    for descriptor in sorted(map(int, os.listdir("/proc/self/fd"))):
        with suppress(OSError):  # closed meanwhile
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                with socket.socket(fileno=os.dup(descriptor)) as sock:
                    if sock.type == socket.SOCK_STREAM:
                        yield descriptor, sock


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _same_place(name: Any, bound: Any) -> bool:
    """Paths are equal; of internet addresses the port counts, for *bound* may stand for every address."""
    if isinstance(name, tuple) and isinstance(bound, tuple):
        return bool(name[1] == bound[1] and len(name) == len(bound))
    return bool(name == bound)
