"""Encoded words in header fields, RFC 2047."""

from __future__ import annotations

import base64
import binascii
import quopri
import re

WORD = re.compile(r"=\?([!-<>@-~]+)\?([BbQq])\?([!->@-~ ]*)\?=")
BETWEEN_WORDS = re.compile(r"(\?=)[ \t\r\n]+(?==\?[!-<>@-~]+\?[BbQq]\?[!->@-~ ]*\?=)")


def decoded(text: str, convert: bool = True) -> str:
    """*text* with its encoded words replaced by what they say, in UTF-8 (*convert*) or in their own character set.

    A word that cannot be decoded stays as it is; a NUL becomes ``?``. Never raises.
    """
    if "=?" not in text:
        return text.replace("\0", "?")
    joined = BETWEEN_WORDS.sub(r"\1", text)  # blanks between two encoded words are not part of the text
    return WORD.sub(lambda found: _word(found, convert), joined).replace("\0", "?")


def _word(found: re.Match[str], convert: bool) -> str:
    charset, encoding, text = found.groups()
    try:
        octets = _octets(encoding.upper(), text)
        if convert:
            octets = octets.decode(charset.partition("*")[0]).encode()  # RFC 2231: a language may follow
    except (binascii.Error, LookupError, ValueError):
        return found[0]
    return octets.decode("latin-1")


def _octets(encoding: str, text: str) -> bytes:
    if encoding == "Q":
        return quopri.decodestring(text.encode("latin-1"), header=True)
    return base64.b64decode(text.encode("latin-1") + b"=" * (-len(text) % 4), validate=True)
