"""String expansions: text → tree, by Exim's lexical rules.

One method per production. The cursor is an offset into the `Source`, so that
every error knows its file, line and column. Conditions are read by
`policyd.language.conditions`, items with a syntax of their own by
`policyd.language.items`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from policyd.errors import PolicyError, inside
from policyd.language import conditions, items
from policyd.language.complaints import (
    ARGUMENTS,
    YES_OR_NO,
    about_acl_variables,
    arity,
    missing,
    unclosed,
    wrong_number,
)
from policyd.language.escapes import ESCAPE, octet
from policyd.language.limits import MAX_DEPTH
from policyd.language.registry import Kind, Vocabulary, Word
from policyd.language.source import BLANKS, Source
from policyd.language.syntax import (
    Argument,
    Capture,
    Item,
    Join,
    Literal,
    Node,
    Operator,
    Tail,
    Test,
    Variable,
)

T = TypeVar("T")

LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
NAME = re.compile(r"[A-Za-z0-9_]*")
BRACED_NAME = re.compile(r"[A-Za-z0-9_-]*")
HEADER_NAME = re.compile(r"[!-9;-~]*")  # printable, but no colon
DIGITS = re.compile(r"[0-9]+")
PLAIN = re.compile(r"[^\\$}]+")


def parse(source: Source, words: Vocabulary) -> Node:
    """The tree of a whole string. Raises `PolicyError` at the character that is wrong."""
    return Parser(source, words).string()


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

    def braced_string(self, dollars: bool = True) -> Node:
        """``{…}`` with a string in it; the cursor is at the brace."""
        self.at += 1
        node = self.nested(lambda: self.string(braced=True, dollars=dollars))
        self.close("missing } at end of string")
        return node

    def braced_test(self, within: str, otherwise: str) -> Test:
        """``{…}`` with a condition in it; the cursor is at the brace. Errors say *within* what, or *otherwise*."""
        self.at += 1
        with inside(within):
            test = self.nested(lambda: conditions.condition(self))
        self.blanks()
        self.close(otherwise)
        return test

    def _plain(self, character: str) -> str:
        if character == "\\":
            return self._backslash()
        found = PLAIN.match(self.text, self.at)
        end = found.end() if found else self.at + 1
        text, self.at = self.text[self.at : end], end
        return text

    def _backslash(self) -> str:
        if self.text.startswith("N", self.at + 1):
            return self._verbatim()
        found = ESCAPE.match(self.text, self.at)
        if found is None:
            raise self.error("\\ at end of string", "a character after it; \\\\ stands for one backslash")
        self.at = found.end()
        return octet(found)

    def _verbatim(self) -> str:
        start = self.at + 2
        end = self.text.find("\\N", start)
        self.at = len(self.text) if end < 0 else end + 2
        return self.text[start:] if end < 0 else self.text[start:end]

    # -- after a dollar

    def _dollar(self) -> Node:
        start = self.at
        self.at += 1
        following = self.peek()
        if following in LETTERS:
            return self.variable(start)
        if DIGITS.match(self.text, self.at):
            return Capture(self._number())
        if following == "{":
            return self.nested(self._braced)
        raise self.error("$ not followed by letter, digit, or {", "\\$ stands for a plain dollar", at=start)

    def _number(self) -> int:
        return int(self.match(DIGITS)[:9])

    def variable(self, start: int, unknown: str = 'unknown variable name "{}"') -> Variable:
        """A variable or a header; the cursor is at its name. An error is shown at *start*, and says *unknown*."""
        name = self.match(NAME)
        prefix = self._prefix(name)
        if prefix is not None:
            rest = name.partition("_")[2] + self.match(HEADER_NAME)
            self.at += self.text.startswith(":", self.at)
            return Variable(prefix, rest, self.source.where(start))
        return self._known_variable(name, start, unknown.format(name))

    def _prefix(self, name: str) -> Word | None:
        head, underscore, _ = name.partition("_")
        return self.words.find(Kind.PREFIX, head + underscore) if underscore else None

    def _known_variable(self, name: str, start: int, unknown: str) -> Variable:
        word = self.words.find(Kind.VARIABLE, name)
        if word is None and name[:5] in ("acl_c", "acl_m") and name[5:6] not in LETTERS:
            word = self.words.find(Kind.PREFIX, name[:5])
        if word is None:
            raise self.error(unknown + about_acl_variables(name), self._hint(name, Kind.VARIABLE), at=start)
        return Variable(word, name, self.source.where(start))

    def _braced(self) -> Node:
        start = self.at - 1
        self.at += 1
        if DIGITS.match(self.text, self.at):
            number = self._number()
            self.close("} expected after number")
            return Capture(number)
        if self.peek() not in LETTERS:
            raise self.error("letter or digit expected after ${", at=start)
        name = self.match(BRACED_NAME)
        special = items.SPECIAL.get(name)
        if special is not None:
            return special(self, start)
        word = self.words.find(Kind.ITEM, name)
        if word is not None:
            return self._item(word, start)
        refusal = self.words.refusal(Kind.ITEM, name)
        if refusal:
            raise self.error(f"${{{name}}} is not offered", refusal, at=start)
        if self.peek() == ":":
            return self._operator(name, start)
        if self.peek() == "}":
            self.at += 1
            return self._known_variable(name, start, f'unknown variable in "${{{name}}}"')
        what = f'"${{{name}" is not a known operator (or a }} is missing in a variable reference)'
        raise self.error(what, self._hint(name, Kind.ITEM, Kind.OPERATOR, Kind.VARIABLE), at=start)

    def _operator(self, name: str, start: int) -> Operator:
        word = self.words.find(Kind.OPERATOR, name)
        arguments: tuple[str, ...] = ()
        if word is None:
            head, *rest = name.split("_")
            word, arguments = self.words.find(Kind.OPERATOR, head), tuple(rest)
        if word is None:
            hint = self._hint(name.partition("_")[0], Kind.OPERATOR, Kind.ITEM)
            raise self.error(f'unknown expansion operator "{name}"', hint, at=start)
        if not word.arity[0] <= len(arguments) <= word.arity[1]:
            raise self.error(wrong_number(word, name, len(arguments)), arity(word), at=start)
        self.at += 1
        subject = self.string(braced=True)
        self.close("missing } at end of string")
        return Operator(word, arguments, subject, self.source.where(start))

    def _item(self, word: Word, start: int) -> Item:
        arguments = self.arguments(word)
        tail = None
        if word.traits["tail"]:
            tail = self.tail(word.name)
        else:
            self.no_more(word)
        return Item(word, arguments, tail, self.source.where(start))

    # -- what items and conditions have in common

    def arguments(self, word: Word) -> tuple[Argument, ...]:
        """The braced arguments of a word: at most what it takes; blanks around them are swallowed."""
        least, most = word.arity
        arguments: list[Argument] = []
        self.blanks()
        while len(arguments) < most and self.peek() == "{":
            arguments.append(self.argument(word, len(arguments)))
            self.blanks()
        if len(arguments) < least:
            raise self.error(missing(word, len(arguments)))
        return tuple(arguments)

    def argument(self, word: Word, number: int) -> Argument:
        """One braced argument, by its `Word.shape_of`."""
        shape = word.shape_of(number)
        kind = "item" if word.kind is Kind.ITEM else "condition"
        if shape == "test":
            return self.braced_test(f'"{word.name}" {kind}', unclosed(word))
        if shape == "lazy" and word.name in ("map", "reduce"):
            with inside(f'"{word.name}" {kind}'):
                return self.braced_string()
        return self.braced_string(dollars=not shape.startswith("raw"))

    def no_more(self, word: Word) -> None:
        """The brace that ends an item after its arguments."""
        if word.name in ARGUMENTS and self.peek() != "}":
            raise self.error(f'missing }} at end of "{word.name}"')
        if self.peek() == "{":
            raise self.error(f"Too many arguments for '{word.name}' (max is {word.arity[1]})")
        self.close(f"missing '}}' after '{word.name}'")

    def tail(self, name: str) -> Tail:
        """``{yes}{no}}``: the strings after an item, and its closing brace."""
        yes = no = None
        fail = False
        self.blanks()
        if self.peek() not in ("{", "}"):
            raise self.error(self.rest("'yes' part did not start with '{'"))
        if self.peek() == "{":
            yes = self.braced_string()
            self.blanks()
            if self.peek() == "{":
                no = self.braced_string()
            else:
                fail = self.fail_word(name)
        self.blanks()
        self.close(self.rest("did not close with '}'" + " after forcedfail" * fail))
        return Tail(name, yes, no, fail)

    def fail_word(self, name: str) -> bool:
        """Whether ``fail`` stands here instead of a *no* string."""
        if self.peek() == "}":
            return False
        at = self.at
        if self.match(NAME) != "fail":
            raise self.error(f'syntax error in "{name}" item - "fail" expected', at=at)
        self.blanks()
        return True

    def rest(self, what: str) -> str:
        """What is wrong with the strings after an item, and what there is in their place."""
        return f"{YES_OR_NO}{what}\n remaining string is '{self.text[self.at :]}'"

    def again(self, source: Source) -> Node:
        """The tree of another string, at this depth."""
        parser = Parser(source, self.words)
        parser.depth = self.depth
        return parser.string()

    # -- the cursor

    def peek(self) -> str:
        """The character at the cursor; empty at the end."""
        return self.text[self.at : self.at + 1]

    def match(self, pattern: re.Pattern[str]) -> str:
        """What *pattern* matches here, and go past it."""
        found = pattern.match(self.text, self.at)
        text = found.group() if found else ""
        self.at += len(text)
        return text

    def blanks(self) -> None:
        """Go past blanks."""
        while self.at < len(self.text) and self.text[self.at] in BLANKS:
            self.at += 1

    def close(self, otherwise: str) -> None:
        """Go past the closing brace that has to be here; *otherwise* is what is wrong without it."""
        if self.peek() != "}":
            raise self.error(otherwise)
        self.at += 1

    def nested(self, production: Callable[[], T]) -> T:
        """What *production* reads, one level deeper."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep")
        node = production()
        self.depth -= 1
        return node

    def error(self, message: str, expected: str = "", at: int | None = None) -> PolicyError:
        """What is wrong, at the cursor or at another place."""
        return self.source.error(self.at if at is None else at, message, expected)

    def _hint(self, name: str, *kinds: Kind) -> str:
        """Why there is no such word, or which word may be meant."""
        reasons = (self.words.refusal(kind, name) for kind in kinds)
        return next(filter(None, reasons), "") or self.words.nearest(name, *kinds)


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
