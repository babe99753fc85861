"""Lists: how a string is cut into items, and how items are scanned for a subject.

What one item matches depends on the kind of list; that is the vocabulary's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from policyd.errors import Defer, ExpansionError, ForcedFail, PolicyError, Where
from policyd.language import lookup
from policyd.language.expand import Getter, compile_text
from policyd.language.frame import Context
from policyd.language.registry import Kind, did_you_mean
from policyd.language.source import BLANKS, Source

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler

DEFAULT_SEPARATOR = ":"
PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
MAX_COMPILED = 1000  # texts of changing lists kept compiled, per list

Matcher = Callable[[Any, Any], str | None]
"""What a match leaves behind (``$domain_data`` …), or None for no match. Raises `Defer` or `Unknown`."""

MODES = {
    "+include_unknown": ("unknown", "include"),
    "+ignore_unknown": ("unknown", "ignore"),
    "+include_defer": ("defer", "include"),
    "+ignore_defer": ("defer", "ignore"),
}
"""Items that say what to do about later items which cannot be decided."""


class Unknown(Exception):  # noqa: N818 - it says something about the world
    """Whether an item matches cannot be known: a host has no name, or a name no address. Stays inside a list."""


@dataclass(frozen=True, slots=True)
class ListItem:
    """One item: what it matches, and whether ``!`` stands before it. *mode* items match nothing."""

    match: Matcher
    negated: bool = False
    mode: str = ""


@dataclass(frozen=True, slots=True)
class NamedList:
    """``domainlist NAME = …`` and its like."""

    kind: str
    name: str
    where: Where
    match: Matcher

    @classmethod
    def compile(cls, kind: str, name: str, source: Source, cached: bool, compiler: Compiler) -> NamedList:
        """Compile the list's text. *cached* is Exim's promise about its own cache; nothing here depends on it."""
        return cls(kind, name, source.where(), compile_list(kind, source, compiler))


# -- cutting


def cut(text: str) -> Iterator[tuple[int, str]]:
    """The items of a list, each with its offset. A leading ``<c`` makes *c* the separator; doubled, it is data."""
    separator, at = separator_of(text)
    special = separator < " " or separator == "\x7f"  # a doubled control character is an empty item
    while True:
        while at < len(text) and text[at] in BLANKS and text[at] != separator:
            at += 1
        if at >= len(text):
            return
        start = at
        item, at = _item(text, at, separator, special)
        yield start, item


def separator_of(text: str) -> tuple[str, int]:
    """The separator a list uses, and where its items begin."""
    start = len(text) - len(text.lstrip(BLANKS))
    if text[start : start + 1] == "<" and start + 1 < len(text):
        character = text[start + 1]
        if character in PUNCTUATION or character < " " or character == "\x7f":
            return character, start + 2
    return DEFAULT_SEPARATOR, start


def _item(text: str, at: int, separator: str, special: bool) -> tuple[str, int]:
    if text[at] == separator:
        at += 1
        if special or text[at : at + 1] != separator:
            return "", at
    parts = []
    while True:
        end = text.find(separator, at + 1)
        if end < 0:
            parts.append(text[at:])
            return "".join(parts).rstrip(BLANKS), len(text)
        parts.append(text[at:end])
        at = end + 1
        if special or text[at : at + 1] != separator:
            return "".join(parts).rstrip(BLANKS), at


# -- compiling


def listed(kind: str) -> Callable[[Source, Compiler], Getter]:
    """The argument strategy of conditions that take a list of *kind*: they get a `Matcher`."""

    def strategy(source: Source, compiler: Compiler) -> Getter:
        matcher = compile_list(kind, source, compiler)
        return lambda _: matcher

    return strategy


def compile_list(kind: str, source: Source, compiler: Compiler) -> Matcher:
    """A list's text to a matcher: at load when it is constant, otherwise when it is used."""
    expression = compile_text(source, compiler)
    if expression.constant is not None:
        exact = expression.constant == source.text
        items = compile_items(kind, expression.constant, source, compiler, exact)
        return lambda ctx, subject: scan(items, ctx, subject)
    return _changing(kind, expression.run, source, compiler)


def _changing(kind: str, run: Callable[[Context], str], source: Source, compiler: Compiler) -> Matcher:
    compiled: dict[str, tuple[ListItem, ...]] = {}

    def match(ctx: Context, subject: Any) -> str | None:
        try:
            text = run(ctx)
        except ForcedFail:
            return None  # "not in the list"
        items = compiled.get(text)
        if items is None:
            if len(compiled) >= MAX_COMPILED:
                compiled.clear()
            items = compiled[text] = _compiled_now(kind, text, source, compiler)
        return scan(items, ctx, subject)

    return match


def _compiled_now(kind: str, text: str, source: Source, compiler: Compiler) -> tuple[ListItem, ...]:
    try:
        return compile_items(kind, text, source, compiler, exact=False)
    except PolicyError as error:
        raise ExpansionError(error.problems[0].message) from None


def compile_items(kind: str, text: str, source: Source, compiler: Compiler, exact: bool) -> tuple[ListItem, ...]:
    """Every item of *text*. With *exact*, offsets in it are offsets in *source*."""
    items = []
    caseful = False
    for offset, item in cut(text):
        where = source.where(offset if exact else 0)
        if item == "+caseful":
            caseful = True
            continue
        items.append(compile_item(kind, item, where, compiler, caseful))
    return tuple(items)


def compile_item(kind: str, item: str, where: Where, compiler: Compiler, caseful: bool = False) -> ListItem:
    """One item: a mode, a named list, a file, a lookup, or a pattern of the kind's own."""
    if item in MODES:
        return ListItem(_nothing, mode=item)
    negated = item.startswith("!")
    if negated:
        item = item[1:].lstrip(BLANKS)
    return ListItem(_matcher(kind, item, where, compiler, caseful), negated)


def _matcher(kind: str, item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    if item.startswith("+") and kind != "string":
        return _named(kind, item[1:], where, compiler)
    if item.startswith("/"):
        return _file(kind, item, where, compiler, caseful)
    word = compiler.words.find(Kind.LIST, kind)
    if word is None:
        raise ValueError(f"no such kind of list: {kind}")
    matcher: Matcher = word.run(item, where, compiler, caseful)
    return matcher


def _nothing(_: Context, __: Any) -> str | None:
    return None


def _named(kind: str, name: str, where: Where, compiler: Compiler) -> Matcher:
    compiler.list_references.append((kind, name, where))

    def match(ctx: Context, subject: Any) -> str | None:
        named = compiler.lists.get((kind, name))
        if named is None:
            known = [of for of_kind, of in compiler.lists if of_kind == kind]
            raise Defer(f'unknown named {kind} list "+{name}" {did_you_mean(name, known)}'.rstrip())
        return named.match(ctx, subject)

    return match


def _file(kind: str, path: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """Each line of a file is an item; the file is read again when it has changed."""
    last: list[tuple[str, tuple[ListItem, ...]]] = []

    def match(ctx: Context, subject: Any) -> str | None:
        text = ctx.read_file(path)
        if not last or last[0][0] is not text:
            items = tuple(
                compile_item(kind, line, Where(path, number), compiler, caseful)
                for number, line in _file_lines(text, kind)
            )
            last[:] = [(text, items)]
        return scan_file(last[0][1], ctx, subject)

    return match


def _file_lines(text: str, kind: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        item = _uncommented(line, anywhere=kind in ("domain", "host")).strip(BLANKS)
        if item:
            yield number, item


def _uncommented(line: str, anywhere: bool) -> str:
    """A line without its comment. In address and local part lists ``#`` is data inside a word."""
    at = line.find("#")
    while at > 0 and not anywhere and line[at - 1] not in BLANKS:
        at = line.find("#", at + 1)
    return line if at < 0 else line[:at]


def lookup_matcher(item: str, where: Where, compiler: Compiler) -> Callable[[Any, str], str | None] | None:
    """For an item ``type;data``: a function from the key to what is found. None when it is not such an item."""
    type_text, semicolon, data = item.partition(";")
    if not semicolon or not lookup.TYPE.fullmatch(type_text.strip(BLANKS)):
        return None
    type_ = lookup.find_type(type_text.strip(BLANKS), where, compiler)
    data = data.strip(BLANKS)
    if type_.is_query:
        run, options = type_.word.run, type_.options
        return lambda ctx, _: run(ctx, data, options)
    return lambda ctx, key: lookup.find(ctx, type_, data, key)


# -- scanning


def scan(items: tuple[ListItem, ...], ctx: Context, subject: Any) -> str | None:
    """The first item that matches decides; after a last negative item, everything else matches."""
    modes = {"unknown": "", "defer": ""}
    negated = False
    for item in items:
        if item.mode:
            about, what = MODES[item.mode]
            modes[about] = what
            continue
        negated = item.negated
        try:
            value = item.match(ctx, subject)
        except Unknown as error:
            if modes["unknown"] == "ignore":
                continue
            return _undecided(ctx, modes["unknown"], f"list matching forced to fail: {error}", str(error))
        except Defer as error:
            if modes["defer"] == "ignore":
                continue
            if modes["defer"] != "include":
                raise
            return _undecided(ctx, "include", "", str(error))
        if value is not None:
            return None if negated else value
    return "" if negated else None


def _undecided(ctx: Context, mode: str, failing: str, reason: str) -> str | None:
    if mode == "include":
        ctx.log(f"{reason}: accepted by +include")
        return ""
    if ctx.trace:
        ctx.trace(failing)
    return None


def scan_file(items: tuple[ListItem, ...], ctx: Context, subject: Any) -> str | None:
    """The lines of a file, as one item of the list that names it."""
    for item in items:
        value = item.match(ctx, subject)
        if value is not None:
            return None if item.negated else value
    return None
