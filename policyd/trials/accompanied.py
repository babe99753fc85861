"""A conversation in company: others hear all that is said in it, and change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from policyd.conversation import Conversation
from policyd.replies import Reply
from policyd.transaction import Client, Connection


class Companion(Protocol):
    """Who comes along. It raises nothing: what goes wrong with it is its own affair."""

    @property
    def needs(self) -> frozenset[str]:
        """What it has to be told: see `policyd.policy.Policy`."""

    def told(self, event: str, arguments: tuple[Any, ...], reply: Reply | None, connection: Connection) -> None:
        """A method of the conversation was called: its name, its *arguments*, and the *reply*, where it gives one."""


class Accompanied(Conversation):
    """A `Conversation` with *companions*; other arguments are those of its base."""

    def __init__(self, companions: Sequence[Companion], *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._companions = companions

    @property
    def needs(self) -> frozenset[str]:
        """What the policy has to be told, and what the companions have."""
        return super().needs.union(*(companion.needs for companion in self._companions))

    def connect(self, client: Client) -> Reply:
        """As in the base; so are all of these."""
        return self._heard("connect", super().connect(client), client)

    def helo(self, name: str) -> Reply:
        return self._heard("helo", super().helo(name), name)

    def mail(self, path: str, parameters: tuple[str, ...] = ()) -> Reply:
        return self._heard("mail", super().mail(path, parameters), path, parameters)

    def rcpt(self, path: str, parameters: tuple[str, ...] = ()) -> Reply:
        return self._heard("rcpt", super().rcpt(path, parameters), path, parameters)

    def predata(self) -> Reply:
        return self._heard("predata", super().predata())

    def headers(self, fields: Sequence[tuple[str, str]]) -> None:
        super().headers(fields)
        for name, value in fields:
            self._share("header", (name, value.encode("latin-1")))

    def end_of_headers(self) -> None:
        super().end_of_headers()
        self._share("end_of_headers", ())

    def body(self, chunk: bytes) -> None:
        super().body(chunk)
        self._share("body", (chunk,))

    def end_of_message(self) -> Reply:
        return self._heard("end_of_message", super().end_of_message())

    def abort(self) -> None:
        super().abort()
        self._share("abort", ())

    def close(self, reason: str = "") -> None:
        super().close(reason)
        self._share("close", (reason,))

    def _heard(self, event: str, reply: Reply, *arguments: Any) -> Reply:
        self._share(event, arguments, reply)
        return reply

    def _share(self, event: str, arguments: tuple[Any, ...], reply: Reply | None = None) -> None:
        for companion in self._companions:
            companion.told(event, arguments, reply, self.connection)
