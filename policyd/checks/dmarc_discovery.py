"""Where a domain's DMARC record is, and which organization it belongs to.

RFC 9989 4.10 walks up the tree of DNS; RFC 7489 has a public suffix list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from policyd.checks.dmarc_record import DmarcPolicy, DmarcRecord, Psd, parse_record
from policyd.resolver import DnsTemporary, Resolver
from policyd.values import value_class

MAX_LABELS = 8  # RFC 9989 4.10: of a longer name, only the last seven labels are walked
KEPT_LABELS = 7

RegisteredDomain = Callable[[str], str]
"""The organizational domain of a domain by a public suffix list; empty when the list does not say."""


class Method(StrEnum):
    """How a policy is discovered.

    ``psl`` is RFC 9989, but for the public suffix list in the place of the walk;
    in ``rfc7489`` the tags ``np``, ``psd`` and ``t`` mean nothing either.
    """

    RFC9989 = "rfc9989"
    RFC7489 = "rfc7489"
    PSL = "psl"


@value_class
class Found:
    """A record, and the domain that publishes it."""

    domain: str
    record: DmarcRecord


class Records:
    """The DMARC records of DNS. What was asked once is remembered, failures too. *p_required*: as RFC 7489 has them."""

    def __init__(self, resolver: Resolver, p_required: bool = False) -> None:
        self._resolver = resolver
        self._p_required = p_required
        self._known: dict[str, DmarcRecord | DnsTemporary | None] = {}

    @property
    def queries(self) -> int:
        """How many names have been asked for."""
        return len(self._known)

    def at(self, domain: str) -> DmarcRecord | None:
        """The record of *domain*: the only one of this version there (RFC 9989 4.10). Raises `DnsTemporary`."""
        if domain not in self._known:
            self._known[domain] = self._asked(domain)
        known = self._known[domain]
        if isinstance(known, DnsTemporary):
            raise DnsTemporary(str(known))
        return known

    def _asked(self, domain: str) -> DmarcRecord | DnsTemporary | None:
        try:
            answer = self._resolver.lookup("TXT", f"_dmarc.{domain}")
        except DnsTemporary as error:
            return error
        found: list[DmarcRecord] = []
        for strings in answer.records:
            record = parse_record(b"".join(strings).decode("latin-1"), self._p_required)
            if record is not None:
                found.append(record)
        if self._p_required and len(found) > 1:  # RFC 7489 6.6.3 looks no further
            return replace(found[0], usable=False)
        return found[0] if len(found) == 1 else None


class Directory(Protocol):
    """One way to discover. Both methods raise `DnsTemporary`."""

    def policy(self, author: str) -> Found | None:
        """The record that applies to mail by *author*."""

    def organization(self, domain: str) -> str:
        """The organizational domain of *domain*."""


# -- RFC 9989


class TreeWalk:
    """Discovery by walking up the DNS tree, RFC 9989 4.10."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def policy(self, author: str) -> Found | None:
        """RFC 9989 4.10.1: the author domain's own record, its organization's, its public suffix's."""
        own = self._records.at(author)
        if own is not None:
            return Found(author, own)
        walked = self._walk(author)
        organization = selected(author, walked)
        for found in walked:
            if found.domain == organization:
                return found
        return walked[-1] if walked and walked[-1].record.psd is Psd.YES else None

    def organization(self, domain: str) -> str:
        """RFC 9989 4.10.2."""
        return selected(domain, self._walk(domain))

    def _walk(self, start: str) -> list[Found]:
        """The records on the way from *start* to the top, or to one that ends the walk."""
        walked: list[Found] = []
        for name in steps(start):
            record = self._records.at(name)
            if record is not None:
                walked.append(Found(name, record))
                if record.psd is not Psd.UNKNOWN:
                    break
        return walked


@lru_cache(maxsize=4096)
def steps(start: str) -> tuple[str, ...]:
    """The names that a walk from a domain looks at, RFC 9989 4.10: never more than eight."""
    labels = start.split(".")
    longest = len(labels) - 1 if len(labels) < MAX_LABELS else KEPT_LABELS
    return (start, *[".".join(labels[-count:]) for count in range(longest, 0, -1)])


def selected(start: str, walked: list[Found]) -> str:
    """The organizational domain that a walk from *start* has found, RFC 9989 4.10.2."""
    for found in walked:
        if found.record.psd is Psd.NO:
            return found.domain
        if found.record.psd is Psd.YES and found.domain != start:
            below = found.domain.count(".") + 2
            return ".".join(start.split(".")[-below:])
    return walked[-1].domain if walked else start


# -- RFC 7489


class SuffixList:
    """Discovery with a public suffix list, RFC 7489 3.2 and 6.6.3."""

    def __init__(self, records: Records, registered: RegisteredDomain) -> None:
        self._records = records
        self._registered = registered

    def policy(self, author: str) -> Found | None:
        """The author domain's own record, else its organization's."""
        for domain in dict.fromkeys((author, self.organization(author))):
            record = self._records.at(domain)
            if record is not None:
                return Found(domain, record)
        return None

    def organization(self, domain: str) -> str:
        """The domain below the public suffix; a domain that the list does not know stands for itself."""
        return self._registered(domain) or domain


# -- what the record says


def published(found: Found, author: str, method: Method, resolver: Resolver) -> DmarcPolicy:
    """What a record asks for when mail by *author* fails, before ``t`` (RFC 9989 4.10.1). Raises `DnsTemporary`."""
    record = found.record
    if found.domain == author:
        return record.for_domain
    if method is Method.RFC7489 or record.for_existing is record.for_nonexistent:
        return record.for_existing
    return record.for_existing if exists(author, resolver) else record.for_nonexistent


def exists(domain: str, resolver: Resolver) -> bool:
    """Whether there is such a name (RFC 9989 3.2.13); one without records is one. Raises `DnsTemporary`."""
    return any(resolver.lookup(rtype, domain).exists for rtype in ("A", "AAAA", "MX"))
