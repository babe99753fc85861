"""Where the gateway listens, and where it connects to."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from policyd.gateway.registry import sources
from policyd.settings import Settings

BACKLOG = 1024  # connections that wait in the kernel; it applies its own maximum


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach the MTA: its address and port, the address to come from, and how it learns of the client."""

    mta: tuple[str, int]
    source: str
    tell: str = "none"

    @property
    def place(self) -> str:
        """Where the MTA is, in words."""
        return f"[{self.mta[0]}]:{self.mta[1]}"

    @classmethod
    def find(cls, place: str, sources: tuple[str, ...], tell: str) -> Way:
        """The way to ``host:port`` from one of *sources*. Raises OSError where there is none."""
        host, _, port = place.rpartition(":")
        for *_, (address, *_) in socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM):
            for source in sources:
                if (":" in source) == (":" in str(address)):
                    return cls((str(address), int(port)), source, tell)
        raise OSError(f"gateway_mta: {place}: gateway_source has no address to connect to it from")


def way(settings: Settings) -> Way:
    """The way that the settings describe. Raises OSError where there is none."""
    return Way.find(settings.gateway_mta, sources(settings), settings.gateway_tell)


def listen(place: str) -> socket.socket:
    """A listening socket at ``host:port``; ``[::]`` takes IPv4 as well. Raises OSError with a reason."""
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        opened = socket.create_server((host, int(port)), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")
    except (OSError, ValueError, OverflowError) as error:
        raise OSError(f"gateway_listen: {place}: {getattr(error, 'strerror', None) or error}") from None
    opened.setblocking(False)
    return opened
