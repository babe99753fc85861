"""How a list, one text, is cut into its items."""

from __future__ import annotations

from collections.abc import Iterator

from policyd.language.source import BLANKS

DEFAULT_SEPARATOR = ":"
PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def cut(text: str) -> Iterator[tuple[int, str]]:
    """The items of a list, each with its offset. A leading ``<c`` makes *c* the separator; doubled, it is data."""
    separator, at = separator_of(text)
    special = separator < " " or separator == "\x7f"  # a doubled control character is an empty item
    while True:
        while at < len(text) and text[at] in BLANKS and text[at] != separator:
            at += 1
        if at >= len(text):
            return
        start = at
        item, at = _item(text, at, separator, special)
        yield start, item


def separator_of(text: str) -> tuple[str, int]:
    """The separator a list uses, and where its items begin."""
    start = len(text) - len(text.lstrip(BLANKS))
    if text[start:] == "<":  # the separator is missing, and so are the items
        return DEFAULT_SEPARATOR, len(text)
    if text[start : start + 1] == "<":
        character = text[start + 1]
        if character in PUNCTUATION or character < " " or character == "\x7f":
            return character, start + 2
    return DEFAULT_SEPARATOR, start


def _item(text: str, at: int, separator: str, special: bool) -> tuple[str, int]:
    if text[at] == separator:
        at += 1
        if special or text[at : at + 1] != separator:
            return "", at
    parts = []
    while True:
        end = text.find(separator, at + 1)
        if end < 0:
            parts.append(text[at:])
            return "".join(parts).rstrip(BLANKS), len(text)
        parts.append(text[at:end])
        at = end + 1
        if special or text[at : at + 1] != separator:
            return "".join(parts).rstrip(BLANKS), at
