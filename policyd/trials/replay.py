"""Recorded sessions, judged by another policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from policyd.conversation import Conversation
from policyd.policy import Policy
from policyd.transaction import Services
from policyd.trials.parting import Parting
from policyd.trials.recording import Recorded
from policyd.trials.shadow import PHASES, answer


@dataclass(frozen=True, slots=True)
class Difference:
    """What would be answered otherwise. *now* and *then* in few words; *where*: the statement that would decide."""

    client: str
    phase: str
    argument: str
    now: str
    then: str
    where: str

    def __str__(self) -> str:
        command = f"{self.phase} {self.argument}".rstrip()
        return f"{self.client} {command}: was {self.now}, would be {self.then} ({self.where})"


class Clock:
    """The time of the session that is replayed."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Replay:
    """Judges sessions in turn, by *policy*, at the time at which each of them was: *clock* is also the services'."""

    def __init__(self, policy: Policy, services: Services, clock: Clock) -> None:
        self._policy = policy
        self._services = replace(services, clock=clock)
        self._clock = clock
        self.commands = 0

    def differences(self, recorded: Recorded) -> Iterator[Difference]:
        """Up to the first in each message, recipients excepted; none after one at connect or HELO."""
        self._clock.now = recorded.time
        talk, parting = Conversation(self._policy, self._services), Parting()
        for event, arguments, was in recorded.events:
            if event == "macros":
                talk.macros.clear()
                talk.macros.update(arguments[0])
                continue
            if not parting.concerns(event):
                continue
            reply = _calls(talk, recorded)[event](*arguments)
            if was is None or (recorded.cut and event == "end_of_message"):
                continue
            self.commands += 1
            if [reply.outcome.value, reply.code] != was[:2]:
                parting.happened(event)
                now = " ".join(str(part) for part in was if part)
                argument = str(arguments[0]) if arguments else ""
                where = str(reply.where or "-")
                yield Difference(
                    talk.connection.client.text or "local", PHASES[event], argument, now, answer(reply), where
                )
        talk.close()


def _calls(talk: Conversation, recorded: Recorded) -> dict[str, Callable[..., Any]]:
    return {
        "connect": lambda: talk.connect(recorded.peer()),
        "helo": talk.helo,
        "mail": lambda path, parameters=(): talk.mail(path, tuple(parameters)),
        "rcpt": lambda path, parameters=(): talk.rcpt(path, tuple(parameters)),
        "predata": talk.predata,
        "header": lambda name, value: talk.header(name, value.encode("latin-1")),
        "end_of_headers": talk.end_of_headers,
        "body": lambda chunk: talk.body(chunk.encode("latin-1")),
        "end_of_message": talk.end_of_message,
        "abort": talk.abort,
    }
