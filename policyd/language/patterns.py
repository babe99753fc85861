"""Regular expressions: PCRE2 itself, on octets.

PCRE is what a policy's author writes for, so nothing is translated; and PCRE2
counts its steps, so that a hostile subject ends in an error, not in a worker
that never returns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pcre2

from policyd.errors import ExpansionError


class Pattern:
    """A compiled regular expression. Subjects and captures are text of one character per octet."""

    def __init__(self, text: str, caseless: bool = False) -> None:
        """Compile. Raises ValueError with what is wrong and where."""
        self.text = text
        flags = pcre2.IGNORECASE if caseless else pcre2.NOFLAG
        try:
            self._pattern: Any = pcre2.compile(text.encode("latin-1"), flags=flags)
        except pcre2.PatternError as error:
            raise ValueError(f'regular expression error in "{text}": {error}') from None

    def search(self, subject: str) -> tuple[str, ...] | None:
        """``$0``, ``$1`` …, or None. Raises `ExpansionError` when the search takes too many steps."""
        found = self._search(subject.encode("latin-1"), 0)
        return None if found is None else captures(found)

    def substitute(self, subject: str, replacement: Callable[[tuple[str, ...]], str]) -> str:
        """Every match replaced; an empty match does not follow another match at the same place."""
        octets = subject.encode("latin-1")
        parts: list[str] = []
        at = 0
        while at <= len(octets):
            found = self._search(octets, at)
            if found is None:
                break
            start, end = found.span()
            parts += [octets[at:start].decode("latin-1"), replacement(captures(found))]
            at = end
            if start == end:
                parts.append(octets[at : at + 1].decode("latin-1"))
                at += 1
        parts.append(octets[at:].decode("latin-1"))
        return "".join(parts)

    def _search(self, octets: bytes, at: int) -> Any:
        try:
            return self._pattern.search(octets, at)
        except pcre2.LibraryError as error:
            raise ExpansionError(f'regular expression "{self.text}": {error}') from None


def captures(found: Any) -> tuple[str, ...]:
    """The whole match and every group; one that took no part is empty."""
    groups: tuple[bytes | None, ...] = (found.group(0), *found.groups())
    return tuple([(group or b"").decode("latin-1") for group in groups])


@lru_cache(maxsize=2000)
def compiled(text: str, caseless: bool = False) -> Pattern:
    """The pattern of *text*, compiled once. Raises `ExpansionError`."""
    try:
        return Pattern(text, caseless)
    except ValueError as error:
        raise ExpansionError(str(error)) from None
