"""What is evaluated for a connection, noted as cheaply as possible: most of it is never read."""

from __future__ import annotations

from typing import Any

from policyd.language.frame import Trace
from policyd.language.verdict import Step, shown
from policyd.policy import Phase
from policyd.resolver.noted import Answers

MAX_EVENTS = 1000

Event = tuple[Any, Any]  # (Phase, its argument), or what `policyd.language.frame.Trace` is told


class Story:
    """The last events of a connection, and what DNS said."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self.tell: Trace = self._events.append  # no more than that: it is told of every condition of every message
        self._phase = 0  # where the phase that runs now begins
        self._message: int | None = None  # where the message begins that is under way
        self._asked = 0  # how many answers there were before it
        self.answers: Answers = {}

    def begin(self, phase: Phase, argument: str) -> None:
        """An ACL is about to run."""
        if len(self._events) > MAX_EVENTS:
            self._shorten(len(self._events) - MAX_EVENTS // 2)
        self._phase = len(self._events)
        self._events.append((phase, argument))

    def begin_message(self) -> None:
        """What is told from now on is about a message."""
        self._message, self._asked = len(self._events), len(self.answers)

    def forget_message(self) -> None:
        """The message is over, if there was one."""
        if self._message is None:
            return
        del self._events[self._message :]
        self._message = None
        for question in [*self.answers][self._asked :]:
            del self.answers[question]

    def _shorten(self, surplus: int) -> None:
        """Forget the oldest."""
        del self._events[:surplus]
        if self._message is not None:
            self._message = max(self._message - surplus, 0)

    @property
    def steps(self) -> list[Step]:
        """The conditions and modifiers of the phase that ran last."""
        return [subject for subject, _ in self._events[self._phase :] if isinstance(subject, Step)]

    @property
    def lines(self) -> list[str]:
        """All of it, phase by phase."""
        return [_line(*event) for event in self._events]


def _line(subject: Any, outcome: Any) -> str:
    if isinstance(subject, Phase):
        return f"{str(subject.name).lower()} {outcome}".rstrip()
    return f"  {shown(subject, outcome)}"
