"""JSON as expansions see it: texts that are cut at brackets and commas, never a tree of values.

So what is extracted is spelled as it was in the message or file it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from policyd.errors import ExpansionError
from policyd.language.source import BLANKS

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[][{},]', re.DOTALL)  # a string, or what structures the text
ARRAYS = {"[": 1, "]": -1}
OBJECTS = {"{": 1, "}": -1}


def unwrapped(text: str, opening: str, closing: str) -> tuple[str, str]:
    """What stands between *opening* and the *closing* that belongs to it, and what follows. Raises `ExpansionError`."""
    text = text.lstrip(BLANKS)
    if not text.startswith(opening):
        raise ExpansionError(f"missing '{opening}'")
    depth = 0
    for found in re.compile(rf"\\.|[\{opening}\{closing}]", re.DOTALL).finditer(text, 1):
        if found[0] == closing and depth == 0:
            return text[1 : found.start()], text[found.end() :]
        depth += (found[0] == opening) - (found[0] == closing)
    raise ExpansionError(f"missing '{closing}'")


def items(text: str) -> Iterator[str]:
    """The texts between commas, those inside brackets and strings not counting. An empty one ends them."""
    start = arrays = objects = 0
    for found in TOKEN.finditer(text):
        arrays += ARRAYS.get(found[0], 0)
        objects += OBJECTS.get(found[0], 0)
        if found[0] == "," and arrays == objects == 0:
            item = text[start : found.start()].lstrip(BLANKS)
            if not item:
                return
            yield item
            start = found.end()
    last = text[start:].lstrip(BLANKS)
    if last:
        yield last


def array(text: str) -> Iterator[str]:
    """The elements of an array. Raises `ExpansionError`."""
    return items(_inside(text, "[]", "array for extract json"))


def element(number: int, text: str) -> str | None:
    """Element *number*, from 1, of an array. Raises `ExpansionError`."""
    elements = array(text)
    if number <= 0:
        raise ExpansionError('first argument of "extract" must be greater than zero')
    found = next(islice(elements, number - 1, None), None)
    return None if found is None else found.rstrip(BLANKS)


def member(name: str, text: str) -> str | None:
    """The value of member *name* of an object. Raises `ExpansionError`."""
    for item in items(_inside(text, "{}", "object for extract json")):
        key, rest = _wrapped(item, '""', "string key for extract json")
        if key == name:
            rest = rest.lstrip(BLANKS)
            if not rest.startswith(":"):
                raise ExpansionError("missing object value-separator for extract json")
            return rest[1:].lstrip(BLANKS)
    return None


def string(text: str, what: str = "string result for extract jsons") -> str:
    """A string without its quotes, its backslashes untouched. Raises `ExpansionError`, which names *what*."""
    return _inside(text, '""', what)


def _inside(text: str, brackets: str, what: str) -> str:
    return _wrapped(text, brackets, what)[0]


def _wrapped(text: str, brackets: str, what: str) -> tuple[str, str]:
    try:
        return unwrapped(text, *brackets)
    except ExpansionError as error:
        raise ExpansionError(f"{error} wrapping {what}") from None
