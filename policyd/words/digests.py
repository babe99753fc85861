"""Digests and hashes, and comparing passwords with encrypted ones."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from policyd.errors import ExpansionError
from policyd.language.marks import harmless
from policyd.language.registry import item, operator
from policyd.transaction import Transaction
from policyd.words.strings import counts, numbers

HASH_LETTERS = "abcdefghijklmnopqrtsuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
"""The letters of ``hash``: Exim has always had s and t the wrong way round."""

UNSIGNED = 2**32  # what Exim keeps the range of a numeric hash in
DEFAULT_LETTERS = 26
PRIMES = tuple(number for number in range(2, 114) if all(number % divisor for divisor in range(2, number)))
SHA2, SHA3 = ("256", "384", "512"), ("224", "256", "384", "512")


def _digest(name: str, algorithm: Callable[..., hashlib._Hash], meaning: str, upper: bool = True) -> None:
    def run(text: str) -> str:
        digest = algorithm(text.encode("latin-1"), usedforsecurity=False).hexdigest()
        return digest.upper() if upper else digest

    run.__doc__ = meaning
    harmless(operator(name)(run))


_digest("md5", hashlib.md5, "The MD5 digest, in lower-case hexadecimal digits.", upper=False)
_digest("sha1", hashlib.sha1, "The SHA-1 digest, in upper-case hexadecimal digits.")
_digest("sha256", hashlib.sha256, "The SHA-256 digest, in upper-case hexadecimal digits.")


def _variant(text: str, bits: str, family: str, known: tuple[str, ...], prefix: str) -> str:
    if bits not in known:
        raise ExpansionError(f"unrecognised {family} variant")
    return hashlib.new(f"{prefix}{bits}", text.encode("latin-1"), usedforsecurity=False).hexdigest().upper()


@harmless
@operator("sha2", arguments=(0, 1))
def _sha2(text: str, bits: str = "256") -> str:
    """``${sha2_BITS:…}``: the SHA-2 digest of 256 (the default), 384 or 512 bits, in upper-case hexadecimal digits."""
    return _variant(text, bits, "sha2", SHA2, "sha")


@harmless
@operator("sha3", arguments=(0, 1))
def _sha3(text: str, bits: str = "256") -> str:
    """``${sha3_BITS:…}``: the SHA-3 digest of 224, 256 (the default), 384 or 512 bits, in upper-case hexadecimal."""
    return _variant(text, bits, "sha3", SHA3, "sha3_")


@harmless
@item("hmac", arguments=(3, 3))
def _hmac(_: Transaction, algorithm: str, secret: str, text: str) -> str:
    """``${hmac{md5}{secret}{text}}``, or with ``sha1``: the HMAC (RFC 2104), in lower-case hexadecimal digits."""
    if algorithm not in ("md5", "sha1"):
        raise ExpansionError(f'hmac algorithm "{algorithm}" is not recognised')
    return hmac.new(secret.encode("latin-1"), text.encode("latin-1"), algorithm).hexdigest()


# -- Exim's own


def text_hash(text: str, length: int, letters: int = DEFAULT_LETTERS) -> str:
    """*length* of the first *letters* of `HASH_LETTERS`; a shorter text is its own hash."""
    if letters > len(HASH_LETTERS):
        raise ExpansionError(f'hash count "{letters}" too big')
    if length >= len(text):
        return text
    if letters < 1:
        raise ExpansionError("a hash needs at least one letter to choose from")
    codes = [ord(octet) for octet in text[:length]]
    for at, octet in enumerate(text[length:], length):
        shift = (ord(octet) + at) & 7
        if codes:
            codes[(at - length) % length] ^= (ord(octet) << shift | ord(octet) >> (8 - shift)) & 255
    return "".join(HASH_LETTERS[code % letters] for code in codes)


def numeric_hash(text: str, first: int, second: int | None = None) -> str:
    """A number below *first*; with *second*, also one below that, after a slash."""
    first, second = first % UNSIGNED, None if second is None else second % UNSIGNED
    total = sum(PRIMES[-1 - at % (len(PRIMES) - 1)] * ord(octet) for at, octet in enumerate(text))
    if first < 1 or second == 0:
        raise ExpansionError("a numeric hash needs a range of at least 1")
    if second is None:
        return str(total % first)
    return "/".join(map(str, divmod(total % (first * second), second)))


def _hash(text: str, *arguments: str) -> str:
    """``${hash_LENGTH_LETTERS:…}``: a text of LENGTH, made from the first LETTERS (26) letters. Also ``${h_…:…}``."""
    return text_hash(text, *counts("hash", arguments))


def _nhash(text: str, *arguments: str) -> str:
    """``${nhash_N:…}``: a number below N; ``${nhash_N_M:…}``: one below N, and one below M. Also ``${nh_…:…}``."""
    return numeric_hash(text, *counts("nhash", arguments))


for _name in ("hash", "h"):
    harmless(operator(_name, arguments=(1, 2))(_hash))
for _name in ("nhash", "nh"):
    harmless(operator(_name, arguments=(1, 2))(_nhash))


@harmless
@item("hash", arguments=(2, 3))
def _hash_item(_: Transaction, *texts: str) -> str:
    """``${hash{LENGTH}{LETTERS}{text}}``, or without LETTERS: like the operator of this name."""
    length, *letters = numbers("hash", texts[:-1])
    if length < 0:
        raise ExpansionError(f'"{texts[0]}" is not a positive number (in "hash" expansion)')
    return text_hash(texts[-1], length, *letters)


@harmless
@item("nhash", arguments=(2, 3))
def _nhash_item(_: Transaction, *texts: str) -> str:
    """``${nhash{N}{M}{text}}``, or without M: like the operator of this name."""
    return numeric_hash(texts[-1], *numbers("nhash", texts[:-1]))
