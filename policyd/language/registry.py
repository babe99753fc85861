"""The vocabulary: every word a policy may use, registered by the function that implements it.

A word is added by one decorated function in one file; nothing else is edited.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, Flag
from typing import Any, TypeVar

Run = TypeVar("Run", bound=Callable[..., Any])


class Kind(Enum):
    """Where a word may stand. The value is what an error message calls it."""

    CONDITION = "condition"  # NAME = argument in an ACL
    MODIFIER = "modifier"  # NAME = argument in an ACL; never fails
    CONTROL = "control"  # control = NAME[/options]
    VARIABLE = "variable"  # $NAME
    PREFIX = "variable prefix"  # $NAMEanything:
    ITEM = "expansion item"  # ${NAME{…}…}
    OPERATOR = "expansion operator"  # ${NAME:…}
    TEST = "expansion condition"  # ${if NAME{…}…
    LOOKUP = "lookup type"  # ${lookup …NAME…
    LIST = "list"  # the item patterns of one kind of list


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """One entry of the vocabulary.

    *run* is called with a transaction first, except for operators. *phases* says
    in which ACLs it may stand (None: in all). *argument* turns the text after
    ``=`` into what *run* gets. *arity* is the least and the most ``{…}``
    arguments, *shape* what each of them is. *extension* marks what Exim does
    not have.
    """

    kind: Kind
    name: str
    run: Callable[..., Any]
    phases: Flag | None = None
    argument: Any = None
    arity: tuple[int, int] = (0, 0)
    shape: tuple[str, ...] = ()
    extension: bool = False
    traits: dict[str, Any] = field(default_factory=dict)

    @property
    def is_prefix(self) -> bool:
        """Whether the rest of a variable's name is passed to *run*."""
        return self.kind is Kind.PREFIX

    def shape_of(self, number: int) -> str:
        """What argument *number* (from 0) is: ``text``, ``lazy`` (run by the word itself), ``raw`` or ``test``."""
        return self.shape[number] if number < len(self.shape) else "text"

    @property
    def documentation(self) -> str:
        """The function's docstring: the manual's text."""
        return (self.run.__doc__ or "").strip()


class Vocabulary:
    """All words, by kind and name."""

    def __init__(self) -> None:
        self._words: dict[Kind, dict[str, Word]] = {kind: {} for kind in Kind}

    def add(self, word: Word) -> None:
        """Register *word*; a second one of the same kind and name is a mistake in the program."""
        if word.name in self._words[word.kind]:
            raise ValueError(f"{word.kind.value} {word.name!r} is registered twice")
        self._words[word.kind][word.name] = word

    def replace(self, word: Word) -> None:
        """Put *word* in the place of the one that has its kind and name."""
        self._words[word.kind][word.name] = word

    def find(self, kind: Kind, name: str) -> Word | None:
        """The word, if there is one."""
        return self._words[kind].get(name)

    def names(self, *kinds: Kind) -> list[str]:
        """Every name of these kinds, sorted."""
        return sorted(name for kind in kinds for name in self._words[kind])

    def nearest(self, name: str, *kinds: Kind) -> str:
        """``did you mean "x"?``, or nothing when no word is like *name*."""
        return did_you_mean(name, self.names(*kinds))

    def __iter__(self) -> Iterator[Word]:
        for words in self._words.values():
            yield from words.values()


def did_you_mean(name: str, names: list[str]) -> str:
    """The nearest of *names*, as a question; nothing when none is near."""
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""


VOCABULARY = Vocabulary()


def _register(kind: Kind, name: str, **details: Any) -> Callable[[Run], Run]:
    def register(run: Run) -> Run:
        VOCABULARY.add(Word(kind, name, run, **details))
        return run

    return register


def condition(name: str, *, argument: Any, phases: Flag | None = None, extension: bool = False) -> Callable[[Run], Run]:
    """``run(tx, argument) -> bool | Outcome``, for ``NAME = …`` in an ACL."""
    return _register(Kind.CONDITION, name, argument=argument, phases=phases, extension=extension)


def modifier(name: str, *, argument: Any, phases: Flag | None = None, extension: bool = False) -> Callable[[Run], Run]:
    """``run(tx, argument) -> None``, for ``NAME = …`` in an ACL."""
    return _register(Kind.MODIFIER, name, argument=argument, phases=phases, extension=extension)


def control(
    name: str, *, phases: Flag | None = None, options: bool = False, extension: bool = False
) -> Callable[[Run], Run]:
    """``run(tx, options_text) -> None``, for ``control = NAME[/options]``."""
    return _register(Kind.CONTROL, name, phases=phases, extension=extension, traits={"options": options})


def variable(name: str, *, extension: bool = False) -> Callable[[Run], Run]:
    """``run(tx) -> str``, for ``$NAME``."""
    return _register(Kind.VARIABLE, name, extension=extension)


def prefix(name: str, *, exists: Callable[..., bool] | None = None, extension: bool = False) -> Callable[[Run], Run]:
    """``run(tx, rest_of_the_name) -> str``, for ``$NAMErest``; *exists* answers ``def:NAMErest``."""
    return _register(Kind.PREFIX, name, extension=extension, traits={"exists": exists})


def operator(name: str, *, arguments: tuple[int, int] = (0, 0), extension: bool = False) -> Callable[[Run], Run]:
    """``run(text, *arguments) -> str``, for ``${NAME_a_b:text}``. Pure: folded on constants."""
    return _register(Kind.OPERATOR, name, arity=arguments, extension=extension)


def item(
    name: str, *, arguments: tuple[int, int], shape: tuple[str, ...] = (), tail: bool = False, extension: bool = False
) -> Callable[[Run], Run]:
    """``run(tx, *texts) -> str``, for ``${NAME{…}{…}}``.

    With *tail*, ``{yes}{no}`` may follow: run returns None for *no*.
    """
    return _register(Kind.ITEM, name, arity=arguments, shape=shape, extension=extension, traits={"tail": tail})


def test(name: str, *, arguments: int, shape: tuple[str, ...] = (), extension: bool = False) -> Callable[[Run], Run]:
    """``run(tx, *texts) -> bool``, for ``${if NAME{…}{…}``."""
    return _register(Kind.TEST, name, arity=(arguments, arguments), shape=shape, extension=extension)


test.__test__ = False  # type: ignore[attr-defined]  # not a test case, whatever its name says


def lookup(name: str, *, style: str, extension: bool = False) -> Callable[[Run], Run]:
    """``run(tx, source, key, options) -> str | None`` for a *style* ``"single"`` lookup (a file and a key);
    ``run(tx, query, options) -> str | None`` for a ``"query"``. None: not found. Raises `Defer`."""
    return _register(Kind.LOOKUP, name, extension=extension, traits={"style": style})


def list_kind(name: str) -> Callable[[Run], Run]:
    """``run(compiler, item, source) -> Matcher``: the patterns of one kind of list."""
    return _register(Kind.LIST, name)
