"""Lists: how their texts become items.

What one item matches depends on the kind of list; that is the vocabulary's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from policyd.errors import Defer, ExpansionError, ForcedFail, PolicyError, Where
from policyd.language import list_taint, lookup
from policyd.language.closures import Fixed
from policyd.language.cutting import cut
from policyd.language.expand import Getter, compile_text
from policyd.language.frame import Context
from policyd.language.index import Items, Key, ListItem
from policyd.language.parser import parse
from policyd.language.registry import Kind, Word
from policyd.language.scanning import MODES, Matcher, Unknown, searcher
from policyd.language.source import BLANKS, Source

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler

MAX_COMPILED = 1000  # texts of changing lists kept compiled, per list
REACHES_OUT = re.compile(r"!?\s*(/|\+|@?@?[A-Za-z0-9(*.)-]+\s*(,[^;]*)?;)", re.ASCII)
"""Items that lead to files, lookups or other lists."""
CASEFUL = ("address", "local_part")  # the kinds that know +caseful
HOSTS = ("host", "ip", "named_ip")  # the kinds in which an item may be one that cannot be decided


@dataclass(frozen=True, slots=True)
class NamedList:
    """``domainlist NAME = …`` and its like."""

    kind: str
    name: str
    where: Where
    text: str  # as it was written
    match: Matcher

    @classmethod
    def compile(cls, kind: str, name: str, source: Source, cached: bool, compiler: Compiler) -> NamedList:
        """Compile the list's text. *cached* is Exim's promise about its own cache; nothing here depends on it."""
        return cls(kind, name, source.where(), source.text, compile_list(kind, source, compiler))


# -- compiling


def listed(kind: str) -> Callable[[Source, Compiler], Getter]:
    """The argument strategy of conditions that take a list of *kind*: they get a `Matcher`."""

    def strategy(source: Source, compiler: Compiler) -> Getter:
        return Fixed(compile_list(kind, source, compiler))

    return strategy


def compile_list(kind: str, source: Source, compiler: Compiler) -> Matcher:
    """A list's text to a matcher: at load when it is constant, otherwise when it is used."""
    expression = compile_text(source, compiler)
    if expression.constant is not None:
        where = source.where if expression.constant == source.text else lambda _: source.where()
        items = _checked(_items(kind, expression.constant, where, compiler))
        return searcher(kind, items)
    list_taint.note(parse(source, compiler.words), source.where(), compiler.words, compiler.flow)
    return _changing(kind, expression.run, source, compiler)


def _changing(kind: str, run: Callable[[Context], str], source: Source, compiler: Compiler) -> Matcher:
    compiled: dict[str, Matcher] = {}

    def match(ctx: Context, subject: Any) -> str | None:
        try:
            ctx.frame.domain = subject if kind == "domain" else ""
            text = run(ctx)
        except ForcedFail:
            return None  # "not in the list"
        except (ExpansionError, Defer) as error:
            ctx.complain(f'failed to expand "{source.text}" while checking a list ({source.where()}): {error}')
            raise Defer("") from error
        finally:
            ctx.frame.domain = ""
        matches = compiled.get(text)
        if matches is None:
            if len(compiled) >= MAX_COMPILED:
                compiled.clear()
            matches = compiled[text] = searcher(kind, _computed(kind, text, source, compiler))
        return matches(ctx, subject)

    return match


def compile_items(kind: str, text: str, source: Source, compiler: Compiler) -> Items:
    """Every item of a list that is not expanded, *source* being all of its text. Raises `PolicyError`."""
    return _checked(_items(kind, text, source.where, compiler))


def _items(
    kind: str, text: str, where: Callable[[int], Where], compiler: Compiler
) -> Iterator[tuple[str, ListItem | PolicyError]]:
    """Each item as it is written, compiled, or what is wrong with it."""
    caseful = False
    for offset, item in cut(text):
        if item == "+caseful" and kind in CASEFUL:
            caseful = True
            continue
        try:
            yield item, compile_item(kind, item, where(offset), compiler, caseful)
        except PolicyError as error:
            yield item, error


def _checked(items: Iterable[tuple[str, ListItem | PolicyError]]) -> Items:
    """At load, all that is wrong is reported."""
    found = [item for _, item in items]
    problems = [problem for item in found if isinstance(item, PolicyError) for problem in item.problems]
    if problems:
        raise PolicyError(*problems)
    return Items.of(item for item in found if isinstance(item, ListItem))


def _computed(kind: str, text: str, source: Source, compiler: Compiler) -> Items:
    """While mail flows, a wrong item is one that cannot be decided; so is a file or a lookup of the client's choice."""
    controlled = compiler.flow.origin(parse(source, compiler.words))
    items = []
    for written, item in _items(kind, text, lambda _: source.where(), compiler.fresh()):
        if controlled and REACHES_OUT.match(written) and written not in source.text:
            refusal = f'"{written}" in a list comes from {controlled}, which the client controls'
            items.append(_broken(kind, PolicyError.at(source.where(), refusal)))
        else:
            items.append(_broken(kind, item) if isinstance(item, PolicyError) else item)
    return Items.of(items)


def compile_item(kind: str, item: str, where: Where, compiler: Compiler, caseful: bool = False) -> ListItem:
    """One item: a mode, a named list, a file, or a pattern of the kind's own."""
    if item in MODES and kind in ("host", "named_ip"):
        return ListItem(_nothing, mode=item)
    negated = item.startswith("!")
    if negated:
        item = item[1:].lstrip(BLANKS)
    if item.startswith("/"):
        return ListItem(_nothing, negated, lines=_file(kind, item, compiler, caseful))
    if item.startswith("+") and kind in ("ip", "named_ip"):
        return ListItem(_named_ip(item[1:], where, compiler), negated)
    if item.startswith("+") and kind != "string":
        return ListItem(_named(kind, item[1:], where, compiler), negated)
    return ListItem(pattern(kind, item, where, compiler, caseful), negated, key=key(kind, item, compiler))


def key(kind: str, item: str, compiler: Compiler) -> Key | None:
    """What the text of a pattern tells about the subjects that it can match."""
    found: Key | None = _kind(kind, compiler).traits["key"](item)
    return found


def pattern(kind: str, item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """What the vocabulary makes of an item of this kind. Raises `PolicyError`."""
    matcher: Matcher = _kind(kind, compiler).run(item, where, compiler, caseful)
    return matcher


def _kind(name: str, compiler: Compiler) -> Word:
    word = compiler.words.find(Kind.LIST, name)
    if word is None:
        raise ValueError(f"no such kind of list: {name}")
    return word


def _nothing(_: Context, __: Any) -> str | None:
    return None


def _named(kind: str, name: str, where: Where, compiler: Compiler) -> Matcher:
    compiler.list_references.append((kind, name, where))

    def match(ctx: Context, subject: Any) -> str | None:
        named = compiler.lists.get((kind, name))
        if named is None:  # in a text that was computed; all others were checked at load
            ctx.complain(f'unknown named {kind.replace("_", " ")} list "+{name}" ({where})')
            raise Defer("")
        return named.match(ctx, subject)

    return match


def _named_ip(name: str, where: Where, compiler: Compiler) -> Matcher:
    """A named host list, asked for an address that is nobody's in particular."""
    compiler.list_references.append(("host", name, where))
    compiled: list[Matcher] = []  # when it is first asked: now it may not have been read yet

    def match(ctx: Context, subject: Any) -> str | None:
        if not compiled:
            named = compiler.lists[("host", name)]
            compiled.append(compile_list("named_ip", Source.of(named.text, named.where.file), compiler.fresh()))
        return compiled[0](ctx, subject)

    return match


def lookup_matcher(item: str, where: Where, compiler: Compiler) -> Callable[[Any, str], str | None] | None:
    """For an item ``type;data``: a function from the key to what is found. None when it is not such an item."""
    type_text, semicolon, data = item.partition(";")
    if not semicolon:
        return None
    type_ = lookup.find_type(type_text.strip(BLANKS), where, compiler)
    data = data.strip(BLANKS)
    compiler.note(type_.word, where)
    if type_.is_query:
        return lambda ctx, _: lookup.query(ctx, type_, data)
    lookup.check_source(type_, data, where)
    return lambda ctx, key: lookup.find(ctx, type_, data, key)


# -- what is only known while mail flows


def _broken(kind: str, error: PolicyError) -> ListItem:
    """An item in which a mistake was found too late: in a host list it cannot be decided, elsewhere it defers."""
    problem = error.problems[0]

    def match(ctx: Context, _: Any) -> str | None:
        if kind in HOSTS:
            raise Unknown(problem.message)
        ctx.complain(f"{problem.message} ({problem.where})")
        raise Defer("")

    return ListItem(match)


def _file(kind: str, path: str, compiler: Compiler, caseful: bool) -> Callable[[Context], Items]:
    """Each line of a file is an item; the file is read again when it has changed."""
    last: list[tuple[str, Items]] = []
    reading = Lock()  # a long file takes a while: whoever else wants it waits for that

    def lines(ctx: Context) -> Items:
        text = ctx.read_file(path)
        if not last or last[0][0] is not text:
            with reading:
                if not last or last[0][0] is not text:
                    last[:] = [(text, _file_items(kind, path, text, compiler, caseful))]
        return last[0][1]

    return lines


def _file_items(kind: str, path: str, text: str, compiler: Compiler, caseful: bool) -> Items:
    """The lines, compiled when they are looked at."""
    found = list(_file_lines(text, hashes_are_comments=kind not in CASEFUL))

    @lru_cache(maxsize=MAX_COMPILED)
    def line(place: int) -> ListItem:
        number, written = found[place]
        return _line(kind, written, Where(path, number), compiler, caseful)

    return Items([key(kind, _bare(written), compiler) for _, written in found], line)


def _bare(line: str) -> str:
    """The pattern of a line that may be negated."""
    return line[1:].lstrip(BLANKS) if line.startswith("!") else line


def _line(kind: str, line: str, where: Where, compiler: Compiler, caseful: bool) -> ListItem:
    """A line of a file: a pattern, perhaps negated; a named list or another file has no place there."""
    negated, item = line.startswith("!"), _bare(line)
    try:
        match = pattern(kind, item, where, compiler.fresh(), caseful)
    except PolicyError as error:
        return replace(_broken(kind, error), negated=negated)
    if kind != "host":
        return ListItem(match, negated)

    def host(ctx: Context, subject: Any) -> str | None:
        value = match(ctx, subject)
        return item if value == "" else value

    return ListItem(host, negated)


def _file_lines(text: str, hashes_are_comments: bool) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        item = _uncommented(line, hashes_are_comments).strip(BLANKS)
        if item:
            yield number, item


def _uncommented(line: str, anywhere: bool) -> str:
    """A line without its comment. In address and local part lists ``#`` is data inside a word."""
    at = line.find("#")
    while at > 0 and not anywhere and line[at - 1] not in BLANKS:
        at = line.find("#", at + 1)
    return line if at < 0 else line[:at]
