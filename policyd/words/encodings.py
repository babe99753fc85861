"""Operators that write octets and numbers with other alphabets: base 32, 62 and 64, and encoded words of headers."""

from __future__ import annotations

import base64
import binascii
import re
import string

from policyd.errors import ExpansionError
from policyd.language.marks import harmless
from policyd.language.registry import operator
from policyd.language.source import BLANKS
from policyd.mail import octets
from policyd.mail.rfc2047 import decoded, unknown_charset
from policyd.words.arithmetic import wrapped

BASE32 = string.ascii_lowercase + "234567"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
WIDTH62 = 6  # digits
UNSIGNED = re.compile(r"[ \t\r\n\v\f]*([+-]?)([0-9]+)|")
WRAPPED = 2**64
BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
WORD_BEGIN, WORD_END = "=?UTF-8?Q?", "?="
WORD_WIDTH = 67  # columns after which an encoded word ends, RFC 2047 section 2
ENCODED = frozenset('?=()<>@,;:\\".[]_') | {chr(code) for code in (*range(33), *range(127, 256))}


def unsigned(text: str, name: str) -> int:
    """A decimal number as 64 bits hold it, as C's strtoul reads one. Raises `ExpansionError`."""
    found = UNSIGNED.fullmatch(text)
    if found is None:
        raise ExpansionError(f'argument for {name} operator is "{text}", which is not a decimal number')
    digits = (found[2] or "").lstrip("0")[:20] or "0"
    value = min(int(digits), WRAPPED - 1)
    return -value % WRAPPED if found[1] == "-" else value


def _number(text: str, alphabet: str, name: str) -> str:
    """The decimal number that *text* writes with *alphabet*."""
    value = 0
    for digit in text:
        if digit not in alphabet:
            what = f"which is not a base {len(alphabet)} number"
            raise ExpansionError(f'argument for {name} operator is "{text}", {what}')
        value = wrapped(value * len(alphabet) + alphabet.index(digit))
    return str(value)


def _digits(value: int, alphabet: str) -> str:
    """*value* written with *alphabet*, the least digits it needs: 0 needs none."""
    digits = ""
    while value:
        value, digit = divmod(value, len(alphabet))
        digits = alphabet[digit] + digits
    return digits


@harmless
@operator("base32")
def _base32(text: str) -> str:
    """A decimal number in base 32, with the digits ``a`` to ``z`` and ``2`` to ``7``."""
    return _digits(unsigned(text, "base32"), BASE32)


@operator("base32d")
def _base32d(text: str) -> str:
    """A number in base 32 as a decimal one."""
    return _number(text, BASE32, "base32d")


@harmless
@operator("base62")
def _base62(text: str) -> str:
    """A decimal number in base 62: six of the digits ``0`` to ``9``, ``A`` to ``Z`` and ``a`` to ``z``."""
    return _digits(unsigned(text, "base62"), BASE62).rjust(WIDTH62, "0")[-WIDTH62:]


@operator("base62d")
def _base62d(text: str) -> str:
    """A number in base 62 as a decimal one."""
    return _number(text, BASE62, "base62d")


# -- base 64


def _base64(text: str) -> str:
    """The octets in base 64 (RFC 4648 section 4). Also ``${str2b64:…}``."""
    return base64.b64encode(text.encode("latin-1")).decode("ascii")


operator("base64")(_base64)
operator("str2b64")(_base64)


@operator("base64d")
def _base64d(text: str) -> str:
    """The octets that a text in base 64 stands for."""
    digits = text.translate(dict.fromkeys(map(ord, BLANKS)))
    if not BASE64.fullmatch(digits):
        raise ExpansionError(f'string "{text}" is not well-formed for "base64d" operator')
    return binascii.a2b_base64(digits).decode("latin-1")


@operator("hex2b64")
def _hex2b64(text: str) -> str:
    """Octets in hexadecimal digits, such as a digest, in base 64."""
    if not set(text) <= set(string.hexdigits):
        raise ExpansionError(f'"{text}" is not a hex string')
    if len(text) % 2:
        raise ExpansionError(f'"{text}" contains an odd number of characters')
    return base64.b64encode(bytes.fromhex(text)).decode("ascii")


# -- encoded words, RFC 2047


@operator("rfc2047")
def _rfc2047(text: str) -> str:
    """The text as encoded words for a header field, in UTF-8; as it is, if it holds but letters, digits and blanks."""
    words = [""]
    width = 0
    pending = False  # half of a pair of encoded octets, which stay together
    for octet in text:
        if width > WORD_WIDTH and not pending:
            words.append("")
            width = len(WORD_BEGIN)
        piece = PIECES[octet]
        pending = len(piece) > 1 and not pending
        words[-1] += piece
        width += len(piece)
    if not any(len(PIECES[octet]) > 1 for octet in text):
        return text
    return " ".join(f"{WORD_BEGIN}{word}{WORD_END}" for word in words)


PIECES = {octet: f"={ord(octet):02X}" if octet in ENCODED else octet for octet in map(chr, range(256))}
PIECES[" "] = "_"


@operator("rfc2047d")
def _rfc2047d(text: str) -> str:
    """A header field's text with its encoded words decoded, to UTF-8. One in an unknown character set fails."""
    unknown = unknown_charset(text)
    if unknown:
        raise ExpansionError(f'unknown character set "{unknown}"')
    return decoded(text)


# -- UTF-8


@operator("utf8clean")
def _utf8clean(text: str) -> str:
    """The text with ``?`` for everything that is not valid UTF-8."""
    return UTF8.sub(_cleaned, text)


UTF8 = re.compile(  # a character, or as much as looked like one, with the octet that did not fit
    r"[\xc2-\xdf](?:[\x80-\xbf]|[\xc0-\xff]?)|[\xe0-\xef](?:[\x80-\xbf]{2}|[\x80-\xbf]?[\xc0-\xff]?)"
    r"|[\xf0-\xf7](?:[\x80-\xbf]{3}|[\x80-\xbf]{0,2}[\xc0-\xff]?)|[\x80-\xff]"
)


def _cleaned(found: re.Match[str]) -> str:
    try:
        found[0].encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return "?"
    return found[0]


@operator("from_utf8")
def _from_utf8(text: str) -> str:
    """UTF-8 as ISO 8859-1; a character that it does not have, and what is not UTF-8, becomes ``_``."""
    return "".join(character if character <= "\xff" else "_" for character in octets.to_unicode(text))
