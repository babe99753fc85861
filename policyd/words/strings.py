"""Operators and items that turn text into other text: parts of it, other letters, replacements."""

from __future__ import annotations

import re

from policyd.errors import ExpansionError
from policyd.language.again import expansion
from policyd.language.compiler import Compiler
from policyd.language.fields import whole_number
from policyd.language.marks import SECOND_EXPANSION, harmless, keeps_out
from policyd.language.patterns import compiled
from policyd.language.registry import COMPUTED, item, operator
from policyd.mail import octets
from policyd.transaction import Transaction

COUNT = re.compile(r"[0-9]+")
NUMBER = re.compile(r"[ \t\r\n\v\f]*([+-]?[0-9]+)|")  # what C's strtol reads; nothing is 0


@operator("lc")
def _lc(text: str) -> str:
    """ASCII letters in lower case."""
    return octets.lower(text)


@operator("uc")
def _uc(text: str) -> str:
    """ASCII letters in upper case."""
    return octets.upper(text)


@harmless
@operator("strlen")
def _strlen(text: str) -> str:
    """How many octets the text has."""
    return str(len(text))


# -- parts


def counts(name: str, arguments: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers after an operator's name: digits each, or nothing at all. Raises `ExpansionError`."""
    if arguments != ("",) and not all(map(COUNT.fullmatch, arguments)):
        raise ExpansionError(f'non-digit after underscore in "{"_".join((name, *arguments))}"')
    return tuple(whole_number(text) for text in arguments)


def numbers(name: str, texts: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers that an item was given: only the first may be negative. Raises `ExpansionError`."""
    values: list[int] = []
    for text in texts:
        found = NUMBER.fullmatch(text)
        value = whole_number((found[1] or "").removeprefix("+")) if found else -1
        if found is None or (values and value < 0):
            raise ExpansionError(f'"{text}" is not a{" positive" if values else ""} number (in "{name}" expansion)')
        values.append(value)
    return tuple(values)


def part(text: str, start: int, length: int | None = None) -> str:
    """*length* octets from *start*; a negative one counts from the end, and means all before it without *length*."""
    if start >= 0:
        return text[start:] if length is None else text[start : start + length]
    start += len(text)
    if start < 0:
        return text[: max((length or 0) + start, 0)]
    return text[:start] if length is None else text[start : start + length]


def _substr(text: str, *arguments: str) -> str:
    """``${substr_START_LENGTH:…}``: a part of the text, from octet START (0 is the first) on.

    A negative START counts from the end; without LENGTH it gives all that
    stands before that place. Also ``${s_…:…}``.
    """
    first, *rest = arguments
    start, *length = counts("substr", (first.removeprefix("-"), *rest))
    return part(text, -start if first.startswith("-") else start, *length)


def _length(text: str, argument: str) -> str:
    """``${length_N:…}``: the first N octets. Also ``${l_…:…}``."""
    return part(text, 0, *counts("length", (argument,)))


for _name in ("substr", "s"):
    operator(_name, arguments=(1, 2))(_substr)
for _name in ("length", "l"):
    operator(_name, arguments=(1, 1))(_length)


@item("substr", arguments=(2, 3))
def _substr_item(_: Transaction, *texts: str) -> str:
    """``${substr{START}{LENGTH}{text}}``, or without LENGTH: like the operator of this name."""
    return part(texts[-1], *numbers("substr", texts[:-1]))


@item("length", arguments=(2, 2))
def _length_item(_: Transaction, length: str, text: str) -> str:
    """``${length{N}{text}}``: the first N octets."""
    return part(text, *numbers("length", ("0", length)))


# -- other characters


@item("tr", arguments=(3, 3))
def _tr(_: Transaction, text: str, old: str, new: str) -> str:
    """``${tr{text}{abc}{xyz}}``: every ``a`` becomes ``x``, and so on. A short *new* repeats its last character."""
    if not new:
        return text
    return text.translate({ord(octet): new[min(at, len(new) - 1)] for at, octet in enumerate(old)})


@keeps_out(SECOND_EXPANSION, 2)
@item("sg", arguments=(3, 3), compiler=True, needs=COMPUTED)
def _sg(compiler: Compiler, tx: Transaction, text: str, pattern: str, replacement: str) -> str:
    """``${sg{text}{regex}{replacement}}``: every match replaced.

    The replacement is expanded for each of them: ``\\$1`` is what the first
    group captured.
    """
    frame = tx.frame
    saved = frame.captures

    def replaced(captures: tuple[str, ...]) -> str:
        if tx.expired():
            raise ExpansionError("the time for this phase is over")
        frame.captures = captures
        return expansion(replacement, compiler)(tx)

    try:
        return compiled(pattern).substitute(text, replaced)
    finally:
        frame.captures = saved


@keeps_out(SECOND_EXPANSION, 0)
@operator("expand", compiler=True, needs=f"body {COMPUTED}")
def _expand(compiler: Compiler, tx: Transaction, text: str) -> str:
    """The text, expanded once more."""
    try:
        return expansion(text, compiler)(tx)
    except ExpansionError as error:
        raise ExpansionError(f'internal expansion of "{text}" failed: {error}') from None
