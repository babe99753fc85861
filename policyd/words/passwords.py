"""``crypteq``: is this the password that was encrypted so?"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import hmac
import re
from functools import cache
from typing import Any

from policyd.errors import ExpansionError
from policyd.language.registry import test
from policyd.mail.octets import lower
from policyd.transaction import Transaction

MECHANISM = re.compile(r"\{([^}]*)(\}?)|")
LIBRARY = "libcrypt.so.1"  # Debian's package libcrypt1, which login itself needs
WORKSPACE = 32768  # octets of its struct crypt_data
HALF16 = 8  # octets of the password in the first half of a crypt16 text


@test("crypteq", arguments=2)
def _crypteq(_: Transaction, plain: str, encrypted: str) -> bool:
    """``crypteq{password}{encrypted}``: whether the password is the one that was encrypted.

    *encrypted* is what ``crypt`` makes, or ``{md5}`` or ``{sha1}`` and a digest
    in hexadecimal or in base 64; ``{crypt}`` and ``{crypt16}`` may stand before
    it, too.
    """
    found = MECHANISM.match(encrypted)
    assert found is not None  # nothing matches, too
    mechanism, text = "crypt" if found[1] is None else found[1], encrypted[found.end() :]
    compare = None if found[2] == "" else MECHANISMS.get(lower(mechanism))
    if compare is None:
        raise ExpansionError(f'unknown encryption mechanism in "{encrypted}"')
    return bool(compare(plain.encode("latin-1"), text.encode("latin-1")))


def _digest(algorithm: str) -> Any:
    def compare(plain: bytes, encrypted: bytes) -> bool:
        digest = hashlib.new(algorithm, plain, usedforsecurity=False)
        is_hexadecimal = len(encrypted) == 2 * digest.digest_size
        wanted = digest.hexdigest().encode("ascii") if is_hexadecimal else base64.b64encode(digest.digest())
        return hmac.compare_digest(encrypted.lower() if is_hexadecimal else encrypted, wanted)

    return compare


def _crypt(plain: bytes, encrypted: bytes) -> bool:
    return bool(encrypted) and hmac.compare_digest(_crypted(plain, encrypted), encrypted)


def _crypt16(plain: bytes, encrypted: bytes) -> bool:
    """The halves of a long password are encrypted apart; the salt of the second one is a part of the first result."""
    first = _crypted(plain[:HALF16], encrypted[:2])
    second = _crypted(plain[HALF16:], encrypted[2:4])[2:] if len(plain) > HALF16 else b""
    return bool(first) and hmac.compare_digest(first + second, encrypted)


def _crypted(plain: bytes, setting: bytes) -> bytes:
    """What the C library makes of a password; empty when it cannot."""
    workspace = ctypes.create_string_buffer(WORKSPACE)
    found: bytes | None = _library().crypt_rn(plain.split(b"\0")[0], setting.split(b"\0")[0], workspace, WORKSPACE)
    return found or b""


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(LIBRARY)
    library.crypt_rn.restype = ctypes.c_char_p
    library.crypt_rn.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    return library


MECHANISMS = {"md5": _digest("md5"), "sha1": _digest("sha1"), "crypt": _crypt, "crypt16": _crypt16}
