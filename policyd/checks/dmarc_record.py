"""What a domain publishes: DMARC policy records, RFC 9989 4.7 and 4.8."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from policyd.checks.remembered import remembered
from policyd.mail.octets import lower


class DmarcPolicy(StrEnum):
    """What a domain's owner asks for when a message fails; from the least to the most (RFC 9989 4.7, ``p``)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def tested(self) -> DmarcPolicy:
        """One level less: what ``t=y`` asks for."""
        return DmarcPolicy.QUARANTINE if self is DmarcPolicy.REJECT else DmarcPolicy.NONE


class Psd(StrEnum):
    """Whether a domain is a public suffix: yes, no (it is an organizational domain), unknown."""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


WSP = " \t"
VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
URI = re.compile(r"(?!mailto:)[a-z][a-z0-9+.-]*:[!-~]+|mailto:[!-~]+@[!-~]+", re.IGNORECASE | re.ASCII)  # RFC 3986 3
OBSOLETE_SIZE = re.compile(r"![0-9]+[kmgt]?\Z", re.IGNORECASE | re.ASCII)
NUMBER = re.compile(r"[0-9]{1,3}", re.ASCII)
REPORT_OPTIONS = frozenset("01ds")
EXCLUSIVE = frozenset("01")

POLICIES: Mapping[str, DmarcPolicy] = {str(policy): policy for policy in DmarcPolicy}
SUFFIXES: Mapping[str, Psd] = {str(psd): psd for psd in Psd}


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One record. *p*, *sp* and *np* are None where the record has no such tag.

    *usable* is False when one of them has no meaning and nobody would be told
    about it: then DMARC does not apply (RFC 9989 4.10.1). *rua*, *ruf*: URIs
    without their obsolete size. *fo* is what to report failures of. *pct* (RFC
    7489 6.3) only matters to reports in the old format.
    """

    text: str
    p: DmarcPolicy | None = None
    sp: DmarcPolicy | None = None
    np: DmarcPolicy | None = None
    psd: Psd = Psd.UNKNOWN
    testing: bool = False
    strict_dkim: bool = False
    strict_spf: bool = False
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    fo: frozenset[str] = frozenset("0")
    pct: int = 100
    usable: bool = True

    @property
    def for_domain(self) -> DmarcPolicy:
        """For the domain that publishes the record."""
        return self.p or DmarcPolicy.NONE

    @property
    def for_existing(self) -> DmarcPolicy:
        """For its subdomains that exist."""
        return self.sp or self.for_domain

    @property
    def for_nonexistent(self) -> DmarcPolicy:
        """For its subdomains that do not."""
        return self.np or self.for_existing


@remembered
def parse_record(text: str, p_required: bool = False) -> DmarcRecord | None:
    """The record that *text* (all strings of a TXT record, joined) is; None when it does not begin with the version.

    What is wrong in the rest gets its default, what is unknown is ignored, and
    of several tags with one name the first counts (RFC 9989 4.8). With
    *p_required*, a missing ``p`` is as bad as a wrong one, and there is no ``np`` (RFC 7489 6.3).
    """
    version = VERSION.match(text)
    if version is None:
        return None
    tags = _tags(text[version.end() :])
    rua = _uris(tags.get("rua", ""))
    names: list[str] = [name for name in (("p", "sp") if p_required else ("p", "sp", "np")) if name in tags]
    policies = {name: POLICIES.get(lower(tags[name])) for name in names}
    sound = None not in policies.values() and not (p_required and "p" not in policies)
    if not sound:
        policies = {"p": DmarcPolicy.NONE}
    return DmarcRecord(
        text,
        policies.get("p"),
        policies.get("sp"),
        policies.get("np"),
        SUFFIXES.get(lower(tags.get("psd", "")), Psd.UNKNOWN),
        lower(tags.get("t", "")) == "y",
        lower(tags.get("adkim", "")) == "s",
        lower(tags.get("aspf", "")) == "s",
        rua,
        _uris(tags.get("ruf", "")),
        _options(tags.get("fo", "")),
        _percentage(tags.get("pct", "")),
        sound or bool(rua),
    )


def _tags(text: str) -> dict[str, str]:
    """The values of the tags; names of tags distinguish case (RFC 6376 3.2)."""
    tags: dict[str, str] = {}
    for piece in text.split(";"):
        name, equals, value = piece.partition("=")
        if equals:
            tags.setdefault(name.strip(WSP), value.strip(WSP))
    return tags


def _uris(value: str) -> tuple[str, ...]:
    """The URIs of a list that are some, without the size that RFC 7489 allowed behind them."""
    items = (OBSOLETE_SIZE.sub("", item.strip(WSP)) for item in value.split(","))
    return tuple(item for item in items if URI.fullmatch(item))


def _options(value: str) -> frozenset[str]:
    """``fo``: 0 or 1 but not both, d, s; 0 for what has no meaning."""
    options = frozenset(lower(item.strip(WSP)) for item in value.split(":"))
    wrong = options - REPORT_OPTIONS or options >= EXCLUSIVE
    return frozenset("0") if wrong else options


def _percentage(value: str) -> int:
    return min(int(value), 100) if NUMBER.fullmatch(value) else 100
