"""String expansions: text → tree, by Exim's lexical rules.

One method per production. The cursor is an offset into the `Source`, so that
every error knows its file, line and column.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from policyd.errors import PolicyError
from policyd.language.registry import Kind, Vocabulary, Word
from policyd.language.source import BLANKS, Source
from policyd.language.syntax import (
    Argument,
    Capture,
    Comparison,
    Defined,
    Every,
    Extract,
    If,
    Item,
    Join,
    Literal,
    Lookup,
    Node,
    Not,
    Operator,
    Some,
    Tail,
    Test,
    Variable,
)

T = TypeVar("T")

MAX_DEPTH = 120
"""Nesting of braces. A tree of this depth compiles and runs well inside Python's recursion limit."""
MAX_EXTRACT_ARGUMENTS = 5  # key or number, separators, text, yes, no

LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
NAME = re.compile(r"[A-Za-z0-9_]*")
BRACED_NAME = re.compile(r"[A-Za-z0-9_-]*")
TEST_NAME = re.compile(r"[<>=]{1,2}|[A-Za-z0-9_]*")
HEADER_NAME = re.compile(r"[!-9;-~]*")  # printable, but no colon
LOOKUP_TYPE = re.compile(r"[^ \t\r\n\v\f{]*")
DIGITS = re.compile(r"[0-9]+")
PLAIN = re.compile(r"[^\\$}]+")
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{0,2})|(.))", re.DOTALL)


def parse(source: Source, words: Vocabulary) -> Node:
    """The tree of a whole string. Raises `PolicyError` at the character that is wrong."""
    return Parser(source, words).string()


def unescape(text: str) -> str:
    """Backslash escapes resolved and nothing else: a text whose dollars are plain. Never raises."""
    return ESCAPE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    octal, hexadecimal, other = found.groups()
    if octal:
        return chr(int(octal, 8) & 0xFF)
    if hexadecimal is not None:
        return chr(int(hexadecimal or "0", 16))
    return ESCAPES.get(other, other)


class Parser:
    """A cursor over one `Source`."""

    def __init__(self, source: Source, words: Vocabulary) -> None:
        self.source = source
        self.text = source.text
        self.words = words
        self.at = 0
        self.depth = 0

    # -- strings

    def string(self, braced: bool = False, dollars: bool = True) -> Node:
        """Text up to the end, or (*braced*) up to the closing brace, which is not consumed."""
        parts: list[Node] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "}" and braced:
                break
            if character == "$" and dollars:
                parts.append(self._dollar())
            else:
                parts.append(Literal(self._plain(character)))
        return _joined(parts)

    def _plain(self, character: str) -> str:
        if character == "\\":
            return self._backslash()
        found = PLAIN.match(self.text, self.at)
        end = found.end() if found else self.at + 1
        text, self.at = self.text[self.at : end], end
        return text

    def _backslash(self) -> str:
        if self.at + 1 >= len(self.text):
            raise self._error("\\ at end of string", "a character after it; \\\\ stands for one backslash")
        if self.text[self.at + 1] == "N":
            return self._verbatim()
        found = ESCAPE.match(self.text, self.at)
        if found is None:  # cannot be: the pattern matches any character
            raise self._error("malformed escape")
        self.at = found.end()
        return _escaped(found)

    def _verbatim(self) -> str:
        start = self.at + 2
        end = self.text.find("\\N", start)
        self.at = len(self.text) if end < 0 else end + 2
        return self.text[start:] if end < 0 else self.text[start:end]

    # -- after a dollar

    def _dollar(self) -> Node:
        start = self.at
        self.at += 1
        following = self.text[self.at : self.at + 1]
        if following in LETTERS:
            return self._variable(start)
        if following.isascii() and following.isdigit():
            return Capture(self._number())
        if following == "{":
            return self._nested(self._braced)
        raise self._error("$ not followed by letter, digit, or {", "\\$ stands for a plain dollar", at=start)

    def _number(self) -> int:
        found = DIGITS.match(self.text, self.at)
        digits = found.group() if found else ""
        self.at += len(digits)
        return int(digits[:9] or "0")

    def _variable(self, start: int) -> Variable:
        name = self._match(NAME)
        prefix = self._prefix(name)
        if prefix is not None:
            rest = name.partition("_")[2] + self._match(HEADER_NAME)
            self.at += self.text.startswith(":", self.at)
            return Variable(prefix, rest, self.source.where(start))
        return self._known_variable(name, start)

    def _prefix(self, name: str) -> Word | None:
        head, underscore, _ = name.partition("_")
        return self.words.find(Kind.PREFIX, head + underscore) if underscore else None

    def _known_variable(self, name: str, start: int) -> Variable:
        word = self.words.find(Kind.VARIABLE, name)
        if word is None and name[:5] in ("acl_c", "acl_m") and name[5:6] not in LETTERS:
            word = self.words.find(Kind.PREFIX, name[:5])
        if word is None:
            raise self._error(f'unknown variable name "{name}"', self.words.nearest(name, Kind.VARIABLE), at=start)
        return Variable(word, name, self.source.where(start))

    def _braced(self) -> Node:
        start = self.at - 1
        self.at += 1
        if self._looks_like(DIGITS):
            number = self._number()
            self._close(f"${{{number}")
            return Capture(number)
        name = self._match(BRACED_NAME)
        special = SPECIAL.get(name)
        if special is not None:
            return special(self, start)
        word = self.words.find(Kind.ITEM, name)
        if word is not None:
            return self._item(word, start)
        if self._peek() == ":":
            return self._operator(name, start)
        if self._peek() == "}":
            self.at += 1
            return self._known_variable(name, start)
        raise self._unknown(name, start)

    def _unknown(self, name: str, start: int) -> PolicyError:
        kinds = (Kind.ITEM, Kind.OPERATOR, Kind.VARIABLE)
        nearest = self.words.nearest(name, *kinds)
        return self._error(
            f'"${{{name}" is not a known operator (or a }} is missing in a variable reference)', nearest, at=start
        )

    def _operator(self, name: str, start: int) -> Operator:
        word = self.words.find(Kind.OPERATOR, name)
        arguments: tuple[str, ...] = ()
        if word is None:
            head, *rest = name.split("_")
            word, arguments = self.words.find(Kind.OPERATOR, head), tuple(rest)
        if word is None:
            nearest = self.words.nearest(name.partition("_")[0], Kind.OPERATOR, Kind.ITEM)
            raise self._error(f'unknown expansion operator "{name}"', nearest, at=start)
        if not word.arity[0] <= len(arguments) <= word.arity[1]:
            raise self._error(f'wrong number of arguments for operator "{word.name}"', _arity(word), at=start)
        self.at += 1
        subject = self.string(braced=True)
        self._close(f"${{{name}:")
        return Operator(word, arguments, subject, self.source.where(start))

    def _item(self, word: Word, start: int) -> Item:
        self._blanks()
        arguments = self._arguments(word)
        tail = None
        if word.traits["tail"]:
            tail = self._tail(word.name)
        elif self._peek() == "{":
            raise self._error(f"Too many arguments for '{word.name}' (max is {word.arity[1]})")
        else:
            self._close(word.name)
        return Item(word, arguments, tail, self.source.where(start))

    def _arguments(self, word: Word) -> tuple[Argument, ...]:
        """The braced arguments of an item: at most what it takes; blanks after each are swallowed."""
        least, most = word.arity
        arguments: list[Argument] = []
        while len(arguments) < most and self._peek() == "{":
            arguments.append(self._argument(word.shape_of(len(arguments))))
            self._blanks()
        if len(arguments) < least:
            raise self._error(f"Not enough arguments for '{word.name}' (min is {least})")
        return tuple(arguments)

    def _argument(self, shape: str) -> Argument:
        if shape == "test":
            return self._braced_test()
        return self._braced_string(dollars=shape != "raw")

    def _braced_string(self, dollars: bool = True) -> Node:
        self.at += 1
        node = self._nested(lambda: self.string(braced=True, dollars=dollars))
        self._close("an argument")
        return node

    def _braced_test(self) -> Test:
        self.at += 1
        test = self._nested(self.test)
        self._blanks()
        self._close("a condition")
        return test

    # -- items with a syntax of their own

    def _if(self, _start: int) -> If:
        self._blanks()
        test = self._nested(self.test)
        return If(test, self._tail("if"))

    def _extract(self, start: int) -> Extract:
        self._blanks()
        arguments: list[Node] = []
        while len(arguments) < MAX_EXTRACT_ARGUMENTS and self._peek() == "{":
            arguments.append(self._braced_string())
            self._blanks()
        if len(arguments) < 2:
            raise self._error(f"missing '{{' for arg {len(arguments) + 1} of extract")
        fail = self._fail_word("extract")
        self._close("extract")
        return Extract(tuple(arguments), fail, self.source.where(start))

    def _lookup(self, start: int) -> Lookup:
        self._blanks()
        key = None
        if self._peek() == "{":
            key = self._braced_string()
            self._blanks()
        at = self.at
        name = self._match(LOOKUP_TYPE)
        if not name or name[0] not in LETTERS:
            raise self._error("missing lookup type", "a lookup type such as lsearch", at=at)
        self._blanks()
        if self._peek() != "{":
            raise self._error("missing '{' for lookup file-or-query arg")
        subject = self._braced_string()
        return Lookup(name, key, subject, self._tail("lookup"), self.source.where(at))

    def _tail(self, name: str) -> Tail:
        """``{yes}{no}}``: the strings after an item, and its closing brace."""
        yes = no = None
        fail = False
        self._blanks()
        if self._peek() not in "{}":
            raise self._error(f"\"{name}\" item: 'yes' part did not start with '{{'")
        if self._peek() == "{":
            yes = self._braced_string()
            self._blanks()
            if self._peek() == "{":
                no = self._braced_string()
            else:
                fail = self._fail_word(name)
        self._blanks()
        self._close(name)
        return Tail(name, yes, no, fail)

    def _fail_word(self, name: str) -> bool:
        if self._peek() in ("", "}"):
            return False
        at = self.at
        if self._match(NAME) != "fail":
            raise self._error(f'syntax error in "{name}" item - "fail" expected', at=at)
        self._blanks()
        return True

    # -- conditions

    def test(self) -> Test:
        """One condition of ``${if``, with the ``!`` before it."""
        negated = False
        self._blanks()
        while self._peek() == "!":
            negated = not negated
            self.at += 1
            self._blanks()
        test = self._positive_test()
        return Not(test) if negated else test

    def _positive_test(self) -> Test:
        start = self.at
        name = self._match(TEST_NAME)
        if name == "def":
            return self._defined(start)
        if name in ("and", "or"):
            tests = self._tests(name)
            return Every(tests) if name == "and" else Some(tests)
        word = self.words.find(Kind.TEST, name)
        if word is None:
            what = f'unknown condition "{name}"' if name else "a condition name is missing"
            nearest = self.words.nearest(name, Kind.TEST) if name else ""
            raise self._error(what, nearest or "a condition such as eq, match or def", at=start)
        self._blanks()
        return Comparison(word, self._test_arguments(word), self.source.where(start))

    def _test_arguments(self, word: Word) -> tuple[Argument, ...]:
        if word.traits.get("group"):  # {{…}{…}}: one pair of braces around them all
            if self._peek() != "{":
                raise self._error(f'missing {{ in string being expanded, after "{word.name}"')
            self.at += 1
            self._blanks()
            grouped = self._arguments(word)
            self._close(word.name)
            return grouped
        arguments: list[Argument] = []
        for number in range(word.arity[1]):
            self._blanks()
            if self._peek() != "{":
                ordinal = "1st" if number == 0 else "2nd"
                raise self._error(f'missing {ordinal} string in {{}} after "{word.name}"')
            arguments.append(self._argument(word.shape_of(number)))
        return tuple(arguments)

    def _defined(self, start: int) -> Defined:
        if self._peek() != ":":
            raise self._error('":" expected after "def"')
        self.at += 1
        name_at = self.at
        name = self.text[name_at : name_at + 1]
        if name not in LETTERS:
            raise self._error('a variable name is missing after "def:"', at=start)
        return Defined(self._variable(name_at))

    def _tests(self, name: str) -> tuple[Test, ...]:
        self._blanks()
        if self._peek() != "{":
            raise self._error(f'missing {{ after "{name}"')
        self.at += 1
        tests = []
        self._blanks()
        while self._peek() != "}":
            if self._peek() != "{":
                raise self._error(f'each subcondition inside an "{name}{{...}}" condition must be in its own {{}}')
            tests.append(self._braced_test())
            self._blanks()
        self.at += 1
        return tuple(tests)

    # -- the cursor

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _looks_like(self, pattern: re.Pattern[str]) -> bool:
        return pattern.match(self.text, self.at) is not None

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        text = found.group() if found else ""
        self.at += len(text)
        return text

    def _blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in BLANKS:
            self.at += 1

    def _close(self, after: str) -> None:
        if self._peek() != "}":
            raise self._error(f"missing '}}' after '{after}'")
        self.at += 1

    def _nested(self, production: Callable[[], T]) -> T:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} deep")
        node = production()
        self.depth -= 1
        return node

    def _error(self, message: str, expected: str = "", at: int | None = None) -> PolicyError:
        return self.source.error(self.at if at is None else at, message, expected)


def _joined(parts: list[Node]) -> Node:
    """One node for all parts; neighbouring literals become one."""
    merged: list[Node] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Literal) and isinstance(last, Literal):
            merged[-1] = Literal(last.text + part.text)
        else:
            merged.append(part)
    if len(merged) == 1:
        return merged[0]
    return Join(tuple(merged)) if merged else Literal("")


def _arity(word: Word) -> str:
    least, most = word.arity
    if most == 0:
        return f"${{{word.name}:…}} takes none"
    return f"it takes {least}" if least == most else f"it takes {least} to {most}"


SPECIAL: dict[str, Callable[[Parser, int], Node]] = {
    "if": Parser._if,
    "extract": Parser._extract,
    "lookup": Parser._lookup,
}
"""Items whose syntax is their own; all others are words of the vocabulary."""
