"""Connecting to the servers of a Redis, and logging in."""

from __future__ import annotations

from collections.abc import Callable

from policyd.links.places import Node, Place
from policyd.links.redis import Connection, Refusal
from policyd.links.sockets import connected, reason

Dial = Callable[[Node, float], Connection]
"""Connect before a deadline (``time.monotonic()``). Raises OSError and `Denied`."""


class Unreachable(ConnectionError):  # noqa: N818 - a state of the world
    """There is no connection, so nothing can have been done."""


class Denied(Exception):  # noqa: N818 - another one
    """A server that does not want to know us: what it says."""


class Dialler:
    """Opens connections to the servers of *place*. The other arguments are those of `policyd.links.tls.context`."""

    def __init__(self, place: Place, authorities: str = "", certificate: str = "") -> None:
        self._place = place
        self._tls = (authorities, certificate)

    def server(self, node: Node, deadline: float) -> Connection:
        """A connection that is logged in. Raises `Unreachable` and `Denied`."""
        greeting = self._login()
        if self._place.database:
            greeting.append((b"SELECT", b"%d" % self._place.database))
        return self._begun(node, deadline, greeting)

    def sentinel(self, node: Node, deadline: float) -> Connection:
        """A connection to a Sentinel, which may want the same password, or none. Raises `Unreachable`."""
        return self._begun(node, deadline, self._login(), patient=True)

    def _login(self) -> list[tuple[bytes, ...]]:
        place = self._place
        words = [word.encode("latin-1") for word in (place.user, place.password) if word]
        return [(b"AUTH", *words)] if place.password else []

    def _begun(
        self, node: Node, deadline: float, greeting: list[tuple[bytes, ...]], patient: bool = False
    ) -> Connection:
        connection = None
        try:
            connection = self._connected(node, deadline)
            refusals = [reply for reply in connection.ask_all(deadline, greeting) if isinstance(reply, Refusal)]
            if refusals and not patient:
                raise Denied(str(refusals[0]))
        except (OSError, Denied) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, (Denied, TimeoutError)):
                raise
            place = f"{error.filename}: " if error.filename else ""
            raise Unreachable(f"{place}{reason(error)}") from None
        return connection

    def _connected(self, node: Node, deadline: float) -> Connection:
        host, port = node
        if not self._place.tls:
            return Connection(connected(host, port, "" if port else host, deadline))
        from policyd.links.tls import context, secured  # ssl takes a while to load

        using = context(*self._tls)
        return Connection(secured(connected(host, port, "", deadline), host, using))
