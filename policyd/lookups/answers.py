"""What databases answer, as Exim writes it, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from policyd.transaction import Transaction

QUOTED = frozenset(" \t\n\r")
FORGETFUL = {"cache=no", "cache=no_wr"}
UNTRUSTING = {"cache=no", "cache=no_rd"}


@dataclass(frozen=True, slots=True)
class Answer:
    """*text*: None when there is nothing. *lasting*: whether asking again in the same message would be of no use."""

    text: str | None
    lasting: bool = True


def remembered(
    tx: Transaction, type_: str, query: Hashable, options: tuple[str, ...], ask: Callable[[], Answer]
) -> str | None:
    """The answer to *query*, asked for once per message.

    One that does not last may have changed the data: all answers of the type are
    forgotten. *options* with ``cache=no``, ``cache=no_rd`` (ask again) or
    ``cache=no_wr`` (and do not remember).
    """
    known: dict[Hashable, Answer] = tx.facts.setdefault("lookups", {}).setdefault(type_, {})
    key = (query, tuple(option for option in options if not option.startswith("cache=")))
    if key in known and not UNTRUSTING & set(options):
        return known[key].text
    answer = ask()
    if not answer.lasting:
        known.clear()
    elif not FORGETFUL & set(options):
        known[key] = answer
    return answer.text


Row = Sequence[str | None]


def several(names: Iterable[str], row: Row) -> str:
    """``name=value name="two words" ``: a row of several columns; NULL is empty."""
    return "".join(f"{name}={quoted(value or '')} " for name, value in zip(names, row, strict=True))


def quoted(value: str) -> str:
    """A value that ``${extract{name}{…}}`` gives back: in quotes if it is empty, has blanks, or begins with a quote."""
    if value and not value.startswith('"') and not QUOTED & set(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
