"""The syntax that DKIM and ARC share: tag lists (RFC 6376 3.2), and why a signature is not good."""

from __future__ import annotations

import binascii
import re
from enum import StrEnum

from policyd.mail.octets import visible
from policyd.resolver.names import MAX_SPELLING, in_a_labels
from policyd.values import value_class

MAX_SHOWN = 40  # characters of somebody else's text in a reason

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_STRIPPED = " \t\r\n\v\f"  # what dkimpy takes off names and values
_CONTROL = re.compile(r"[\0-\x1f\x7f]")
_ESCAPE = re.compile(r"=([0-9A-F]{2})?")
_DOMAIN = re.compile(r"[\w\x80-\xff-]{1,63}(?:\.[\w\x80-\xff-]{1,63})*", re.ASCII)
MAX_DOMAIN = 253


class DkimResult(StrEnum):
    """RFC 8601 2.7.1."""

    PASS = "pass"
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    NONE = "none"


@value_class
class Problem:
    """A kind of trouble: its name in Exim's manner, and the result it gives."""

    name: str
    result: DkimResult


SYNTAX = Problem("signature_syntax", DkimResult.PERMERROR)
UNKNOWN = Problem("signature_unknown", DkimResult.NEUTRAL)  # RFC 6376 3.3.4, 3.4: it is ignored
EXPIRED = Problem("signature_expired", DkimResult.PERMERROR)  # RFC 6376 3.5, x=
FROM_FUTURE = Problem("signature_future", DkimResult.PERMERROR)  # RFC 6376 3.5, t=
NOT_ACCEPTED = Problem("signature_not_accepted", DkimResult.POLICY)  # RFC 8301 3.1: SHA-1, unless a policy wants it
NO_KEY = Problem("pubkey_unavailable", DkimResult.PERMERROR)  # RFC 6376 6.1.2, as all trouble with keys
NO_ANSWER = Problem("pubkey_unavailable", DkimResult.TEMPERROR)
KEY_SYNTAX = Problem("pubkey_dns_syntax", DkimResult.PERMERROR)
KEY_OCTETS = Problem("pubkey_der_syntax", DkimResult.PERMERROR)
KEY_REVOKED = Problem("pubkey_der_syntax", DkimResult.PERMERROR)
KEY_MISMATCH = Problem("pubkey_mismatch", DkimResult.PERMERROR)
KEY_TOO_SHORT = Problem("pubkey_too_short", DkimResult.POLICY)  # RFC 8301 3.2
KEY_TOO_LONG = Problem("pubkey_too_long", DkimResult.POLICY)
BODY_CHANGED = Problem("bodyhash_mismatch", DkimResult.FAIL)
BODY_UNSIGNED = Problem("body_partly_signed", DkimResult.POLICY)
INCORRECT = Problem("signature_incorrect", DkimResult.FAIL)
NOT_TRIED = Problem("", DkimResult.NONE)


@value_class
class Flaw:
    """What is wrong with one signature. *reason*: a line of printable ASCII."""

    problem: Problem
    reason: str


class Unverifiable(Exception):  # noqa: N818 - a finding; it stays inside a check
    """A signature, or its key, has a flaw."""

    def __init__(self, problem: Problem, reason: str) -> None:
        super().__init__(reason)
        self.flaw = Flaw(problem, reason)


def shown(text: str) -> str:
    """Somebody else's text, fit for a reason."""
    return visible(text[:MAX_SHOWN])


def tag_list(text: str, problem: Problem = SYNTAX) -> dict[str, str]:
    """The tags by name, folding left inside their values. Raises `Unverifiable` with *problem*."""
    tags = _usual_tags(text)
    return _tags_of_dkimpy(text, problem) if tags is None else tags


def _usual_tags(text: str) -> dict[str, str] | None:
    """What dkimpy would find, in a quarter of the time; None where anything is odd, and only dkimpy knows how."""
    tags: dict[str, str] = {}
    specs = text.strip(_STRIPPED).removesuffix(";").split(";")
    for spec in specs:
        name, equals, value = spec.partition("=")
        if not equals:
            return None
        tags[name.strip(_STRIPPED)] = value.strip(_STRIPPED)
    names = "".join(tags)
    is_usual = names.isalpha() and names.isascii() and "" not in tags and len(tags) == len(specs)
    return tags if is_usual else None


def _tags_of_dkimpy(text: str, problem: Problem = SYNTAX) -> dict[str, str]:
    from dkim.util import InvalidTagValueList, parse_tag_value  # dkimpy is slow to load

    try:
        found = parse_tag_value(text.encode("latin-1"))
    except InvalidTagValueList as error:
        spec = shown(error.args[0].decode("latin-1"))
        raise Unverifiable(problem, f"not a tag, or the second of its name: {spec}") from None
    tags = {name.decode("latin-1"): value.decode("latin-1") for name, value in found.items()}
    for name in tags:
        if not _NAME.fullmatch(name):
            raise Unverifiable(problem, f"not the name of a tag: {shown(name)}")
    return tags


def unfolded(text: str) -> str:
    """A value in which blanks mean nothing."""
    if " " in text:
        text = text.replace(" ", "")
    if "\n" in text:
        text = text.replace("\n", "")
    if "\r" in text:
        text = text.replace("\r", "")
    if "\t" in text:
        text = text.replace("\t", "")
    return text


def items(text: str) -> tuple[str, ...]:
    """A colon-separated value; blanks mean nothing in it."""
    return tuple(filter(None, unfolded(text).split(":")))


def decoded(text: str) -> bytes | None:
    """The octets of Base64 (RFC 6376 2.10) that may be folded; None where it is something else."""
    try:
        return binascii.a2b_base64(unfolded(text), strict_mode=True)
    except ValueError:  # binascii.Error is one, too
        return None


def unquoted(text: str) -> str | None:
    """The text of DKIM's quoted-printable (RFC 6376 2.11); None where it is none, or has control characters."""
    plain = unfolded(text)
    if "=" in plain:
        plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "\0", plain)
    return None if _CONTROL.search(plain) else plain


def is_domain(text: str) -> bool:
    """Whether *text* can be a domain name or a selector; RFC 8616 allows UTF-8, often longer than its A-labels."""
    if len(text) <= MAX_SPELLING and not text.isascii():
        text = in_a_labels(text)
    return len(text) <= MAX_DOMAIN and _DOMAIN.fullmatch(text) is not None
