"""Whose name a message carries: the domains in a From: field, RFC 5322 3.4 and 4.4.

What is not an address list has an answer, too: every domain that some reader
might take for the author's. Nothing raises, and time grows with the length of
the text only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from policyd.mail.lexical import comment_end, quoted_end

MAX_IN_ITEM = 100  # different domains remembered of one item: a correct one has one, only mischief has more

PLAIN = re.compile(r'(?P<special>[<>:;,@.])|(?P<atom>[^ \t\r\n()<>\[\]:;@\\,."]++)|[ \t\r\n]++|[()\[\]\\"]')
LITERAL = re.compile(r"\[(?:[^\[\]\\]|\\.)*+\]", re.DOTALL)

Token = tuple[str, str]  # its kind, its text


def author_domains(text: str) -> Iterator[str]:
    """The domain of each address, in order and as written; empty for an address without one.

    Comments are skipped, the names of people and groups and obsolete routes
    ignored. Encoded words (RFC 2047) mean nothing in an address.
    """
    return _Reader().read(_tokens(text))


# -- tokens, RFC 5322 3.2


def _tokens(text: str) -> Iterator[Token]:
    """The tokens without blanks and comments.

    A sign that opens what is never closed is skipped alone: otherwise a single
    quote would hide an address that other readers show.
    """
    ends = {"(": comment_end, '"': quoted_end, "[": _literal_end}
    at = 0
    while at < len(text):
        sign = text[at]
        find_end = ends.get(sign)
        if find_end is None:
            found = PLAIN.match(text, at)
            assert found is not None  # with the signs above, every character is in the pattern
            if found.lastgroup:
                yield found.lastgroup, found[0]
            at = found.end()
            continue
        end = find_end(text, at)
        if not end:
            del ends[sign]  # the rest of the text does not close it: never look again
        elif sign != "(":
            yield ("literal", text[at:end]) if sign == "[" else ("quoted", "")
        at = end or at + 1


def _literal_end(text: str, at: int) -> int:
    found = LITERAL.match(text, at)
    return found.end() if found else 0


# -- addresses


class _Reader:
    """Puts addresses together from tokens.

    An item of a list is ``local@domain`` or ``some name <local@domain>``: what
    stands before an address in angle brackets is a name, whatever it looks like.
    """

    def __init__(self) -> None:
        self._domain: list[str] | None = None  # what has been read of a domain
        self._inside = False  # angle brackets
        self._route: int | None = None  # inside, behind an @ that begins it: how many domains there were before
        self._forget()

    def _forget(self) -> None:
        self._begun = False  # the item is not empty
        self._named: dict[str, None] = {}  # domains outside angle brackets, before any inside
        self._angled: dict[str, None] = {}

    def read(self, tokens: Iterable[Token]) -> Iterator[str]:
        """The domains of every item, as soon as it has ended."""
        opened = False
        for kind, text in tokens:
            if self._goes_on(kind, text):
                continue
            self._end_domain()
            if opened and text == "@":
                self._route = len(self._angled)
            opened = text == "<"
            if text in (",", ";") and not self._inside:
                yield from self._end_item()
            elif kind == "special":
                self._special(text)
            else:
                self._begun = True
        self._end_domain()
        yield from self._end_item()

    def _goes_on(self, kind: str, text: str) -> bool:
        """Whether a token belongs to the domain being read: atoms with dots between them, or one literal."""
        parts = self._domain
        if parts is None:
            return False
        belongs = text == "." or (kind == "atom" and parts[-1:] in ([], ["."])) or (kind == "literal" and not parts)
        if belongs:
            parts.append(text)
        return belongs

    def _end_domain(self) -> None:
        if self._domain is None:
            return
        found = self._angled if self._inside or self._angled else self._named
        if len(found) < MAX_IN_ITEM:
            found["".join(self._domain)] = None
        self._domain = None

    def _special(self, sign: str) -> None:
        if sign == "@":
            self._begun, self._domain = True, []
        elif sign == "<":
            self._begun = self._inside = True
        elif sign == ">":
            self._inside, self._route = False, None
        elif sign == ":" and self._route is not None:  # so far, only the names of relays (RFC 5322 4.4)
            self._angled = dict.fromkeys(list(self._angled)[: self._route])
            self._route = None
        elif sign == ":" and not self._inside:  # so far, the name of a group
            self._begun = False

    def _end_item(self) -> Iterator[str]:
        if self._begun or self._named or self._angled:
            yield from self._angled or self._named or [""]
        self._forget()
