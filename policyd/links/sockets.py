"""Sockets that know how long they have."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from select import POLLIN, POLLOUT, poll
from threading import Thread
from typing import Any


def connected(host: str, port: int, path: str, deadline: float) -> Bounded:
    """A socket that leads to a server: to *path* unless it is empty, else to a port of *host*. Raises OSError."""
    if path:
        return _to(socket.AF_UNIX, path.encode("latin-1"), deadline)
    failure: OSError = TimeoutError("no time left")
    for address in addresses(host, deadline):
        try:
            return _to(socket.AF_INET6 if ":" in address else socket.AF_INET, (address, port), deadline)
        except OSError as error:
            failure = error
    raise failure


def _to(family: socket.AddressFamily, address: bytes | tuple[str, int], deadline: float) -> Bounded:
    made = Bounded(family, socket.SOCK_STREAM)
    try:
        made.deadline = deadline
        made.hurry()
        made.connect(address)
        if family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        made.close()
        raise
    return made


class Bounded(socket.socket):
    """A socket whose every operation ends at *deadline*, a ``time.monotonic()`` value, with TimeoutError."""

    deadline = float("inf")

    def hurry(self) -> None:
        """Give the next operation the time that is left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        super().settimeout(min(left, 3600))

    def settimeout(self, value: float | None) -> None:
        """Nothing: whoever reads and writes has no say in it."""

    def recv(self, *arguments: int) -> bytes:
        self.hurry()
        return super().recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self.hurry()
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.hurry()
        super().sendall(*arguments)


def addresses(host: str, deadline: float) -> Iterator[str]:
    """The addresses of *host*, a name or one of them. Raises OSError.

    The system's resolver knows no deadline, so it is asked in a thread that is left behind when it is late.
    """
    try:
        yield str(ip_address(host))
        return
    except ValueError:
        pass
    found: list[str] = []
    failed: list[OSError] = []

    def ask() -> None:
        try:
            found.extend(str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        except OSError as error:
            failed.append(error)

    thread = Thread(target=ask, name=f"resolving {host}", daemon=True)
    thread.start()
    thread.join(max(deadline - time.monotonic(), 0))
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"the address of {host} is not known in time")
    yield from found


def reason(error: Exception) -> str:
    """What an error says, without the system's number for it."""
    return getattr(error, "strerror", None) or str(error.args[-1] if error.args else type(error).__name__)


def wait(descriptor: int, to_write: bool, deadline: float) -> None:
    """Until *descriptor* can be read, or written. Raises TimeoutError."""
    watch = poll()
    watch.register(descriptor, POLLOUT if to_write else POLLIN)
    left = deadline - time.monotonic()
    if left <= 0 or not watch.poll(left * 1000):
        raise TimeoutError("no answer in time")


def is_silent(descriptor: int) -> bool:
    """Whether nothing waits to be read: on an idle connection that would be its end."""
    watch = poll()
    watch.register(descriptor, POLLIN)
    return not watch.poll(0)
