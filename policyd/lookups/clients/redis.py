"""Redis: commands as lookups write them, and replies as Exim gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from policyd.errors import Defer
from policyd.links.redis import PORT, Connection, Refusal
from policyd.links.sockets import connected, reason
from policyd.lookups.answers import Answer
from policyd.lookups.servers import Final, Server

COMMANDS = {
    "read": """
        dbsize echo exists get getrange hexists hget hgetall hkeys hlen hmget hvals keys lindex llen lrange mget ping
        pttl scard sdiff sinter sismember smembers smismember srandmember strlen sunion time ttl type zcard zcount
        zrange zrangebyscore zrank zrevrange zscore
    """,
    "leave": "auth client hello monitor multi psubscribe quit reset select ssubscribe subscribe watch",
}
READING = frozenset(COMMANDS["read"].split())  # they change nothing: their answers last as long as a message
LEAVING = frozenset(COMMANDS["leave"].split())  # they change what the connection means to whoever has it next


class Session:
    """A connection. Satisfies `policyd.pools.Link`."""

    def __init__(self, server: Server, deadline: float) -> None:
        """Log in, and select the database. Raises `Defer`."""
        number, password = server.fields
        self._changed = False
        try:
            self._connection = Connection(connected(server.host, server.port or PORT, server.socket, deadline))
        except OSError as error:
            raise Defer(f"REDIS connection failed: {reason(error)}") from None
        try:
            for command in [["AUTH", password]] * bool(password) + [["SELECT", number]] * bool(number):
                self._demand(command, deadline)
        except BaseException:
            self.close()
            raise

    def ask(self, command: Sequence[str], deadline: float) -> Answer:
        """Send a command. Raises `Defer`."""
        name = command[0].lower() if command else ""
        self._changed = self._changed or name in LEAVING
        reply = self._reply(command, deadline)
        if isinstance(reply, Refusal):
            raise _failure(str(reply))
        return Answer(_text(reply), lasting=name in READING and reply is not None)

    def is_fresh(self) -> bool:
        """Whether it is as it was after logging in, and the server has not ended it."""
        return not self._changed and self._connection.is_fresh()

    def close(self) -> None:
        """End it."""
        self._connection.close()

    def _demand(self, command: Sequence[str], deadline: float) -> None:
        reply = self._reply(command, deadline)
        if isinstance(reply, Refusal):
            raise Final(f"REDIS: {command[0]} failed: {reply}")

    def _reply(self, command: Sequence[str], deadline: float) -> Any:
        try:
            return self._connection.ask(deadline, *[word.encode("latin-1") for word in command])
        except OSError as error:
            raise Defer(f"REDIS: query failed: {reason(error)}") from None


def _failure(message: str) -> Defer:
    """An error is every server's, but for a key that has moved to another node of a cluster."""
    kind = Defer if message.startswith("MOVED") else Final
    return kind(f"REDIS: lookup result failed: {message}")


def _text(reply: Any) -> str | None:
    """A reply as Exim gives it; None: nothing was found. An array of arrays is one array; deeper ones are left out."""
    if reply is None:
        return ""
    if isinstance(reply, int):
        return "true" if reply else "false"
    if isinstance(reply, bytes):
        return reply.decode("latin-1")
    elements = [part for element in reply for part in (element if isinstance(element, list) else [element])]
    if all(element is None for element in elements):
        return None
    return "\n".join(_element(element) for element in elements if not isinstance(element, list))


def _element(element: int | bytes | None) -> str:
    if element is None:
        return ""
    return str(element) if isinstance(element, int) else element.decode("latin-1")
