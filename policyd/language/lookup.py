"""Lookup types as they are written: ``partial2(*.)lsearch*@,opt=x``, and the keys each of them tries.

Shared by ``${lookup`` and by lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from policyd.errors import Defer, ExpansionError, PolicyError, Unopened, Where
from policyd.language.frame import Context
from policyd.language.registry import Kind, Word, did_you_mean

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler

TYPE = re.compile(
    r"(?:partial(?P<least>[0-9]*)(?:-|\((?P<affix>[!-/:-@\[-`{-~]*?)\)))?"  # punctuation only
    r"(?P<name>[A-Za-z0-9_-]+?)(?P<star>\*@?)?(?:,(?P<options>.*))?",
    re.DOTALL,
)
DEFAULT_LEAST = 2  # labels that partial- matching keeps
DEFAULT_AFFIX = "*."
OPTIONS = ("ret=key", "cache=no", "cache=no_rd", "cache=no_wr")  # of every type
RETURN_KEY = "ret=key"

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
        """Whether it takes a query rather than a source and a key."""
        return bool(self.word.traits["style"] == "query")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A key to try, and what ``$1`` and ``$2`` are when it is found."""

    key: str
    wild: str
    fixed: str


# -- reading a type


def find_type(text: str, where: Where, compiler: Compiler) -> LookupType:
    """Read ``[partial…-]type[*|*@][,options]``. Raises `PolicyError` for what does not exist, or cannot be used."""
    found = TYPE.fullmatch(text)
    if found is None and text.startswith("partial"):
        message = f'format error in lookup type "{text}"'
        raise PolicyError.at(where, message, "partial-TYPE, partial3-TYPE or partial(.)TYPE")
    name = found["name"] if found else text
    word = compiler.words.find(Kind.LOOKUP, name)
    if found is None or word is None:
        raise _unknown(name, where, compiler)
    least = None if found["least"] is None else int(found["least"] or DEFAULT_LEAST)
    affix = DEFAULT_AFFIX if found["affix"] is None else found["affix"]
    options = tuple(filter(None, (found["options"] or "").split(",")))
    type_ = LookupType(word, least, affix, found["star"] or "", options)
    _check_modifiers(type_, where)
    _check_options(type_, where)
    _check_package(word, where)
    return type_


def _unknown(name: str, where: Where, compiler: Compiler) -> PolicyError:
    refusal = compiler.words.refusal(Kind.LOOKUP, name)
    if refusal:
        return PolicyError.at(where, f'lookup type "{name}" is not offered', refusal)
    return compiler.unknown(where, f'unknown lookup type "{name}"', name, Kind.LOOKUP)


def _check_modifiers(type_: LookupType, where: Where) -> None:
    """Only keys can be matched in part."""
    name = type_.word.name
    if type_.is_query and type_.least is not None:
        raise PolicyError.at(where, f'"partial" is not permitted for lookup type "{name}"', "it takes a query")
    if type_.is_query and type_.star:
        message = f'defaults using "*" or "*@" are not permitted for lookup type "{name}"'
        raise PolicyError.at(where, message, "it takes a query")


def _check_options(type_: LookupType, where: Where) -> None:
    """Exim ignores an option that it does not know; a misspelt one is better found at once."""
    known: tuple[str, ...] = (*type_.word.traits["options"], *OPTIONS)
    for option in type_.options:
        if option not in known and not any(name.endswith("=") and option.startswith(name) for name in known):
            hint = did_you_mean(option, list(known)) or f"it has {', '.join(known)}"
            raise PolicyError.at(where, f'lookup type "{type_.word.name}" has no option "{option}"', hint)


def _check_package(word: Word, where: Where) -> None:
    if word.traits["requires"] is None:
        return
    package, extra = word.traits["requires"]
    try:
        import_module(package)
    except ImportError as error:
        message = f'lookup type "{word.name}" needs a Python package that cannot be imported: {error}'
        raise PolicyError.at(where, message, f'pip install "policyd[{extra}]"') from None


def check_key(type_: LookupType, has_key: bool, where: Where) -> None:
    """A single-key lookup needs a key, a query must not have one."""
    name = type_.word.name
    if type_.is_query and has_key:
        raise PolicyError.at(
            where, f'a single key was given for lookup type "{name}", which is not a single-key lookup type'
        )
    if not type_.is_query and not has_key:
        raise PolicyError.at(where, f'missing {{key}} for single-key "{name}" lookup')


def check_source(type_: LookupType, source: str | None, where: Where) -> None:
    """A file has an absolute name. None: it is not known yet."""
    if source is not None and not _is_possible(type_, source):
        raise PolicyError.at(where, _relative(type_, source), "it must begin with /")


def _is_possible(type_: LookupType, source: str) -> bool:
    return type_.word.traits["style"] != "file" or source.startswith("/")


def _relative(type_: LookupType, source: str) -> str:
    return f'absolute file name expected for "{type_.word.name}" lookup: "{source}"'


# -- looking up


def finder(type_: LookupType, subject: Text, key: Text | None) -> Callable[[Context], str | None]:
    """The closure of ``${lookup``. None: not found. Raises `Defer`; `ExpansionError` for a file that is not there."""

    def run(ctx: Context) -> str | None:
        source = subject(ctx)
        asked = source if key is None else key(ctx)
        try:
            return query(ctx, type_, source) if key is None else find(ctx, type_, source, asked)
        except Unopened as error:
            raise ExpansionError(str(error)) from None
        except Defer as error:
            ctx.happened("lookup:fail", f"{asked}:{error}")
            raise Defer(f'lookup of "{asked}" gave DEFER: {error}') from error

    return run


def query(ctx: Context, type_: LookupType, text: str) -> str | None:
    """Put a query; an empty one finds nothing. Raises `Defer`."""
    found: str | None = type_.word.run(ctx, text, type_.options) if text else None
    return text if found is not None and RETURN_KEY in type_.options else found


def find(ctx: Context, type_: LookupType, source: str, key: str) -> str | None:
    """Try every key that the type's modifiers allow; the wild and fixed parts go to ``$1`` and ``$2``."""
    if not _is_possible(type_, source):
        raise ExpansionError(_relative(type_, source))
    run, options = type_.word.run, type_.options
    for attempt in attempts(type_, key):
        found: str | None = run(ctx, source, attempt.key, options) if attempt.key else None
        if found is not None:
            if attempt.key is not key or type_.least is not None:
                ctx.frame.captures = (*(ctx.frame.captures[:1] or ("",)), attempt.wild, attempt.fixed)
            return key if RETURN_KEY in options else found
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
        yield Attempt(alone, key[:-1], "")  # Exim takes the last character for a dot
