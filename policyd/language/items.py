"""The grammar of the ``${…}`` items whose syntax is their own; all others are words of the vocabulary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from policyd.language import conditions
from policyd.language.escapes import unescape
from policyd.language.registry import Kind
from policyd.language.source import Piece, Source
from policyd.language.syntax import Command, Extract, If, Item, Lookup, Node

if TYPE_CHECKING:
    from policyd.language.parser import Parser

MAX_EXTRACT_ARGUMENTS = 5  # key or number, separators, text, yes, no
FORMAT = re.compile(r"(?:jsons?)?")
LOOKUP_TYPE = re.compile(r"(?:[A-Za-z][^ \t\r\n\v\f{]*)?")
RUN_OPTIONS = re.compile(r"(?:,preexpand)*")
WORD = re.compile(r"""'([^']*)'?|"((?:[^"\\]|\\.)*\\?)"?|([^ \t\r\n\v\f]+)""", re.DOTALL)
QUOTED = 2  # the group that holds a word in double quotes


def _if(parser: Parser, _: int) -> If:
    parser.blanks()
    test = parser.nested(lambda: conditions.condition(parser))
    return If(test, parser.tail("if"))


def _extract(parser: Parser, start: int) -> Extract:
    """``${extract[ json[s]]{…}{…}…}``: what the arguments are is only known when it runs."""
    parser.blanks()
    form = parser.match(FORMAT)
    parser.blanks()
    arguments: list[Node] = []
    while len(arguments) < MAX_EXTRACT_ARGUMENTS and parser.peek() == "{":
        arguments.append(parser.braced_string())
        parser.blanks()
    if len(arguments) < 2:
        raise parser.error(f"missing '{{' for arg {len(arguments) + 1} of extract")
    if len(arguments) == 2 and not parser.text.startswith(("}", "fail"), parser.at):
        raise parser.error(parser.rest("'yes' part did not start with '{'"))
    fail = parser.fail_word("extract")
    parser.close(parser.rest("did not close with '}'"))
    return Extract(form, tuple(arguments), fail, parser.source.where(start))


def _lookup(parser: Parser, _: int) -> Lookup:
    """``${lookup[{key}] type[,options]{file or query}…}``."""
    parser.blanks()
    key = None
    if parser.peek() == "{":
        key = parser.braced_string()
        parser.blanks()
    at = parser.at
    name = parser.match(LOOKUP_TYPE)
    if not name:
        raise parser.error("missing lookup type", "a lookup type such as lsearch", at=at)
    parser.blanks()
    if parser.peek() != "{":
        raise parser.error("missing '{' for lookup file-or-query arg")
    subject = parser.braced_string()
    return Lookup(name, key, subject, parser.tail("lookup"), parser.source.where(at))


def _run(parser: Parser, start: int) -> Item:
    """``${run[,preexpand]{command}…}``: cut into words before anything in it is expanded, or after."""
    word = parser.words.find(Kind.ITEM, "run")
    assert word is not None
    options = parser.match(RUN_OPTIONS)
    parser.blanks()
    if parser.peek() != "{":
        raise parser.error("missing '{' for command arg of run", "${run{command}} or ${run,preexpand{command}}")
    begin = parser.at + 1
    whole = parser.braced_string()
    written = parser.source.cut(begin, parser.at - 1)
    parts = (whole,) if options else tuple(parser.again(part) for part in words(written))
    return Item(word, (Command(parts, bool(options)),), parser.tail("run"), parser.source.where(start))


def words(command: Source) -> Iterator[Source]:
    """The words of a command line as it is written; quotes group, and backslashes escape in double ones."""
    for found in WORD.finditer(command.text):
        group = found.lastindex or 0
        word = command.cut(*found.span(group))
        if group == QUOTED and "\\" in word.text:
            word = Source(unescape(word.text), (Piece(0, word.where(), exact=False),))
        yield word


SPECIAL: dict[str, Callable[[Parser, int], Node]] = {
    "if": _if,
    "extract": _extract,
    "lookup": _lookup,
    "run": _run,
}
