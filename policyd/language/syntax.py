"""The tree of an expansion: what the parser makes and the compiler turns into closures."""

from __future__ import annotations

from dataclasses import dataclass

from policyd.errors import Where
from policyd.language.registry import Word


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself, escapes already resolved."""

    text: str


@dataclass(frozen=True, slots=True)
class Capture:
    """``$0`` … : what the last match captured."""

    number: int


@dataclass(frozen=True, slots=True)
class Variable:
    """``$name`` or ``${name}``; *suffix* is the rest of the name of a prefix word (``$h_suffix:``)."""

    word: Word
    suffix: str
    where: Where


@dataclass(frozen=True, slots=True)
class Operator:
    """``${name_a_b:subject}``."""

    word: Word
    arguments: tuple[str, ...]
    subject: Node
    where: Where


@dataclass(frozen=True, slots=True)
class Tail:
    """``{yes}{no}``, ``{yes} fail``, ``{yes}`` or nothing. *name* is the item's, for a forced failure's text."""

    name: str
    yes: Node | None = None
    no: Node | None = None
    fail: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """``${name{…}{…}}``, with a tail where the word takes one."""

    word: Word
    arguments: tuple[Argument, ...]
    tail: Tail | None
    where: Where


@dataclass(frozen=True, slots=True)
class Extract:
    """``${extract…}``: whether its first argument is a number decides, when it runs, what the others mean.

    *form* is ``json``, ``jsons`` or empty.
    """

    form: str
    arguments: tuple[Node, ...]
    fail: bool
    where: Where


@dataclass(frozen=True, slots=True)
class Command:
    """The words of a command; *whole*: there is one part, which is cut into words when it has been expanded."""

    parts: tuple[Node, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """``${lookup…}``. *key* is None for a query; *subject* is the file or the query."""

    type: str
    key: Node | None
    subject: Node
    tail: Tail
    where: Where


@dataclass(frozen=True, slots=True)
class If:
    """``${if condition{yes}{no}}``."""

    test: Test
    tail: Tail


@dataclass(frozen=True, slots=True)
class Join:
    """Parts, one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """``!condition``."""

    test: Test


@dataclass(frozen=True, slots=True)
class Every:
    """``and{{…}{…}}``: true when there is nothing to test."""

    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """``or{{…}{…}}``: false when there is nothing to test."""

    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Defined:
    """``def:name``."""

    variable: Variable


@dataclass(frozen=True, slots=True)
class Comparison:
    """``name{…}{…}`` with a word of the vocabulary."""

    word: Word
    arguments: tuple[Argument, ...]
    where: Where


Node = Literal | Capture | Variable | Operator | Item | Extract | Command | Lookup | If | Join
Test = Not | Every | Some | Defined | Comparison
Argument = Node | Test
