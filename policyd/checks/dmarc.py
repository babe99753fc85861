"""DMARC: does the domain that readers see stand behind a message?  RFC 9989."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from itertools import chain

from policyd.checks.dmarc_discovery import (
    Directory,
    Found,
    Method,
    Records,
    RegisteredDomain,
    SuffixList,
    TreeWalk,
    published,
)
from policyd.checks.dmarc_record import DmarcPolicy, DmarcRecord
from policyd.mail.author import author_domains
from policyd.resolver import DnsTemporary, Resolver
from policyd.resolver.names import MAX_SPELLING, ascii_name
from policyd.values import value_class

MAX_AUTHORS = 5  # domains that are looked at; each may take eight questions
MAX_SPELLINGS = 100  # different texts that are looked at as domains: a few addresses are a message's, more are mischief
MAX_TEXT = 256 * 1024  # octets of all From: fields; reading more would only keep us busy

DOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)  # what a mail domain is made of, RFC 5321 4.1.2


class DmarcResult(StrEnum):
    """RFC 9989 9.2."""

    PASS = "pass"
    FAIL = "fail"
    NONE = "none"
    PERMERROR = "permerror"
    TEMPERROR = "temperror"


class DmarcStatus(StrEnum):
    """What ``dmarc_status`` compares with: the result, and what the domain's owner wants done about a failure.

    In this order one outweighs another where a message has several authors.
    """

    REJECT = "reject"
    QUARANTINE = "quarantine"
    PERMERROR = "permerror"
    TEMPERROR = "temperror"
    NOFROM = "nofrom"
    NONE = "none"
    NORECORD = "norecord"
    ACCEPT = "accept"


FAILED = {DmarcPolicy.REJECT: DmarcStatus.REJECT, DmarcPolicy.QUARANTINE: DmarcStatus.QUARANTINE}
_ACCEPT, _PASS = DmarcStatus.ACCEPT, DmarcResult.PASS  # a member read off its class takes longer
_RFC7489, _RFC9989 = Method.RFC7489, Method.RFC9989
WEIGHT = {status: -number for number, status in enumerate(DmarcStatus)}


class SeveralAuthors(StrEnum):
    """What to do about a message whose From: fields name more than one domain (RFC 9989 5.3.1, 11.5).

    Evaluate each domain, and let the strictest outcome count; or call it
    ``permerror``; or look only at the first address of the last field, as Exim does.
    """

    STRICTEST = "strictest"
    PERMERROR = "permerror"
    EXIM = "exim"


_EXIM = SeveralAuthors.EXIM


@value_class
class Identifier:
    """A domain that SPF or a DKIM signature speaks for, and that check's result (RFC 8601 2.7)."""

    domain: str
    result: str


@value_class
class Evidence:
    """What the other checks found. *spf*: of MAIL FROM, or of postmaster at the HELO name for the null sender."""

    spf: Identifier | None = None
    dkim: Sequence[Identifier] = ()


@value_class
class Rules:
    """How to discover, and what several authors mean. *registered* is needed by every method but RFC 9989's own."""

    method: Method = Method.RFC9989
    several: SeveralAuthors = SeveralAuthors.STRICTEST
    registered: RegisteredDomain = str


@value_class
class DmarcOutcome:
    """What DMARC says about a message. Domains are A-labels in lower case, empty where there is none.

    *author*: the author domain that decided; *authors*: all that were looked at.
    *used*: where *record* was found. *organization*: the author's, as far as it
    was needed. *published*: what the record asks for; *applied*: the same after
    ``t``; both None without a record. *queries*: names asked for a record.
    *reason*: in words, printable ASCII.
    """

    status: DmarcStatus
    result: DmarcResult
    author: str = ""
    authors: tuple[str, ...] = ()
    used: str = ""
    organization: str = ""
    published: DmarcPolicy | None = None
    applied: DmarcPolicy | None = None
    spf_aligned: bool = False
    dkim_aligned: bool = False
    record: DmarcRecord | None = None
    queries: int = 0
    reason: str = ""
    method: Method = Method.RFC9989


def evaluate(resolver: Resolver, fields: Sequence[str], evidence: Evidence, rules: Rules) -> DmarcOutcome:
    """Judge a message by its From: *fields*, in their order. Never raises: what DNS cannot say is ``temperror``."""
    authors = authors_of(fields, rules.several)
    if not authors.domains:
        reason = "no domain in the From: field" if fields else "no From: field"
        return DmarcOutcome(DmarcStatus.NOFROM, DmarcResult.PERMERROR, reason=reason, method=rules.method)
    if not authors.complete or (len(authors.domains) > 1 and rules.several is SeveralAuthors.PERMERROR):
        reason = "more than one author domain" if authors.complete else "too many author domains"
        return DmarcOutcome(
            DmarcStatus.PERMERROR,
            DmarcResult.PERMERROR,
            author=authors.domains[0],
            authors=authors.domains,
            reason=reason,
            method=rules.method,
        )
    judge = _Judge(resolver, evidence, rules, authors.domains)
    outcomes = [judge.outcome(author) for author in authors.domains]
    if len(outcomes) == 1:
        return outcomes[0]
    strictest = max(outcomes, key=lambda outcome: WEIGHT[outcome.status])
    return replace(strictest, queries=outcomes[-1].queries)  # all of them are the message's


def directory(records: Records, rules: Rules) -> Directory:
    """The way to discover that *rules* name."""
    if rules.method is _RFC9989:
        return TreeWalk(records)
    return SuffixList(records, rules.registered)


def organization(resolver: Resolver, domain: str, rules: Rules) -> str:
    """The organizational domain of *domain*. Raises `DnsTemporary`."""
    return directory(Records(resolver), rules).organization(domain)


# -- authors


@value_class
class Authors:
    """The different author domains of a message, as A-labels. *complete*: there are no more."""

    domains: tuple[str, ...]
    complete: bool = True


def authors_of(fields: Sequence[str], several: SeveralAuthors = SeveralAuthors.STRICTEST) -> Authors:
    """Whose names the From: *fields* carry (RFC 9989 5.3.1). An address whose domain can be none does not count."""
    length = sum(map(len, fields))
    if length > MAX_TEXT:
        return Authors(("",), complete=False)
    return (_known_authors if length <= MAX_SPELLING else _authors_of)(tuple(fields), several is _EXIM)


def _authors_of(fields: tuple[str, ...], first_only: bool) -> Authors:
    if first_only:
        first = mail_domain(next(author_domains(fields[-1]), "")) if fields else ""
        return Authors((first,) if first else ())
    spellings: set[str] = set()
    found: dict[str, None] = {}
    for spelling in chain.from_iterable(map(author_domains, fields)):
        if spelling in spellings:
            continue
        spellings.add(spelling)
        if name := mail_domain(spelling):
            found[name] = None
        if len(found) > MAX_AUTHORS or len(spellings) > MAX_SPELLINGS:
            return Authors(tuple(found)[:MAX_AUTHORS] or ("",), complete=False)
    return Authors(tuple(found))


_known_authors = lru_cache(maxsize=1024)(_authors_of)  # asked ahead of the check, then by it


def mail_domain(text: str) -> str:
    """A domain in A-labels and lower case; empty for what is no domain of mail: address literals, strange octets."""
    return _mail_domain(text) if len(text) <= MAX_SPELLING else ""


@lru_cache(maxsize=4096)  # each is asked for ahead of the check, then by it
def _mail_domain(text: str) -> str:
    name = ascii_name(text)
    return name if name and DOMAIN.fullmatch(name) else ""


# -- one author


class _Judge:
    """Holds the evidence against one author domain after the other."""

    def __init__(self, resolver: Resolver, evidence: Evidence, rules: Rules, authors: tuple[str, ...]) -> None:
        self._resolver = resolver
        self._records = Records(resolver, p_required=rules.method is _RFC7489)
        self._directory = directory(self._records, rules)
        self._evidence = evidence
        self._method = rules.method
        self._authors = authors
        self._organization = ""  # the author's, once it was needed

    def outcome(self, author: str) -> DmarcOutcome:
        """RFC 9989 5.3.2 to 5.3.6. Its *queries* are all that the judge has put so far."""
        try:
            found = self._directory.policy(author)
            if found is not None and found.record.usable:
                return self._verdict(author, found, published(found, author, self._method, self._resolver))
            status, result = DmarcStatus.NORECORD, DmarcResult.NONE
            reason = "no DMARC record" if found is None else "a DMARC record without a valid policy"
        except DnsTemporary as error:
            status, result, reason = DmarcStatus.TEMPERROR, DmarcResult.TEMPERROR, f"DNS: {error}"
        queries = self._records.queries
        return DmarcOutcome(status, result, author, self._authors, queries=queries, reason=reason, method=self._method)

    def _verdict(self, author: str, found: Found, policy: DmarcPolicy) -> DmarcOutcome:
        record, spf = found.record, self._evidence.spf
        self._organization = ""
        spf_aligned, spf_doubt = self._alignment(author, (spf,) if spf else (), record.strict_spf)
        dkim_aligned, dkim_doubt = self._alignment(author, self._evidence.dkim, record.strict_dkim)
        applied = policy.tested if record.testing and self._method is not _RFC7489 else policy
        if spf_aligned or dkim_aligned:
            status, result, reason = _ACCEPT, _PASS, "aligned"
        elif spf_doubt or dkim_doubt:  # neither pass nor fail, RFC 9989 5.3.6
            status, result, reason = DmarcStatus.TEMPERROR, DmarcResult.TEMPERROR, spf_doubt or dkim_doubt
        else:
            status, result, reason = FAILED.get(applied, DmarcStatus.NONE), DmarcResult.FAIL, "nothing is aligned"
        return DmarcOutcome(
            status,
            result,
            author,
            self._authors,
            found.domain,
            self._organization,
            policy,
            applied,
            spf_aligned,
            dkim_aligned,
            record,
            self._records.queries,
            reason,
            self._method,
        )

    def _alignment(self, author: str, identifiers: Iterable[Identifier], strict: bool) -> tuple[bool, str]:
        """Whether one that passed is aligned; and where none is, why that may not be the last word."""
        doubt = ""
        for identifier in identifiers:
            if identifier.domain == author and identifier.result == "pass":  # mostly so
                return True, ""
            if identifier.result not in ("pass", "temperror"):
                continue
            domain = mail_domain(identifier.domain)
            try:
                aligned = self._aligned(author, domain, strict)
            except DnsTemporary as error:
                doubt = f"DNS: {error}"
                continue
            if aligned and identifier.result == "pass":
                return True, ""
            if aligned:
                doubt = f"{domain} could not be checked"
        return False, doubt

    def _aligned(self, author: str, domain: str, strict: bool) -> bool:
        """RFC 9989 4.10.2, with its shortcuts. Raises `DnsTemporary`."""
        if domain == author:
            return True
        if strict or not domain:
            return False
        self._organization = self._organization or self._directory.organization(author)
        if not f".{domain}".endswith(f".{self._organization}"):
            return False  # an organizational domain is the domain itself or above it
        return self._directory.organization(domain) == self._organization
