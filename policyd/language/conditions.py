"""The grammar of ``${if``: conditions to trees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from policyd.language.registry import Kind, Word
from policyd.language.syntax import Argument, Comparison, Defined, Every, Not, Some, Test

if TYPE_CHECKING:
    from policyd.language.parser import Parser

NAME = re.compile(r"[<>=]=?|[A-Za-z0-9_]*")
NAMED = re.compile(r"[A-Za-z0-9_]")
SHOWN = 16  # octets of what stands in the place of a condition


def condition(parser: Parser) -> Test:
    """One condition, with the ``!`` before it."""
    negated = False
    parser.blanks()
    while parser.peek() == "!":
        negated = not negated
        parser.at += 1
        parser.blanks()
    test = _positive(parser)
    return Not(test) if negated else test


def _positive(parser: Parser) -> Test:
    start = parser.at
    name = parser.match(NAME)
    if name == "def":
        return _defined(parser, start)
    if name in ("and", "or"):
        tests = _tests(parser, name)
        return Every(tests) if name == "and" else Some(tests)
    word = parser.words.find(Kind.TEST, name)
    if word is None:
        raise parser.error(*_unknown(parser, name), at=start)
    parser.blanks()
    arguments = _grouped(parser, word) if word.traits["group"] else _arguments(parser, word)
    return Comparison(word, arguments, parser.source.where(start))


def _unknown(parser: Parser, name: str) -> tuple[str, str]:
    """What is wrong, and what to write instead."""
    if not name:
        shown = parser.text[parser.at : parser.at + SHOWN]
        return f'condition name expected, but found "{shown}"', "a condition such as eq, match or def"
    hint = parser.words.refusal(Kind.TEST, name) or parser.words.nearest(name, Kind.TEST)
    return f'unknown condition "{name}"', hint or "a condition such as eq, match or def"


def _arguments(parser: Parser, word: Word) -> tuple[Argument, ...]:
    """``{…}{…}``: exactly as many as the condition takes."""
    arguments: list[Argument] = []
    for number in range(word.arity[1]):
        parser.blanks()
        if parser.peek() != "{":
            second = "2nd string in {}" if number and "test" not in word.shape else "{"
            raise parser.error(f'missing {second} after "{word.name}"')
        arguments.append(parser.argument(word, number))
    return tuple(arguments)


def _grouped(parser: Parser, word: Word) -> tuple[Argument, ...]:
    """``{{…}{…}}``: one pair of braces around them all."""
    _open(parser, word.name)
    arguments = parser.arguments(word)
    parser.no_more(word)
    return arguments


def _open(parser: Parser, name: str) -> None:
    if parser.peek() != "{":
        raise parser.error(f'missing {{ after "{name}"')
    parser.at += 1


def _defined(parser: Parser, start: int) -> Defined:
    if parser.peek() != ":":
        raise parser.error('":" expected after "def"')
    parser.at += 1
    if not NAMED.match(parser.text, parser.at):
        raise parser.error('variable name omitted after "def:"', at=start)
    return Defined(parser.variable(parser.at, 'unknown variable "{}" after "def:"'))


def _tests(parser: Parser, name: str) -> tuple[Test, ...]:
    parser.blanks()
    _open(parser, name)
    tests = []
    parser.blanks()
    while parser.peek() != "}":
        if parser.peek() != "{":
            raise parser.error(f'each subcondition inside an "{name}{{...}}" condition must be in its own {{}}')
        tests.append(
            parser.braced_test(f'"{name}{{...}}" condition', f'missing }} at end of condition inside "{name}" group')
        )
        parser.blanks()
    parser.at += 1
    return tuple(tests)
