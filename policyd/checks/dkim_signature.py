"""What a DKIM-Signature field says: RFC 6376 3.5. ARC's two signatures are read here, too."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache

from policyd.checks import dkim_tags as tags
from policyd.checks.canonical import BODIES, SIMPLE, BodyMethod
from policyd.checks.dkim_tags import (
    SYNTAX,
    UNKNOWN,
    Flaw,
    Unverifiable,
    decoded,
    is_domain,
    items,
    shown,
    unfolded,
    unquoted,
)
from policyd.mail.octets import lower
from policyd.resolver.names import ascii_name
from policyd.values import value_class

REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")  # RFC 6376 3.5
ALGORITHMS = {  # a=: the type of key, the hash
    "rsa-sha256": ("rsa", "sha256"),  # RFC 6376 3.3.2
    "rsa-sha1": ("rsa", "sha1"),  # 3.3.1; historic since RFC 8301
    "ed25519-sha256": ("ed25519", "sha256"),  # RFC 8463
}
HASH_OCTETS = {"sha256": 32, "sha1": 20}
MAX_FIELD = 65536  # octets; z= may copy a whole header
LONGEST_KNOWN = 1024  # characters of an h= that is remembered: nobody may fill the memory with more
CLOCK_SKEW = 300  # seconds by which clocks may differ

_TIME = re.compile(r"[0-9]{1,12}")
_LENGTH = re.compile(r"[0-9]{1,76}")


@value_class
class Signature:
    """A signature as it was written, as far as it can be read; *flaw* says why no more.

    *place*: of the field, see `Fields`. *identity*: ``i=``, empty where there is
    none. *names*: ``h=`` as written; *signed*: in lower case. *length*: ``l=``. *copied*: ``z=``.
    """

    place: int
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    header_method: str = SIMPLE
    body_method: str = SIMPLE
    length: int | None = None
    created: int | None = None
    expires: int | None = None
    names: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    body_hash: bytes = b""
    octets: bytes = b""
    copied: str = ""
    flaw: Flaw | None = None

    @property
    def key_type(self) -> str:
        """``rsa`` or ``ed25519``."""
        return ALGORITHMS[self.algorithm][0]

    @property
    def hash_name(self) -> str:
        """``sha256`` or ``sha1``."""
        return ALGORITHMS[self.algorithm][1]

    @property
    def body(self) -> BodyMethod:
        """How the body is to be hashed."""
        return BodyMethod(self.body_method, self.hash_name, self.length)

    @property
    def key_name(self) -> str:
        """Where the key is."""
        return f"{self.selector}._domainkey.{self.domain}"


def signature(text: str, place: int, now: float) -> Signature:
    """Read the value of a DKIM-Signature field. *now*: seconds since 1970. Never raises."""
    try:
        found = field_tags(text)
    except Unverifiable as error:
        return Signature(place, flaw=error.flaw)
    return read(found, place, REQUIRED, now)


def field_tags(text: str) -> dict[str, str]:
    """The tags of a field. Raises `Unverifiable`."""
    if len(text) > MAX_FIELD:
        raise Unverifiable(SYNTAX, f"longer than {MAX_FIELD} octets")
    return tags.tag_list(text)


def read(found: Mapping[str, str], place: int, required: Collection[str], now: float) -> Signature:
    """A signature of tags. Never raises."""
    methods = found.get("c", SIMPLE).split("/")
    domain, selector = found.get("d", ""), found.get("s", "")
    names, signed = _signed(found.get("h", ""))
    said = Signature(
        place,
        domain=domain if is_domain(domain) else "",
        selector=selector if is_domain(selector) else "",
        identity=unquoted(found.get("i", "")) or "",
        algorithm=found.get("a", ""),
        header_method=methods[0],
        body_method=methods[1] if len(methods) > 1 else SIMPLE,
        length=_number(found.get("l"), _LENGTH),
        created=_number(found.get("t"), _TIME),
        expires=_number(found.get("x"), _TIME),
        names=names,
        signed=signed,
        body_hash=decoded(found.get("bh", "")) or b"",
        octets=decoded(found.get("b", "")) or b"",
        copied=unfolded(found["z"]) if "z" in found else "",
    )
    try:
        _check(found, said, required, now)
    except Unverifiable as error:
        return replace(said, flaw=error.flaw)
    return said


def _signed(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names in ``h=``, as written and in lower case."""
    return _known_signed(text) if len(text) <= LONGEST_KNOWN else _names(text)


def _names(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return items(text), items(lower(text))


_known_signed = lru_cache(maxsize=256)(_names)  # a signer always writes the same ones, and so do many others


def _number(text: str | None, shape: re.Pattern[str]) -> int | None:
    return int(text) if text and shape.fullmatch(text) else None


# -- what is wrong with it: RFC 6376 6.1.1


def _check(found: Mapping[str, str], said: Signature, required: Collection[str], now: float) -> None:
    for name in required:
        if name not in found:
            raise Unverifiable(SYNTAX, f"{name}= is missing")
    if found.get("v", "1") != "1":
        raise Unverifiable(SYNTAX, f"version {shown(found['v'])} is not known")
    _check_methods(found, said)
    _check_names(found, said)
    _check_octets(said, "bh" in required)
    _check_times(found, said, now)
    if "h" in required and "from" not in said.signed:
        raise Unverifiable(SYNTAX, "From is not signed")


def _check_methods(found: Mapping[str, str], said: Signature) -> None:
    if said.algorithm not in ALGORITHMS:
        raise Unverifiable(UNKNOWN, f"algorithm {shown(said.algorithm)} is not known")
    known = said.header_method in BODIES and said.body_method in BODIES
    if not known or found.get("c", "").count("/") > 1:
        raise Unverifiable(UNKNOWN, f"canonicalization {shown(found['c'])} is not known")
    if found.get("q", "dns/txt") != "dns/txt" and "dns/txt" not in items(found["q"]):
        raise Unverifiable(UNKNOWN, f"no known way to the key: {shown(found['q'])}")


def _check_names(found: Mapping[str, str], said: Signature) -> None:
    if "." not in said.domain:
        raise Unverifiable(SYNTAX, "d= is not a domain name")
    if not said.selector:
        raise Unverifiable(SYNTAX, "s= is not a selector")
    if "i" not in found:
        return
    if not said.identity and unquoted(found["i"]) is None:
        raise Unverifiable(SYNTAX, "i= is not quoted-printable text")
    _, at, domain = said.identity.rpartition("@")
    if not at or not is_within(domain, said.domain):
        raise Unverifiable(SYNTAX, "i= is not in the domain of d=")


def is_within(domain: str, parent: str) -> bool:
    """Whether *domain* is *parent* or below it, in any spelling."""
    inner, outer = ascii_name(domain), ascii_name(parent)
    return bool(inner and outer) and f".{inner}".endswith(f".{outer}")


def _check_octets(said: Signature, with_body: bool) -> None:
    if not said.octets:
        raise Unverifiable(SYNTAX, "b= is not base64")
    if with_body and len(said.body_hash) != HASH_OCTETS[said.hash_name]:
        raise Unverifiable(SYNTAX, f"bh= is not a {said.hash_name} hash in base64")


def _check_times(found: Mapping[str, str], said: Signature, now: float) -> None:
    for name, number in (("l", said.length), ("t", said.created), ("x", said.expires)):
        if number is None and name in found:
            raise Unverifiable(SYNTAX, f"{name}= is not a number")
    if said.created is not None and said.created > now + CLOCK_SKEW:
        raise Unverifiable(tags.FROM_FUTURE, "signed in the future")
    if said.expires is None:
        return
    if said.created is not None and said.expires <= said.created:
        raise Unverifiable(SYNTAX, "x= is not later than t=")
    if said.expires < now - CLOCK_SKEW:
        raise Unverifiable(tags.EXPIRED, "expired")
