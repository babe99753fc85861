"""Telling systemd how the service is: sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket


def notify(*assignments: str) -> None:
    """Send ``NAME=value`` lines; nothing outside systemd. Raises OSError when systemd does not listen."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall("\n".join(assignments).encode())


def watchdog_interval() -> float | None:
    """Half of the time within which systemd wants a WATCHDOG=1, in seconds; None when it does not watch."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2_000_000 if microseconds else None
