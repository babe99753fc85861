"""Sessions as they were: a line of JSON each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from typing import Any

from policyd.errors import Defer
from policyd.files import Files
from policyd.observers import BODY
from policyd.replies import Reply
from policyd.transaction import Client, Connection, Proxy

MAX_EVENTS = 10_000  # of one connection
MAX_CONTENT = 16 << 20  # octets of all its messages: they are kept in memory until it ends
CONTENT = ("header", "body")


@dataclass(slots=True)
class Recorded:
    """One connection. *events*: the name of a conversation's method, its arguments, and the verdict, if it gave one.

    Octets are characters, one each. *time*: when it began, in seconds since
    1970. *cut*: whether something was left out, because it was too large.
    """

    time: float
    client: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, list[Any], list[Any] | None]] = field(default_factory=list)
    cut: bool = False

    def line(self) -> str:
        """As it is written."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def read(cls, line: str) -> Recorded:
        """From a line. Raises ValueError where it is not what `line` writes."""
        try:
            values = json.loads(line)
            events = [(name, list(arguments), verdict) for name, arguments, verdict in values["events"]]
            found = cls(float(values["time"]), dict(values["client"]), events, bool(values["cut"]))
            if any(name == "connect" for name, *_ in events):
                found.peer()
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a recorded session: {error!r}") from None
        return found

    def peer(self) -> Client:
        """The client, as it was told."""
        values = dict(self.client)
        address, proxy = values.pop("address"), values.pop("proxy")
        return Client(**values, address=ip_address(address) if address else None, proxy=proxy and Proxy(**proxy))


class Recorder:
    """A companion that writes down what it hears, to the file at *path*.

    Of a message it keeps *largest* octets; the file does not grow beyond *full*.
    What cannot be written is lost, and *complain* is told once.
    """

    needs = BODY | {"data", "rcpt", "commands"}

    def __init__(self, path: str, largest: int, full: int, start: float, complain: Callable[[str], object]) -> None:
        self._path = path
        self._largest = largest
        self._full = full
        self._complain = complain
        self._recorded = Recorded(start)
        self._macros: dict[str, str] = {}
        self._left = 0  # octets that may still be kept of this message
        self._room = MAX_CONTENT  # and of all

    def told(self, event: str, arguments: tuple[Any, ...], reply: Reply | None, connection: Connection) -> None:
        """Write it down."""
        if event == "close":
            self._write()
            return
        if event == "connect":
            self._recorded.client = _client(arguments[0])
            arguments = ()
        elif event == "mail":
            self._left = self._largest
        if connection.macros != self._macros:
            self._macros = dict(connection.macros)
            self._add("macros", (self._macros,), None)
        if event not in CONTENT or self._fits(sum(map(len, arguments))):
            self._add(event, arguments, reply)
        else:
            self._recorded.cut = True

    def _fits(self, size: int) -> bool:
        """Whether *size* octets more of this message are kept. After a part that is not, nothing is."""
        if size > min(self._left, self._room):
            self._left = -1
            return False
        self._left -= size
        self._room -= size
        return True

    def _add(self, event: str, arguments: Iterable[Any], reply: Reply | None) -> None:
        if len(self._recorded.events) >= MAX_EVENTS:
            self._recorded.cut = True
            return
        plain = [argument.decode("latin-1") if isinstance(argument, bytes) else argument for argument in arguments]
        verdict = None if reply is None else [reply.outcome.value, reply.code, *reply.lines[:1]]
        self._recorded.events.append((event, plain, verdict))

    def _write(self) -> None:
        if not self._recorded.events:
            return
        try:
            if os.path.exists(self._path) and os.path.getsize(self._path) >= self._full:
                return
            Files().append(self._path, self._recorded.line(), mode=0o600)
        except (OSError, Defer) as error:
            self._complain(f"a session cannot be recorded: {error}")


def _client(client: Client) -> dict[str, Any]:
    values = asdict(client)
    return values | {"address": values.pop("text")}


def sessions(lines: Iterable[str]) -> Iterator[Recorded]:
    """All that was recorded. Raises ValueError."""
    for number, line in enumerate(lines, 1):
        try:
            yield Recorded.read(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
