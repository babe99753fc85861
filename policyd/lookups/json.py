"""``json``: one value out of a file of JSON."""

from __future__ import annotations

import json
from typing import Any

from policyd.errors import Defer
from policyd.language.cutting import cut
from policyd.language.registry import lookup
from policyd.mail.octets import to_unicode
from policyd.transaction import Transaction

MAX_DIGITS = 10  # of an index: no file has so many elements


@lookup("json", style="file")
def _json(tx: Transaction, path: str, key: str, _: tuple[str, ...]) -> str | None:
    """The value that a list of selectors leads to: ``${lookup{users:0:name}json{/etc/users.json}}``.

    A number is an index into an array, from 0; anything else is the name of a
    member of an object. The list may choose its separator: ``<;a:b;c``. Strings
    come without their quotes, arrays and objects as JSON; null is not found.
    """
    value = tx.services.files.parsed(path, parsed, "for json lookup")
    if isinstance(value, ValueError):
        raise Defer(f"json error in {path}: {value}")
    for _at, selector in cut(key):
        value = _selected(value, selector)
    return _text(value)


def parsed(text: str) -> Any:
    """The value a file holds, or the ValueError that says why there is none."""
    try:
        return json.loads(text.encode("latin-1").decode("utf-8"), parse_constant=_refused)
    except RecursionError:
        return ValueError("nested too deeply")
    except ValueError as error:
        return error


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _selected(value: Any, selector: str) -> Any:
    """A part of *value*; None where there is none."""
    if not (selector.isascii() and selector.isdigit()):
        return value.get(to_unicode(selector)) if isinstance(value, dict) else None
    if not isinstance(value, list) or len(selector) > MAX_DIGITS or int(selector) >= len(value):
        return None
    return value[int(selector)]


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case str():
            return _octets(value)
        case float():
            return f"{value:f}"
    return _octets(json.dumps(value, ensure_ascii=False))


def _octets(text: str) -> str:
    """Half a surrogate pair, which JSON can spell and UTF-8 cannot, becomes ``?``."""
    return text.encode("utf-8", "replace").decode("latin-1")
