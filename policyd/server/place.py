"""Where the milter listens, as the option milter_socket says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

PORT = re.compile(r"([0-9]{1,5})(?:@(.+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen: at a *path*, or at a *port* of *host* (empty: of every address)."""

    kind: str  # unix, inet or inet6
    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Place:
        """From ``unix:/path``, ``local:/path``, ``/path``, ``inet:port@host`` or ``inet6:port@[host]``.

        Raises ValueError.
        """
        kind, _, rest = (text if not text.startswith("/") else f"unix:{text}").partition(":")
        if kind in ("unix", "local") and rest.startswith("/"):
            return cls("unix", path=rest)
        address = PORT.fullmatch(rest)
        if kind in ("inet", "inet6") and address and int(address[1]) < 1 << 16:
            return cls(kind, host=(address[2] or "").strip("[]"), port=int(address[1]))
        raise ValueError(f"milter_socket: {text!r} is not unix:/path, inet:port@host or inet6:port@[host]")

    @property
    def address(self) -> Any:
        """What ``socket.bind`` takes."""
        return self.path or (self.host, self.port)

    @property
    def conn(self) -> str:
        """What ``smfi_setconn`` takes: it wants literal addresses in brackets."""
        if self.path:
            return f"unix:{self.path}"
        return f"{self.kind}:{self.port}" + (f"@{_bracketed(self.host)}" if self.host else "")


def _bracketed(host: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        return host
    return f"[{host}]"
