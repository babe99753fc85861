"""The addresses in a header field, RFC 5322 3.4, read as leniently as mail software has to.

Source routes and comments are passed over, dots may stand in a phrase, and
several dots in a row in a local part count as one word break after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from policyd.mail.lexical import comment_end

BLANKS = " \t\r\n\v\f"
ATOM = re.compile(r"[^\x00-\x20\x7f()<>@,;:\\\".\[\]]+")
LABEL = re.compile(r"(?!-)[A-Za-z0-9-]+")
LITERAL = re.compile(r"\[[!-Z^-~]*(\]?)")
SHOWN = 32  # octets of what is wrong that a complaint shows
STOP = re.compile(r'[\\"(<>:,]')
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+("?)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One item of an address list. *text* is how it was written; *error* says why there is no *address* in it."""

    text: str
    address: str = ""
    error: str = ""

    @property
    def domain(self) -> str:
        """What stands after the last ``@`` of the address; empty when there is none."""
        _, at, domain = self.address.rpartition("@")
        quoted = '"' in domain and not domain.startswith("[")  # what looked like one is in a local part
        return domain if at and not quoted else ""


class Malformed(ValueError):  # noqa: N818 - it says something about the text
    """Why a text is not an address."""


EMPTY = "empty address"


def mailboxes(text: str) -> Iterator[Mailbox]:
    """Every item of an address list, groups taken apart. An empty group has `EMPTY` as error."""
    reader = _Reader()
    at = 0
    while at < len(text):
        start = _after_blanks(text, at)
        at = _end(text, start)
        item = text[start:at].rstrip(BLANKS)
        if item:
            yield reader.mailbox(item)
        at += 1


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in BLANKS:
        at += 1
    return at


def mailbox(text: str) -> Mailbox:
    """A text that should be one address, and no group."""
    return _Reader(groups=False).mailbox(text)


def _end(text: str, at: int) -> int:
    """Where the item that begins at *at* ends: at a comma, but not inside quotes, comments, brackets or routes."""
    routed = text.startswith("@", at)
    inside = 1 if routed else 0
    while (found := STOP.search(text, at)) is not None:
        at = found.start()
        character = found[0]
        if character == "," and inside <= 0:
            return at
        if character == "\\":
            at += 1
        elif character == '"':
            quoted = QUOTED.match(text, at)
            assert quoted is not None  # it begins with a quote
            at = quoted.end() - 1
        elif character == "(":
            at = (comment_end(text, at) or len(text)) - 1
        elif character == "<":
            routed = text.startswith("@", at + 1)
            inside = 2 if routed else 1
        elif character == ">" or (character == ":" and routed):
            inside -= 1
        at += 1
    return len(text)


class _Reader:
    """Reads items one after the other: whether a group is open goes from one to the next."""

    def __init__(self, groups: bool = True) -> None:
        self._text = ""
        self._at = 0
        self._groups = groups
        self._in_group = False

    def mailbox(self, text: str) -> Mailbox:
        """What *text*, an item of a list, is."""
        self._text, self._at = text, 0
        try:
            address = self._address()
            self._check_end()
        except Malformed as error:
            return Mailbox(text, error=str(error))
        return Mailbox(text, address) if address else Mailbox(text, error=EMPTY)

    # -- characters

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self) -> None:
        """Pass over blanks and comments; one that is not closed reaches to the end."""
        while True:
            while self._peek() and self._peek() in BLANKS:
                self._at += 1
            if self._peek() != "(":
                return
            self._at = comment_end(self._text, self._at) or len(self._text)

    def _follows(self) -> Malformed:
        read, rest = self._text[: self._at], self._text[self._at : self._at + SHOWN]
        return Malformed(f"malformed address: {rest} may not follow {read}")

    def _check_end(self) -> None:
        if self._peek() == ";" and self._in_group:
            self._in_group = False
        elif self._peek():
            raise self._follows()

    # -- the grammar

    def _address(self) -> str:
        local = self._words(may_be_empty=True)
        if self._peek() not in ("@", "<"):
            if self._peek() in ("", ";"):
                return local
            while self._peek() != "<":
                if self._peek() == ":" and self._groups and not self._in_group:
                    self._at += 1
                    self._in_group = True
                    return self._address()
                self._phrase_word()
        if self._peek() == "<":
            return self._in_brackets()
        if not local:
            return self._routed()
        self._at += 1
        return f"{local}@{self._domain()}"

    def _phrase_word(self) -> None:
        try:
            self._words(may_be_empty=False)
        except Malformed as error:
            raise Malformed(f'{error} (expected word or "<")') from None

    def _in_brackets(self) -> str:
        self._at += 1
        self._skip()
        address = self._routed() if self._peek() == "@" else self._addr_spec()
        if self._peek() != ">":
            raise self._follows() if self._peek() else Malformed("'>' missing at end of address")
        self._at += 1
        self._skip()
        return address

    def _routed(self) -> str:
        """``@one,@two:local@domain``: the route is passed over."""
        while self._peek() in ("@", ","):
            if self._peek() == "@":
                self._at += 1
                self._domain()
            else:
                self._at += 1
                self._skip()
        if self._peek() != ":":
            raise Malformed("no local part")
        self._at += 1
        self._skip()
        address = self._addr_spec()
        if "@" not in address:
            raise Malformed("domain missing in source-routed address")
        return address

    def _addr_spec(self) -> str:
        local = self._words(may_be_empty=False)
        if self._peek() != "@":
            return local
        self._at += 1
        return f"{local}@{self._domain()}"

    def _words(self, may_be_empty: bool) -> str:
        """Words with dots between them: a local part, or a piece of a phrase."""
        parts: list[str] = []
        while True:
            self._skip()
            word = self._word()
            self._skip()
            parts.append(word)
            if not word and self._peek() != ".":
                if may_be_empty or len(parts) > 1:
                    return "".join(parts)
                raise Malformed("missing or malformed local part")
            if self._peek() != ".":
                return "".join(parts)
            while self._peek() == ".":
                parts.append(".")
                self._at += 1

    def _word(self) -> str:
        start = self._at
        if self._peek() == '"':
            quoted = QUOTED.match(self._text, start)
            assert quoted is not None  # it begins with a quote
            if not quoted[1]:
                raise Malformed("unmatched doublequote in local part")
            self._at = quoted.end()
            return quoted[0]
        while (found := ATOM.match(self._text, self._at)) or self._peek() == "\\":
            self._at = found.end() if found else min(self._at + 2, len(self._text))
        return self._text[start : self._at]

    def _domain(self) -> str:
        """A domain or a literal. Raises `Malformed`."""
        self._skip()
        if self._peek() == "[":
            found = LITERAL.match(self._text, self._at)
            if found is None or not found[1]:
                raise Malformed("malformed domain literal")
            self._at = found.end()
            self._skip()
            return found[0]
        labels = []
        while True:
            label = LABEL.match(self._text, self._at)
            if label is None:
                raise Malformed("domain missing or malformed")
            labels.append(label[0])
            self._at = label.end()
            self._skip()
            if self._peek() != ".":
                return ".".join(labels)
            self._at += 1
            self._skip()
