"""Operators that make text safe: for mail headers, regular expressions, logs and hexadecimal eyes."""

from __future__ import annotations

import re

from policyd.errors import ExpansionError
from policyd.language.registry import operator

BARE = re.compile(r"[A-Za-z0-9_.-]+")
BARE_LOCAL_PART = re.compile(r"(?!\.)[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+(?<!\.)")
SPECIAL = re.compile(r"[^A-Za-z0-9]")
QUOTED = {"\n": "\\n", "\r": "\\r", "\\": "\\\\", '"': '\\"'}
XTEXT = re.compile(r"[!-*,-<>-~\x7f]*(?:\+[0-9A-Fa-f]{2}[!-*,-<>-~\x7f]*)*")
DEFAULT_WIDTH, DEFAULT_LIMIT = 80, 998
TAB_STOP = 8  # columns that the tab before a continuation line takes


@operator("quote")
def _quote(text: str) -> str:
    """The text in double quotes, if it holds more than letters, digits, ``_``, ``.`` and ``-``, or nothing."""
    return text if BARE.fullmatch(text) else quoted(text)


@operator("quote_local_part")
def quote_local_part(text: str) -> str:
    """The text in double quotes, if it needs them as a local part (RFC 5321 4.1.2)."""
    return text if BARE_LOCAL_PART.fullmatch(text) else quoted(text)


def quoted(text: str) -> str:
    """*text* in double quotes, with backslashes before what would end them."""
    return '"' + "".join(QUOTED.get(octet, octet) for octet in text) + '"'


@operator("rxquote")
def _rxquote(text: str) -> str:
    """A backslash before everything but letters and digits: a regular expression for this very text."""
    return SPECIAL.sub(r"\\\g<0>", text)


@operator("escape")
def escaped(text: str) -> str:
    """Control characters but tabs, and octets above 126, as C escapes."""
    return "".join(ESCAPES.get(octet, octet) for octet in text)


ESCAPES = {chr(code): f"\\{code:03o}" for code in (*range(32), *range(127, 256))}
ESCAPES |= {"\n": "\\n", "\r": "\\r", "\b": "\\b", "\v": "\\v", "\f": "\\f", "\t": "\t"}


@operator("escape8bit")
def _escape8bit(text: str) -> str:
    """Octets above 126, and backslashes, as three octal digits after a backslash."""
    return "".join(f"\\{ord(octet):03o}" if octet == "\\" or octet > "~" else octet for octet in text)


@operator("hexquote")
def _hexquote(text: str) -> str:
    """Everything but printable ASCII as ``\\x`` and two hexadecimal digits; blanks too."""
    return "".join(octet if "!" <= octet <= "~" else f"\\x{ord(octet):02x}" for octet in text)


@operator("xtextd")
def _xtextd(text: str) -> str:
    """Text from the xtext of RFC 3461 section 4: ``+`` and two hexadecimal digits stand for one octet."""
    if not XTEXT.fullmatch(text):
        raise ExpansionError(f'"{text}" is not valid xtext')
    return re.sub(r"\+(..)", lambda found: chr(int(found[1], 16)), text)


@operator("headerwrap", arguments=(0, 2))
def _headerwrap(text: str, width: str = "", limit: str = "") -> str:
    """``${headerwrap_COLUMNS_LIMIT:…}``: the text in lines for a header field, each but the first after a tab.

    Lines are COLUMNS (80) wide, and broken at blanks where there are any; after
    LIMIT (998) octets the rest becomes ``...``.
    """
    columns = int(width) if width.isascii() and width.isdigit() else DEFAULT_WIDTH
    most = int(limit) if limit.isascii() and limit.isdigit() else DEFAULT_LIMIT
    if len(text) > most:
        text = text[: max(most - 3, 0)] + "..."
    lines = []
    while len(text) > columns > 0:
        at = text.rfind(" ", 1, columns + 1)
        end = at if at > 0 else columns
        lines.append(text[:end])
        text = text[end:].lstrip(" ")
        if len(lines) == 1:
            columns = max(columns - TAB_STOP, 1)
    return "\n\t".join([*lines, text])
