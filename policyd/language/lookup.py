"""Lookup types as they are written: ``partial2(*.)lsearch*@,opt=x``, and the keys each of them tries.

Shared by ``${lookup`` and by lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from policyd.errors import PolicyError, Where
from policyd.language.frame import Context
from policyd.language.registry import Kind, Word

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler

TYPE = re.compile(
    r"(?:partial(?P<least>[0-9]*)(?:\((?P<affix>[^)]*)\))?-)?"
    r"(?P<name>[A-Za-z0-9_-]+)(?P<star>\*@?)?(?:,(?P<options>.*))?",
    re.DOTALL,
)
DEFAULT_LEAST = 2  # labels that partial- matching keeps
DEFAULT_AFFIX = "*."

Text = Callable[[Context], str]


@dataclass(frozen=True, slots=True)
class LookupType:
    """A lookup type with its modifiers. *least* is None without ``partial-``."""

    word: Word
    least: int | None = None
    affix: str = DEFAULT_AFFIX
    star: str = ""
    options: tuple[str, ...] = ()

    @property
    def is_query(self) -> bool:
        """Whether it takes a query rather than a file and a key."""
        return bool(self.word.traits["style"] == "query")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A key to try, and what ``$1`` and ``$2`` are when it is found."""

    key: str
    wild: str
    fixed: str


def find_type(text: str, where: Where, compiler: Compiler) -> LookupType:
    """Read ``[partial…-]type[*|*@][,options]``. Raises `PolicyError` for a type that does not exist."""
    found = TYPE.fullmatch(text)
    name = found["name"] if found else text
    word = compiler.words.find(Kind.LOOKUP, name)
    if found is None or word is None:
        raise compiler.unknown(where, f'unknown lookup type "{name}"', name, Kind.LOOKUP)
    least = None if found["least"] is None else int(found["least"] or DEFAULT_LEAST)
    affix = DEFAULT_AFFIX if found["affix"] is None else found["affix"]
    options = tuple(found["options"].split(",")) if found["options"] else ()
    return LookupType(word, least, affix, found["star"] or "", options)


def check_key(type_: LookupType, has_key: bool, where: Where) -> None:
    """A single-key lookup needs a key, a query must not have one."""
    name = type_.word.name
    if type_.is_query and has_key:
        raise PolicyError.at(where, f'a single key was given for lookup type "{name}", which takes a query')
    if not type_.is_query and not has_key:
        raise PolicyError.at(where, f'missing {{key}} for single-key "{name}" lookup')


def finder(type_: LookupType, subject: Text, key: Text | None) -> Callable[[Context], str | None]:
    """The closure that looks up. None: not found. Raises `Defer`."""
    if key is None:
        run, options = type_.word.run, type_.options
        return lambda ctx: run(ctx, subject(ctx), options)
    return lambda ctx: find(ctx, type_, subject(ctx), key(ctx))


def find(ctx: Context, type_: LookupType, source: str, key: str) -> str | None:
    """Try every key that the type's modifiers allow; the wild and fixed parts go to ``$1`` and ``$2``."""
    if not key:
        return None
    run, options = type_.word.run, type_.options
    for attempt in attempts(type_, key):
        found: str | None = run(ctx, source, attempt.key, options)
        if found is not None:
            if type_.least is not None or type_.star:
                ctx.frame.captures = (key, attempt.wild, attempt.fixed)
            return found
    return None


def attempts(type_: LookupType, key: str) -> Iterator[Attempt]:
    """The key itself, then the wild ones, in Exim's order."""
    yield Attempt(key, "", key)
    if type_.least is not None:
        yield from _partial(key, type_.least, type_.affix)
    if type_.star == "*@" and "@" in key[1:]:
        local, _, domain = key.rpartition("@")
        yield Attempt(f"*@{domain}", local, "")
    if type_.star:
        yield Attempt("*", key, "")


def _partial(key: str, least: int, affix: str) -> Iterator[Attempt]:
    """The affixed key, then the same with leading labels taken away while at least *least* remain."""
    if affix:
        yield Attempt(affix + key, "", key)
    labels = key.split(".")
    for cut in range(1, len(labels)):
        if len(labels) - cut < least:
            return
        fixed = ".".join(labels[cut:])
        yield Attempt(affix + fixed, ".".join(labels[:cut]), fixed)
    if least == 0 and affix:
        alone = affix.removesuffix(".") if len(affix) > 1 else affix
        yield Attempt(alone, key, "")
