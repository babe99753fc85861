"""``${extract``: a field by its name or by its number."""

from __future__ import annotations

import re

from policyd.errors import ExpansionError
from policyd.language.parser import unescape
from policyd.language.source import BLANKS

NUMBER = re.compile(r"-?[0-9]*")
BLANK = r"[ \t\r\n\v\f]"
FIELD = re.compile(
    rf"{BLANK}*([^ \t\r\n\v\f=]*){BLANK}*=?{BLANK}*"  # the name
    rf'(?:"((?:[^"\\]|\\.)*)"?|([^ \t\r\n\v\f]*))',  # the value
    re.DOTALL,
)


def is_number(key: str) -> bool:
    """Whether *key* asks for a field by number: digits only, perhaps with a minus."""
    return NUMBER.fullmatch(key) is not None


def arguments(key: str) -> int:
    """How many arguments belong to the extraction itself: key and text, or number, separators and text."""
    key = key.strip(BLANKS)
    if not key:
        raise ExpansionError('first argument of "extract" must not be empty')
    return 3 if is_number(key) else 2


def extract(key: str, rest: list[str]) -> str | None:
    """The field, or None when there is none. *rest*: the text, after the separators where *key* is a number."""
    key = key.strip(BLANKS)
    return numbered(int(key.replace("-", "-0", 1) or "0"), *rest) if is_number(key) else named(key, *rest)


def numbered(number: int, separators: str, text: str) -> str | None:
    """Field *number* of *text*, each character of *separators* being one; 0: all; negative: from the right."""
    if number == 0:
        return text
    fields = re.split(f"[{re.escape(separators)}]", text) if separators else [text]
    if abs(number) > len(fields):
        return None
    return fields[number - 1 if number > 0 else number]


def named(key: str, text: str) -> str | None:
    """The value of *key* in ``k1=v1 k2="v 2"``; names are compared without case; the first one counts."""
    at = 0
    wanted = key.encode("latin-1").lower()
    while at < len(text):
        found = FIELD.match(text, at)
        if found is None:
            return None
        name, quoted, plain = found.groups()
        if name.encode("latin-1").lower() == wanted:
            return unescape(quoted) if quoted is not None else plain
        at = found.end()
    return None
