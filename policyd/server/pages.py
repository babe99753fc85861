"""As much HTTP as a few read-only pages need, and no patience with clients that waste time."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import BoundedSemaphore, Thread

PATIENCE = 5.0  # seconds for a whole request, and again for its answer
CLIENTS = 16  # served at once; more are turned away
LONGEST = 8192  # octets of a request
REQUEST = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.[01]\r?\n")
END = re.compile(rb"\r?\n\r?\n")
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"


def listen(address: str) -> socket.socket:
    """A listening socket at ``host:port`` or ``[host]:port``. Raises OSError with a reason."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=CLIENTS)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)  # the text of the library's own exception is longer than helpful
        raise OSError(f"metrics_address {address}: {os.strerror(number) if number else error}") from None


def serve(sock: socket.socket, page: Callable[[str], Page]) -> None:
    """Answer each GET with *page* of its path, for ever."""
    room = BoundedSemaphore(CLIENTS)
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:  # no descriptors left, or the client has gone again
            time.sleep(0.1)
            continue
        if room.acquire(blocking=False):
            Thread(target=_attend, args=(connection, page, room), daemon=True).start()
        else:
            connection.close()


def _attend(connection: socket.socket, page: Callable[[str], Page], room: BoundedSemaphore) -> None:
    """One client, one request, one answer."""
    try:
        with connection:
            _answer(connection, _request(connection), page)
    except OSError:
        return  # too slow, or gone: its loss
    finally:
        room.release()


def _request(connection: socket.socket) -> bytes:
    """What the client sent up to the empty line, or as much of it as is allowed. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    request = b""
    while not END.search(request) and len(request) <= LONGEST:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = connection.recv(LONGEST)
        if not chunk:
            break
        request += chunk
    return request


def _answer(connection: socket.socket, request: bytes, page: Callable[[str], Page]) -> None:
    """Answer *request*. Raises OSError."""
    found = REQUEST.match(request)
    if found is None or not END.search(request):
        answer = Page(400, b"this is not a request\n")
    elif found[1] not in (b"GET", b"HEAD"):
        answer = Page(405, b"these pages can only be read\n")
    else:
        answer = page(found[2].decode().partition("?")[0])
    head = (
        f"HTTP/1.1 {answer.status} {REASONS[answer.status]}\r\nContent-Type: {answer.kind}\r\n"
        f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
    )
    connection.settimeout(PATIENCE)
    connection.sendall(head.encode() + (b"" if found and found[1] == b"HEAD" else answer.body))
