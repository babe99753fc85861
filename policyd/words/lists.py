"""Items, operators and conditions for lists: texts between colons, or whatever stands after a first ``<``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from policyd.errors import Defer, ExpansionError, inside
from policyd.language.closures import Check, Text, bounded
from policyd.language.compiler import Compiler
from policyd.language.cutting import cut, separator_of
from policyd.language.fields import whole_number
from policyd.language.json_text import array, string
from policyd.language.marks import harmless
from policyd.language.registry import item, operator, test
from policyd.language.source import BLANKS
from policyd.mail.octets import lower
from policyd.transaction import Transaction
from policyd.words.arithmetic import integer
from policyd.words.comparisons import caseless

INDEX = re.compile(r"-?[0-9]*")
COMPARATOR = re.compile(r"[<>]=?|[A-Za-z0-9_]*")
LIST_KINDS = {"a": "address", "d": "domain", "h": "host", "l": "local_part"}


def items(text: str) -> list[str]:
    """The items of a list."""
    return [found for _, found in cut(text)]


def built(texts: Iterable[str], separator: str) -> str:
    """A list of *texts*: the separator is doubled in them, and a blank goes before one that begins with it."""
    parts: list[str] = []
    for text in texts:
        blank = " " if parts and (not text or text.startswith(separator)) else ""
        parts.append(blank + text.replace(separator, separator * 2))
    return bounded(separator.join(parts))


def walk(tx: Transaction, texts: Iterable[str]) -> Iterator[str]:
    """Each text in turn as ``$item``. Raises `Defer` when the time for this phase is over."""
    frame = tx.frame
    saved = frame.item
    try:
        for text in texts:
            if tx.expired():
                raise Defer("the time for this phase is over")
            frame.item = text
            yield text
    finally:
        frame.item = saved


# -- all items of a list


@item("map", arguments=(2, 2), shape=("text", "lazy"))
def _map(tx: Transaction, text: str, expression: Text) -> str:
    """``${map{list}{expression}}``: a list of what the expression gives for each ``$item``."""
    with inside('"map" item'):
        return built([expression(tx) for _ in walk(tx, items(text))], separator_of(text)[0])


@item("filter", arguments=(2, 2), shape=("text", "test"))
def _filter(tx: Transaction, text: str, condition: Check) -> str:
    """``${filter{list}{condition}}``: the items for which the condition, of ``$item``, is true."""
    with inside('"filter" condition'):
        return built([found for found in walk(tx, items(text)) if condition(tx)], separator_of(text)[0])


@item("reduce", arguments=(3, 3), shape=("text", "text", "lazy"))
def _reduce(tx: Transaction, text: str, start: str, expression: Text) -> str:
    """``${reduce{list}{start}{expression}}``: the last of what the expression gives for each ``$item``.

    In it, ``$value`` is what it gave for the item before, and *start* for the first.
    """
    frame = tx.frame
    saved, frame.value = frame.value, start
    try:
        with inside('"reduce" item'):
            for _ in walk(tx, items(text)):
                frame.value = expression(tx)
        return frame.value
    finally:
        frame.value = saved


Before = Callable[[str, str], bool]

BEFORE: dict[str, Before] = {
    "<": lambda left, right: integer(left) < integer(right),
    "<=": lambda left, right: integer(left) <= integer(right),
    ">": lambda left, right: integer(left) > integer(right),
    ">=": lambda left, right: integer(left) >= integer(right),
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lti": lambda left, right: caseless(left, right) < 0,
    "lei": lambda left, right: caseless(left, right) <= 0,
    "gti": lambda left, right: caseless(left, right) > 0,
    "gei": lambda left, right: caseless(left, right) >= 0,
}
"""What ``sort`` can go by: whether the first text comes before the second."""


@item("sort", arguments=(3, 3), shape=("text", "raw", "lazy"))
def _sort(tx: Transaction, text: str, comparator: str, extractor: Text) -> str:
    """``${sort{list}{comparator}{extractor}}``: the items in the order of what the extractor gives for each ``$item``.

    The comparator is ``<``, ``<=``, ``>``, ``>=`` for numbers, and ``lt``, ``le``, ``gt``, ``ge``, or the same
    with an ``i`` for no case, for texts.
    """
    found = COMPARATOR.match(comparator)
    before = BEFORE.get(found[0] if found else "")
    if before is None:
        raise ExpansionError("comparator not handled for sort")
    keys: list[str] = []
    ordered: list[str] = []
    for text_of_item in walk(tx, items(text)):
        key = _extracted(tx, extractor)
        at = next((at for at, other in enumerate(keys) if before(key, other)), len(keys))
        keys.insert(at, key)
        ordered.insert(at, text_of_item)
    return built(ordered, separator_of(text)[0])


def _extracted(tx: Transaction, extractor: Text) -> str:
    text = extractor(tx)
    if not text:
        raise ExpansionError('field-extract in sort: ""')
    return text


# -- conditions about all items


def _each(tx: Transaction, texts: Iterable[str], condition: Check, name: str) -> Iterator[bool]:
    """What the condition, of `name`, says of each text."""
    for _ in walk(tx, texts):
        with inside(f'"{name}" condition'):
            answer = condition(tx)
        yield answer


def _all(answers: Iterable[bool]) -> bool:
    """Not true of nothing: Exim has it so."""
    answer = False
    for answer in answers:
        if not answer:
            break
    return answer


def _strings(text: str) -> Iterator[str]:
    return (string(element) for element in array(text))


def _quantifier(name: str, texts: Callable[[str], Iterable[str]], what: str) -> None:
    def some(tx: Transaction, text: str, condition: Check) -> bool:
        return any(_each(tx, texts(text), condition, f"forany{name}"))

    def every(tx: Transaction, text: str, condition: Check) -> bool:
        return _all(_each(tx, texts(text), condition, f"forall{name}"))

    some.__doc__ = f"Whether the condition is true of at least one ``$item``: {what}."
    every.__doc__ = f"Whether the condition is true of every ``$item``, and there are some: {what}."
    test(f"forany{name}", arguments=2, shape=("text", "test"))(some)
    test(f"forall{name}", arguments=2, shape=("text", "test"))(every)


_quantifier("", items, "the items of a list")
_quantifier("_json", array, "the elements of a JSON array, as they are written")
_quantifier("_jsons", _strings, "the strings of a JSON array, without their quotes")


@test("inlist", arguments=2)
def _inlist(tx: Transaction, text: str, texts: str) -> bool:
    """Whether a text is one of the items of a list, which is then ``$value``."""
    return _found(tx, text, texts, str)


@test("inlisti", arguments=2)
def _inlisti(tx: Transaction, text: str, texts: str) -> bool:
    """Whether a text is one of the items of a list, letters compared without case; the item is then ``$value``."""
    return _found(tx, text, texts, lower)


def _found(tx: Transaction, text: str, texts: str, key: Callable[[str], str]) -> bool:
    for found in items(texts):
        if key(found) == key(text):
            tx.frame.value = found
            return True
    return False


# -- single items


@item("listextract", arguments=(2, 2), tail=True)
def _listextract(_: Transaction, index: str, text: str) -> str | None:
    """``${listextract{N}{list}}``: item N of a list, from 1; negative numbers count from the end."""
    index = index.strip(BLANKS)
    if not index:
        raise ExpansionError('first argument of "listextract" must not be empty')
    if not INDEX.fullmatch(index):
        raise ExpansionError('first argument of "listextract" must be numeric')
    number, found = whole_number(index), items(text)
    if number == 0 or abs(number) > len(found):
        return None
    return found[number - 1 if number > 0 else number]


@item("listquote", arguments=(2, 2))
def _listquote(_: Transaction, separator: str, text: str) -> str:
    """``${listquote{separator}{text}}``: the text as an item of a list with this separator, which is doubled in it."""
    if not text or not separator:
        return text or " "
    return text.replace(separator[0], separator[0] * 2)


@harmless
@operator("listcount")
def _listcount(text: str) -> str:
    """How many items a list has."""
    return str(len(items(text)))


@operator("listnamed", arguments=(0, 1), compiler=True)
def _listnamed(compiler: Compiler, _: Transaction, name: str, kind: str | None = None) -> str:
    """``${listnamed_d:NAME}``: the items of a named list, those of lists that it names among them.

    The letter is the kind: ``a`` address, ``d`` domain, ``h`` host, ``l`` local
    part; without it the first list of this name is meant.
    """
    if kind is not None and kind[:1] not in LIST_KINDS:
        raise ExpansionError('bad suffix on "list" operator')
    kinds = [LIST_KINDS[kind[0]]] if kind else list(LIST_KINDS.values())
    return " : ".join(_named(compiler, name, kinds, depth=0))


MAX_NESTED_LISTS = 20


def _named(compiler: Compiler, name: str, kinds: list[str], depth: int) -> Iterator[str]:
    name = name.removeprefix("+")
    known = (compiler.lists.get((kind, name)) for kind in kinds)
    found = next((entry for entry in known if entry is not None), None)
    if found is None:
        kind = f"{kinds[0].replace('_', ' ')} " if len(kinds) == 1 else ""
        raise ExpansionError(f'"{name}" is not a named {kind}list')
    if depth > MAX_NESTED_LISTS:
        raise ExpansionError(f'the list "{name}" holds itself')
    for text in items(found.text):
        if text.startswith("+"):
            yield from _named(compiler, text, kinds, depth + 1)
        else:
            yield text.replace(":", "::")
