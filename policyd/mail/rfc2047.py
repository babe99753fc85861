"""Encoded words in header fields, RFC 2047."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

MAX_LENGTH = 75  # of an encoded word, section 2: a longer one is none
WORD = re.compile(  # bounds: linear time
    rf"=\?([!-<>@-~]{{0,{MAX_LENGTH}}})\?([BbQq])\?([!-~\x80-\xff]{{0,{MAX_LENGTH}}}?)\?="
)
BLANKS = re.compile(r"[ \t\r\n]+")
LINE_ENDS = str.maketrans("\r\n", "  ")
QUOTED = re.compile(r"(?:[^=]|=[0-9A-Fa-f]{2})*")


def decoded(text: str, convert: bool = True) -> str:
    """*text* with its encoded words replaced by what they say, in UTF-8 (*convert*) or in their own character set.

    A word that cannot be decoded stays as it is, and its octets where they
    cannot be converted; a NUL becomes ``?``. Line ends in a word become blanks:
    otherwise a client could have fields added, and lines be said, that are its own.
    Never raises.
    """
    parts: list[str] = []
    at = 0
    for found, octets in _words(text):
        between = text[at : found.start()]
        if not (at and BLANKS.fullmatch(between)):  # blanks between two encoded words are not part of the text
            parts.append(between)
        said = _converted(octets, found[1]) if convert else octets.decode("latin-1")
        parts.append(said.translate(LINE_ENDS))
        at = found.end()
    parts.append(text[at:])
    return "".join(parts).replace("\0", "?")


def unknown_charset(text: str) -> str:
    """The first character set in *text* that nobody knows; empty when all are known."""
    return next((found[1] for found, _ in _words(text) if not _is_known(found[1])), "")


def _words(text: str) -> Iterator[tuple[re.Match[str], bytes]]:
    """Each encoded word, and the octets that it stands for."""
    at = 0
    while (found := WORD.search(text, at)) is not None:
        octets = _octets(found[2].upper(), found[3]) if len(found[0]) <= MAX_LENGTH else None
        at = found.end() if octets is not None else found.start() + 1
        if octets is not None:
            yield found, octets


def _octets(encoding: str, text: str) -> bytes | None:
    if encoding == "Q":
        if not QUOTED.fullmatch(text):
            return None
        plain = re.sub("=(..)", lambda found: chr(int(found[1], 16)), text.replace("_", " "))
        return plain.encode("latin-1")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error is one, too
        return None


def _is_known(name: str) -> bool:
    return _in_unicode(b" ", name) is not None


def _converted(octets: bytes, charset: str) -> str:
    """In UTF-8. What cannot be converted is better shown as it is than not at all."""
    text = _in_unicode(octets, charset)
    return (octets if text is None else text.encode("utf-8", "replace")).decode("latin-1")


def _in_unicode(octets: bytes, charset: str) -> str | None:
    try:
        return octets.decode(charset.partition("*")[0])  # RFC 2231 section 5: a language may follow
    except (LookupError, ValueError):
        return None
