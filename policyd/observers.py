"""Who watches a message pass: words that need its header or body, though they are only asked at its end.

A word says that it needs something (``needs="dkim"``); its topic says here what
has to happen for that. A conversation does it only for a policy that uses such a
word, and knows nothing of what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from policyd.language.registry import COMPUTED
from policyd.policy import Phase
from policyd.resolver import Question
from policyd.transaction import Transaction

Rounds = Callable[[Transaction], Iterator[None]]

BODY = frozenset({"body", "dkim", "arc", "size", COMPUTED})
"""The needs of policies that have to be told the body."""
LINES = frozenset({"lines", COMPUTED})
"""Of those for which its lines are counted."""


def _none(_: Transaction) -> tuple[Question, ...]:
    """No questions."""
    return ()


@dataclass(frozen=True, slots=True)
class Observer:
    """*headers* is called when the header is complete, *body* with each part of the body.

    *questions*: what will be asked of DNS, as *headers* has found.
    """

    headers: Callable[[Transaction], None]
    body: Callable[[Transaction, bytes], None]
    questions: Callable[[Transaction], Iterable[Question]] = _none


_OBSERVERS: dict[str, Observer] = {}
_ROUNDS: dict[Phase, Rounds] = {}


def observe(need: str, observer: Observer) -> None:
    """Have *observer* watch the messages of policies that need this."""
    _OBSERVERS[need] = observer


@dataclass(frozen=True, slots=True)
class Watch:
    """What one policy has to have called; what several needs share is called once.

    *sized*: whether the whole message is told, so that its size is known;
    *counted*: whether somebody wants to know its lines.
    """

    headers: tuple[Callable[[Transaction], None], ...] = ()
    body: tuple[Callable[[Transaction, bytes], None], ...] = ()
    questions: tuple[Callable[[Transaction], Iterable[Question]], ...] = ()
    sized: bool = False
    counted: bool = False

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, needs: frozenset[str]) -> Watch:
        """What these needs come to."""
        found = [observer for need, observer in _OBSERVERS.items() if need in needs]
        headers = dict.fromkeys(observer.headers for observer in found)
        questions = tuple(observer.questions for observer in found if observer.questions is not _none)
        bodies = dict.fromkeys(observer.body for observer in found)
        sized, counted = (not those.isdisjoint(needs) for those in (BODY, LINES))
        return cls(tuple(headers), tuple(bodies), questions, sized, counted)


def repeat(phase: Phase, rounds: Rounds) -> None:
    """The ACL of *phase* runs as often as *rounds* yields: each time it has set the scene for one run."""
    _ROUNDS[phase] = rounds


def rounds(phase: Phase, tx: Transaction) -> Iterator[None]:
    """The runs of the ACL of *phase*, each when it is asked for."""
    return _ROUNDS[phase](tx)
