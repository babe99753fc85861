"""The vocabulary: every word a policy may use, registered by the function that implements it.

A word is added by one decorated function in one file; nothing else is edited.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from policyd.language.index import Key

Run = TypeVar("Run", bound=Callable[..., Any])
Prefetch = Mapping[Flag, Callable[[Any], Iterable[Any]]]
"""``questions(tx)`` by phase: what a word will ask of DNS, as far as that is known at the phase's beginning."""

COMPUTED = "computed"
"""The need of text that is only known while mail flows: nobody can say what that will need."""


class Kind(Enum):
    """Where a word may stand. The value is what an error message calls it."""

    VERB = "verb"  # what a statement of an ACL begins with
    CONDITION = "condition"  # NAME = argument in an ACL
    MODIFIER = "modifier"  # NAME = argument in an ACL; never fails
    CONTROL = "control"  # control = NAME[/options]
    VERIFICATION = "verification"  # verify = NAME[/options]
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
        """What argument *number* (from 0) is.

        ``text`` is evaluated first; ``lazy`` and ``test`` are closures that the
        word runs itself. In ``raw`` a dollar is plain text; ``raw KIND`` becomes
        the `Matcher` of a list. ``command`` is a list of words, ``acl`` the name
        of an ACL.
        """
        return self.shape[number] if number < len(self.shape) else "text"

    @property
    def documentation(self) -> str:
        """The function's docstring: the manual's text."""
        return (self.run.__doc__ or "").strip()


class Vocabulary:
    """All words, by kind and name."""

    def __init__(self) -> None:
        self._words: dict[Kind, dict[str, Word]] = {kind: {} for kind in Kind}
        self._refused: dict[tuple[Kind, str], str] = {}

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

    def refuse(self, kind: Kind, reason: str, *names: str) -> None:
        """Exim has *names*, and policyd never will: *reason* is a sentence for whoever uses one."""
        self._refused.update({(kind, name): reason for name in names})

    def refusal(self, kind: Kind, name: str) -> str:
        """Why there is no such word, if Exim has it."""
        return self._refused.get((kind, name), "")

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


def condition(
    name: str,
    *,
    argument: Any,
    phases: Flag | None = None,
    needs: str = "",
    prefetch: Prefetch | None = None,
    judges: tuple[str, ...] = (),
    extension: bool = False,
) -> Callable[[Run], Run]:
    """``run(tx, argument) -> bool``, for ``NAME = …`` in an ACL. *needs* and *prefetch* as for `variable`.

    *judges*: the variables that an explanation of its result shows.
    """
    traits = {"needs": needs, "prefetch": prefetch or {}, "judges": judges}
    return _register(Kind.CONDITION, name, argument=argument, phases=phases, extension=extension, traits=traits)


def modifier(
    name: str, *, argument: Any, phases: Flag | None = None, needs: str = "", extension: bool = False
) -> Callable[[Run], Run]:
    """``run(tx, argument) -> None``, for ``NAME = …`` in an ACL. *needs* as for `variable`."""
    traits = {"needs": needs}
    return _register(Kind.MODIFIER, name, argument=argument, phases=phases, extension=extension, traits=traits)


Options = Callable[[str], Any]


def control(
    name: str,
    *,
    phases: Flag | None = None,
    options: Options | None = None,
    needs: str = "",
    extension: bool = False,
) -> Callable[[Run], Run]:
    """``run(tx, options) -> None``, for ``control = NAME[/options]``.

    *options* reads the text after the name, and raises ValueError; None: there
    are no options. *needs* as for `variable`.
    """
    traits = {"options": options, "needs": needs}
    return _register(Kind.CONTROL, name, phases=phases, extension=extension, traits=traits)


def verification(
    name: str,
    *,
    phases: Flag | None = None,
    options: Options | None = None,
    needs: str = "",
    prefetch: Prefetch | None = None,
    extension: bool = False,
) -> Callable[[Run], Run]:
    """``run(tx, options) -> bool``, for ``verify = NAME[/options]``; *options* as for `control`."""
    traits = {"options": options, "needs": needs, "prefetch": prefetch or {}}
    return _register(Kind.VERIFICATION, name, phases=phases, extension=extension, traits=traits)


def variable(
    name: str, *, needs: str = "", prefetch: Prefetch | None = None, extension: bool = False
) -> Callable[[Run], Run]:
    """``run(tx) -> str``, for ``$NAME``.

    *needs*: what is only asked of the MTA, kept or done for policies that use
    such a word, separated by blanks: ``body``, ``dkim``, ``{auth_author}`` …
    *prefetch*: what it will ask of DNS, so that it can be asked before: only
    for policies whose ACLs come to such a word.
    """
    return _register(Kind.VARIABLE, name, extension=extension, traits={"needs": needs, "prefetch": prefetch or {}})


def prefix(name: str, *, exists: Callable[..., bool] | None = None, extension: bool = False) -> Callable[[Run], Run]:
    """``run(tx, rest_of_the_name) -> str``, for ``$NAMErest``; *exists* answers ``def:NAMErest``."""
    return _register(Kind.PREFIX, name, extension=extension, traits={"exists": exists})


def operator(
    name: str,
    *,
    arguments: tuple[int, int] = (0, 0),
    context: bool = False,
    compiler: bool = False,
    needs: str = "",
    extension: bool = False,
) -> Callable[[Run], Run]:
    """``run(text, *arguments) -> str``, for ``${NAME_a_b:text}``. Pure: folded on constants.

    With *context*, ``run(tx, text, *arguments)``, and nothing is folded; with
    *compiler*, ``run(compiler, tx, text, *arguments)``.
    """
    traits = {"context": context or compiler, "compiler": compiler, "needs": needs}
    return _register(Kind.OPERATOR, name, arity=arguments, extension=extension, traits=traits)


def item(
    name: str,
    *,
    arguments: tuple[int, int],
    shape: tuple[str, ...] = (),
    tail: bool = False,
    compiler: bool = False,
    enabled_by: str = "",
    needs: str = "",
    extension: bool = False,
) -> Callable[[Run], Run]:
    """``run(tx, *texts) -> str``, for ``${NAME{…}{…}}``; with *compiler*, ``run(compiler, tx, *texts)``.

    With *tail*, ``{yes}{no}`` may follow: run returns None for *no*. *enabled_by*
    is the main option without which a policy may not use it. *needs* as for
    `variable`.
    """
    traits = {"tail": tail, "compiler": compiler, "enabled_by": enabled_by, "needs": needs}
    return _register(Kind.ITEM, name, arity=arguments, shape=shape, extension=extension, traits=traits)


def test(
    name: str,
    *,
    arguments: int | tuple[int, int],
    shape: tuple[str, ...] = (),
    compiler: bool = False,
    extension: bool = False,
) -> Callable[[Run], Run]:
    """``run(tx, *texts) -> bool``, for ``${if NAME{…}{…}``; with *compiler*, ``run(compiler, tx, *texts)``.

    A range of *arguments* means that braces stand around them all: ``NAME{{…}{…}}``.
    """
    arity = (arguments, arguments) if isinstance(arguments, int) else arguments
    traits = {"group": not isinstance(arguments, int), "compiler": compiler}
    return _register(Kind.TEST, name, arity=arity, shape=shape, extension=extension, traits=traits)


test.__test__ = False  # type: ignore[attr-defined]  # not a test case, whatever its name says


def lookup(
    name: str,
    *,
    style: str,
    options: tuple[str, ...] = (),
    requires: tuple[str, str] | None = None,
    quote: Callable[[str], str] | None = None,
    needs: str = "",
    extension: bool = False,
) -> Callable[[Run], Run]:
    """``run(tx, source, key, options) -> str | None`` for a *style* ``"file"`` lookup (an absolute path and a key) and
    a ``"single"`` one (any source and a key); ``run(tx, query, options) -> str | None`` for a ``"query"``.

    None: not found. Raises `Defer`. *options* may follow the name: ``"ret=full"``, or with any value ``"servers="``.
    *requires*: a Python package, and the extra of policyd that brings it. *quote* becomes ``${quote_NAME:…}``.
    *needs* as for `variable`.
    """

    def register(run: Run) -> Run:
        traits = {"style": style, "options": options, "requires": requires, "needs": needs}
        VOCABULARY.add(Word(Kind.LOOKUP, name, run, extension=extension, traits=traits))
        VOCABULARY.add(Word(Kind.OPERATOR, f"quote_{name}", quote or _as_it_is, extension=extension))
        return run

    return register


def _as_it_is(text: str) -> str:
    """The text itself: nothing in a key of this lookup type needs quoting."""
    return text


def list_kind(name: str, key: Callable[[str], Key | None]) -> Callable[[Run], Run]:
    """``run(item, where, compiler, caseful) -> Matcher``: the patterns of one kind of list.

    *key*: what an item's text alone tells about the subjects that it can match, so that long lists need not be gone
    through; None for one that has to be asked each time.
    """
    return _register(Kind.LIST, name, traits={"key": key})


def alias(kind: Kind, name: str, of: str) -> None:
    """Another *name* of the word called *of*, from documents that are old or wrong: accepted, with a warning."""
    word = VOCABULARY.find(kind, of)
    assert word is not None
    VOCABULARY.add(replace(word, name=name, traits={**word.traits, "instead": of}))
