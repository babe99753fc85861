"""A real libmilter worker whose conversations say what the test wants: ``python scripted.py SOCKET NEED …``.

Without needs, it is told everything.

The script of a connection is its client's host name: JSON, from a method of
`Conversation` to what it does. A list is a `Reply`; ``"raise"`` raises;
``"echo"`` rejects with everything the conversation heard. ``"edits"`` are lists
too: the name of an edit, and its fields. Counts and log lines go to standard output.
"""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace
from typing import Any

import milter

from policyd import edits
from policyd.language.registry import COMPUTED
from policyd.language.verdict import Outcome
from policyd.replies import Reply
from policyd.server.callbacks import install
from policyd.server.listener import listen
from policyd.transaction import Client


class Conversation:
    """Does as its script says, and remembers what it was told."""

    def __init__(self, needs: frozenset[str]) -> None:
        self.needs = needs
        self.macros: dict[str, str] = {}
        self.connection = SimpleNamespace(client=Client())
        self.tx = SimpleNamespace(connection=self.connection)
        self.tx = None
        self._script: dict[str, Any] = {}
        self._heard: list[Any] = []

    def connect(self, client: Any) -> Reply:
        self.connection.client = client
        self._script = json.loads(client.name or "{}")
        return self._play("connect", str(client.address), client.port, client.local_address, client.local_port)

    def _play(self, method: str, *heard: Any) -> Any:
        self._heard.append([method, *heard])
        action = self._script.get(method, ["OK"])
        if action == "raise":
            raise RuntimeError(f"scripted failure in {method}")
        if action == "once":
            self._script[method] = ["OK"]
            raise RuntimeError(f"scripted failure in {method}")
        if action == "echo":
            return Reply(Outcome.FAIL, 550, "", tuple(ascii(event) for event in [*self._heard, self.macros]))
        outcome, code, enhanced, *lines = (*action, 0, "") if len(action) == 1 else action
        return Reply(Outcome[outcome], code, enhanced, tuple(lines))

    def helo(self, name: str) -> Any:
        return self._play("helo", name)

    def mail(self, path: str, parameters: tuple[str, ...]) -> Any:
        return self._play("mail", path, *parameters)

    def rcpt(self, path: str, parameters: tuple[str, ...]) -> Any:
        return self._play("rcpt", path, *parameters)

    def predata(self) -> Any:
        return self._play("predata")

    def headers(self, fields: list[tuple[str, str]]) -> None:
        for name, value in fields:
            self._play("header", name, value)

    def end_of_headers(self) -> None:
        self._play("end_of_headers")

    def body(self, chunk: bytes) -> None:
        self._play("body", chunk.decode("latin-1"))

    def end_of_message(self) -> Any:
        return self._play("end_of_message")

    @property
    def edits(self) -> tuple[Any, ...]:
        return tuple(getattr(edits, name)(*values) for name, *values in self._script.get("edits", []))

    def abort(self) -> None:
        self._play("abort")

    def close(self) -> None:
        self._play("close")


class Host:
    """Says aloud what is counted and logged. *needs*: of every conversation."""

    def __init__(self, needs: frozenset[str]) -> None:
        self.metrics = self.log = self
        self._needs = needs

    def conversation(self) -> Conversation:
        return Conversation(self._needs)

    def identify(self, client: Any) -> Any:
        return client

    def count(self, name: str, *labels: str, amount: float = 1) -> None:
        say("count", name, amount, *labels)

    def observe(self, name: str, value: float, *labels: str) -> None:
        say("observe", name, *labels)

    def decided(self, decision: Any) -> None:
        say("decided", decision.phase, decision.reply.outcome.value)

    def write(self, target: str, text: str) -> None:
        say(target, ascii(text))


def say(*words: object) -> None:
    """A line, in one piece: libmilter has a thread for each connection."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


if __name__ == "__main__":
    say(listen(sys.argv[1], 0o600, ""))
    install(Host(frozenset(sys.argv[2:]) or frozenset({COMPUTED})))
    milter.main()
