"""Free ports, and waiting for whoever shall listen on them."""

from __future__ import annotations

import errno
import random
import socket
import time
from collections.abc import Callable

HERE = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)


def free_port() -> int:
    """A TCP and UDP port of 127.0.0.1 and ::1 that nobody listens on, and that no outgoing connection will be given."""
    while True:
        port = random.randrange(10_000, 32_768)  # below the kernel's own range
        if all(_is_free(port, family, kind) for family, _ in HERE for kind in KINDS):
            return port


def _is_free(port: int, family: int, kind: int) -> bool:
    address = dict(HERE)[family]
    try:
        with socket.socket(family, kind) as probe:
            probe.bind((address, port))
    except OSError as error:
        return error.errno != errno.EADDRINUSE  # where there is no IPv6, nobody has the port either
    return True


def is_listening(address: tuple[str, int] | str) -> bool:
    """Whether a TCP address or the path of a unix socket takes connections."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def wait_until(condition: Callable[[], object], what: str, patience: float = 30.0) -> None:
    """Until *condition* holds; TimeoutError names *what* was awaited. A machine may be busy: hence the patience."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:g} s for {what}")
        time.sleep(0.01)
