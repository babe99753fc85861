"""Text as Exim sees it: one character per octet, and only ASCII letters have a case.

Python's own ``str.lower``, ``strip`` and ``isdigit`` know about Latin-1's other
letters, blanks and digits; these do not.
"""

from __future__ import annotations

import re

_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TO_LOWER = str.maketrans(_UPPER, _UPPER.lower())
_TO_UPPER = str.maketrans(_UPPER.lower(), _UPPER)


def lower(text: str) -> str:
    """ASCII letters in lower case; every other octet as it is."""
    return text.lower() if text.isascii() else text.translate(_TO_LOWER)


def upper(text: str) -> str:
    """ASCII letters in upper case; every other octet as it is."""
    return text.upper() if text.isascii() else text.translate(_TO_UPPER)


def from_unicode(text: str) -> str:
    """A Unicode string as the octets of its UTF-8 form."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def to_unicode(text: str) -> str:
    """Octets as the Unicode string they spell in UTF-8; what is not UTF-8 becomes U+FFFD."""
    return text.encode("latin-1").decode("utf-8", "replace")


def printable(text: str) -> str:
    """For one line of a log: control characters but the tab as C escapes, other octets as they are."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_ESCAPED.get(c, c) for c in text) if _ESCAPED.keys() & set(text) else text


def visible(text: str) -> str:
    """Printable ASCII, with ``?`` for everything else."""
    return text if text.isascii() and text.isprintable() else _INVISIBLE.sub("?", text)


_INVISIBLE = re.compile(r"[^ -~]")
_ESCAPED = {chr(code): f"\\{code:03o}" for code in [*range(32), 127] if code != 9} | {"\n": "\\n", "\r": "\\r"}
