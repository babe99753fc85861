"""Free ports, and waiting for whoever shall listen on them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable


def free_port() -> int:
    """A TCP and UDP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind(("127.0.0.1", 0))
        port: int = stream.getsockname()[1]
        datagram.bind(("127.0.0.1", port))
        return port


def is_listening(address: tuple[str, int] | str) -> bool:
    """Whether a TCP address or the path of a unix socket takes connections."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def wait_until(condition: Callable[[], object], what: str, patience: float = 10.0) -> None:
    """Until *condition* holds; TimeoutError names *what* was awaited."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:g} s for {what}")
        time.sleep(0.01)
