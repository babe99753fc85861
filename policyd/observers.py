"""Who watches a message pass: words that need its header or body, though they are only asked at its end.

A word says that it needs something (``needs="dkim"``); its topic says here what
has to happen for that. A conversation does it only for a policy that uses such a
word, and knows nothing of what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from policyd.policy import Phase
from policyd.transaction import Transaction

Rounds = Callable[[Transaction], Iterator[None]]


@dataclass(frozen=True, slots=True)
class Observer:
    """*headers* is called when the header is complete, *body* with each part of the body."""

    headers: Callable[[Transaction], None]
    body: Callable[[Transaction, bytes], None]


_OBSERVERS: dict[str, Observer] = {}
_ROUNDS: dict[Phase, Rounds] = {}


def observe(need: str, observer: Observer) -> None:
    """Have *observer* watch the messages of policies that need this."""
    _OBSERVERS[need] = observer


@dataclass(frozen=True, slots=True)
class Watch:
    """What one policy has to have called; what several needs share is called once."""

    headers: tuple[Callable[[Transaction], None], ...] = ()
    body: tuple[Callable[[Transaction, bytes], None], ...] = ()

    @classmethod
    def of(cls, needs: Collection[str]) -> Watch:
        """What these needs come to."""
        found = [observer for need, observer in _OBSERVERS.items() if need in needs]
        headers = dict.fromkeys(observer.headers for observer in found)
        return cls(tuple(headers), tuple(dict.fromkeys(observer.body for observer in found)))


def repeat(phase: Phase, rounds: Rounds) -> None:
    """The ACL of *phase* runs as often as *rounds* yields: each time it has set the scene for one run."""
    _ROUNDS[phase] = rounds


def rounds(phase: Phase, tx: Transaction) -> Iterator[None]:
    """The runs of the ACL of *phase*, each when it is asked for."""
    return _ROUNDS[phase](tx)
