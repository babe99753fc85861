"""Redis: RESP over a socket that knows how long it has.

Redis' own Python client rewrites replies by command, and has one timeout for
all commands of a connection; its parser, hiredis, does neither.
"""

from __future__ import annotations

from typing import Any

import hiredis

from policyd.links.sockets import Bounded, is_silent

PORT = 6379
CHUNK = 65536  # octets
MAX_REPLY = 16 * 1024 * 1024  # octets: more is a mistake, and would fill the memory


class Refusal(Exception):  # noqa: N818 - a reply like others
    """What a server says instead of an answer; its text begins with a word in capitals."""

    def __init__(self, text: str) -> None:
        super().__init__(text.encode().decode("latin-1"))


class Connection:
    """A connection to a server. Satisfies `policyd.pools.Link`."""

    def __init__(self, socket: Bounded) -> None:
        self._socket = socket
        self._reader = hiredis.Reader(replyError=Refusal)

    def ask(self, deadline: float, *command: bytes) -> Any:
        """The reply: None, int, bytes, a list of them, or a `Refusal`. Raises OSError; then this is of no more use."""
        self._socket.deadline = deadline
        self._socket.sendall(_packed(command))
        return self._reply()

    def ask_all(self, deadline: float, commands: list[tuple[bytes, ...]]) -> list[Any]:
        """The replies to several commands, sent as one."""
        self._socket.deadline = deadline
        self._socket.sendall(b"".join(map(_packed, commands)))
        return [self._reply() for _ in commands]

    def is_fresh(self) -> bool:
        """Whether nothing is left unread, and the server has not ended it."""
        return not self._reader.has_data() and is_silent(self._socket.fileno())

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def _reply(self) -> Any:
        size = 0
        try:
            while (reply := self._reader.gets()) is False:
                chunk = self._socket.recv(CHUNK)
                if not chunk:
                    raise ConnectionError("the server has closed the connection")
                size += len(chunk)
                if size > MAX_REPLY:
                    raise ConnectionError(f"a reply of more than {MAX_REPLY} octets")
                self._reader.feed(chunk)
        except hiredis.ProtocolError as error:
            raise ConnectionError(str(error)) from None
        return reply


def _packed(command: Any) -> bytes:
    octets: bytes = hiredis.pack_command(command)
    return octets
