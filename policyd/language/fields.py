"""``${extract``: a field by its name or by its number, of plain text or of JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass

from policyd.errors import ExpansionError
from policyd.language.escapes import unescape
from policyd.language.json_text import element, member, string
from policyd.language.source import BLANKS

NUMBER = re.compile(r"-?[0-9]*")
BLANK = r"[ \t\r\n\v\f]"
FIELD = re.compile(
    rf"{BLANK}*([^ \t\r\n\v\f=]*){BLANK}*=?{BLANK}*"  # the name
    rf'(?:"((?:[^"\\]|\\.)*\\?)"?|([^ \t\r\n\v\f]*))',  # the value
    re.DOTALL,
)
MAX_DIGITS = 9  # of a field's number; there are never so many fields


@dataclass(frozen=True, slots=True)
class Field:
    """What is to be extracted: *key*, or field *number* if the key is one. *form*: ``json``, ``jsons`` or empty."""

    form: str
    key: str
    number: int | None

    @classmethod
    def read(cls, text: str, form: str = "") -> Field:
        """From the first argument of ``extract``. Raises `ExpansionError` when it is empty."""
        key = text.strip(BLANKS)
        if not key:
            raise ExpansionError('first argument of "extract" must not be empty')
        return cls(form, key, whole_number(key) if NUMBER.fullmatch(key) else None)

    @property
    def arguments(self) -> int:
        """How many arguments belong to the extraction, after the key: a text, and for a number separators before it."""
        return 1 if self.number is None or self.form else 2

    def of(self, *texts: str) -> str | None:
        """The field, or None when there is none: *texts* as `arguments` says. Raises `ExpansionError`."""
        if self.form:
            return self._of_json(*texts)
        return named(self.key, *texts) if self.number is None else numbered(self.number, *texts)

    def _of_json(self, text: str) -> str | None:
        found = member(self.key, text) if self.number is None else element(self.number, text)
        return found if found is None or self.form == "json" else string(found)


def whole_number(text: str) -> int:
    """Digits, perhaps after a minus; none at all are 0."""
    digits = text.removeprefix("-").lstrip("0")
    value = int(digits[:MAX_DIGITS] or "0") if len(digits) <= MAX_DIGITS else 10**MAX_DIGITS
    return -value if text.startswith("-") else value


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
        assert found is not None  # the pattern matches any text
        name, quoted, plain = found.groups()
        if name.encode("latin-1").lower() == wanted:
            return unescape(quoted) if quoted is not None else str(plain)
        at = max(found.end(), at + 1)
    return None
