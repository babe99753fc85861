"""DMARC: ``dmarc_status`` and its variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from policyd.checks.dmarc import (
    DmarcOutcome,
    DmarcResult,
    DmarcStatus,
    Evidence,
    Identifier,
    Rules,
    SeveralAuthors,
    evaluate,
    organization,
)
from policyd.checks.dmarc_ahead import questions
from policyd.checks.dmarc_discovery import Method, RegisteredDomain
from policyd.checks.public_suffixes import library, suffix_list
from policyd.checks.spf import SpfOutcome
from policyd.errors import Defer, Unopened
from policyd.language.lists import listed
from policyd.language.marks import client_controlled
from policyd.language.registry import Kind, alias, condition, variable
from policyd.language.scanning import Matcher
from policyd.mail.authres import AuthResult, authentication_results
from policyd.policy import Phase
from policyd.resolver import DnsTemporary, Question
from policyd.transaction import Transaction, fact
from policyd.words import dmarc_feedback
from policyd.words.authentication import sender_policy, sender_questions
from policyd.words.authres import reports
from policyd.words.signatures import examined, signatures

TEXTS = {
    DmarcStatus.ACCEPT: "Accept",
    DmarcStatus.REJECT: "Reject",
    DmarcStatus.QUARANTINE: "Quarantine",
    DmarcStatus.NONE: "None, Accept",
    DmarcStatus.NORECORD: "No DMARC record",
    DmarcStatus.NOFROM: "No From: domain found",
    DmarcStatus.TEMPERROR: "Internal Policy Error",
    DmarcStatus.PERMERROR: "More than one From: domain",
}
EXPLAINED = (DmarcResult.TEMPERROR, DmarcResult.PERMERROR)
"""Results that nobody understands without their reason."""
_FAIL, _NONE, _RFC9989 = DmarcResult.FAIL, DmarcStatus.NONE, Method.RFC9989
"""For every message: a member read off its class takes longer."""


@fact
def dmarc(tx: Transaction) -> DmarcOutcome:
    """DMARC of the message."""
    spf: SpfOutcome = sender_policy(tx)
    evidence = Evidence(
        Identifier(spf.domain, str(spf.result)),
        [Identifier(said.signature.domain, str(said.result)) for said in signatures(tx)],
    )
    outcome = evaluate(tx.resolver, _from_fields(tx), evidence, rules(tx))
    _count(tx, outcome)
    return outcome


def _from_fields(tx: Transaction) -> list[str]:
    return [header.value for header in tx.message.find("From") if header.number]


def rules(tx: Transaction) -> Rules:
    """How this policy wants DMARC evaluated."""
    settings = tx.settings
    default = "rfc7489" if settings.dmarc_tld_file else "rfc9989"
    found = _rules(settings.dmarc_discovery or default, settings.dmarc_multiple_from)
    return found if found.method is _RFC9989 else replace(found, registered=_suffixes(tx))


@lru_cache(maxsize=16)
def _rules(discovery: str, multiple_from: str) -> Rules:
    return Rules(Method(discovery), SeveralAuthors(multiple_from))


def _suffixes(tx: Transaction) -> RegisteredDomain:
    """The public suffix list of the policy's, or the library's where that cannot be read."""
    path = tx.settings.dmarc_tld_file
    if not path:
        return library()
    try:
        return tx.services.files.parsed(path, suffix_list, "for the public suffix list")
    except Unopened as error:
        tx.complain(f"DMARC: {error}")
        return library()


def _count(tx: Transaction, outcome: DmarcOutcome) -> None:
    asked = "defer" if outcome.result in EXPLAINED else "none"
    if outcome.result is _FAIL and outcome.applied:
        asked = str(outcome.applied)
    metrics, policy = tx.services.metrics, str(outcome.published or "absent")
    metrics.count("dmarc_results_total", str(outcome.result), policy, asked)
    metrics.observe("dmarc_discovery_queries", outcome.queries, str(outcome.method))
    if outcome.result is _FAIL and outcome.applied is not outcome.published:
        metrics.count("dmarc_overrides_total", "policy_test_mode")


def is_ours(tx: Transaction) -> bool:
    """Whether a message is not evaluated: its client has authenticated, or it comes from this host itself."""
    return tx.connection.client.address is None or bool(tx.connection.macros.get("auth_type"))


def _spf_questions(tx: Transaction) -> Iterable[Question]:
    return () if is_ours(tx) else sender_questions(tx)


def _questions(tx: Transaction) -> Iterable[Question]:
    """What `dmarc` will ask, besides what SPF and DKIM ask for it."""
    if is_ours(tx) or not tx.checks.dmarc:
        return ()
    domains = [said.domain for said in examined(tx) if not said.flaw]
    if tx.sender:
        domains.append(tx.sender.domain)
    return questions(_from_fields(tx), domains, rules(tx))


def evaluated(tx: Transaction) -> DmarcOutcome | None:
    """The outcome, found when it is first needed, with all that follows from it once; None for mail that is ours."""
    known: DmarcOutcome | None = tx.facts.get("dmarc")
    if known is not None or is_ours(tx):
        return known
    outcome: DmarcOutcome = dmarc(tx)
    dmarc_feedback.record(tx, outcome)
    if tx.checks.forensic:
        dmarc_feedback.report(tx, outcome, rules(tx))
    return outcome


@condition(
    "dmarc_status",
    argument=listed("string"),
    phases=Phase.DATA,
    needs="dkim",
    prefetch={Phase.MAIL: _spf_questions, Phase.DATA: _questions},
    judges=("dmarc_status_text", "dmarc_used_domain", "dmarc_domain_policy"),
)
def _dmarc_status(tx: Transaction, matches: Matcher) -> bool:
    """Whether the message's DMARC status is in the list. The first one evaluates DMARC, and sets the ``$dmarc_…``
    variables.

    * ``accept``: SPF or a DKIM signature stands for the author's domain;
    * ``reject``, ``quarantine``, ``none``: neither does, and this is what the
      domain asks for (one level less, where its record has ``t=y``);
    * ``norecord``: the domain asks for nothing;
    * ``nofrom``: there is no From: field with a domain; ``permerror``: more than
      one domain, and ``dmarc_multiple_from`` forbids that, or too many;
    * ``temperror``: DNS does not answer;
    * ``off``: ``control = dmarc_disable_verify``.

    SPF is evaluated for it, whether the policy has asked for it or not. Mail of
    clients that have authenticated, and of this host, is not evaluated: its
    status is ``none``.
    """
    if not tx.checks.dmarc:
        return matches(tx, "off") is not None
    outcome = evaluated(tx)
    return matches(tx, outcome.status if outcome else _NONE) is not None


# -- what others want to know of it


@reports("dmarc")
def _result(tx: Transaction) -> Sequence[AuthResult]:
    outcome = _last(tx)
    if outcome is None:
        return ()
    properties = (("header.from", outcome.author), ("policy.dmarc", str(outcome.applied or "")))  # RFC 9989 9.1
    comment = outcome.reason if outcome.result in EXPLAINED else ""
    return (AuthResult("dmarc", str(outcome.result), properties, comment),)


def _last(tx: Transaction) -> DmarcOutcome | None:
    outcome: DmarcOutcome | None = tx.facts.get("dmarc")
    return outcome


def _told(name: str, tell: Callable[[DmarcOutcome], str], what: str, before: str = "", extension: bool = False) -> None:
    """A variable about the outcome; *before* there is one, it has another value."""

    def run(tx: Transaction) -> str:
        outcome = _last(tx)
        return tell(outcome) if outcome else before

    run.__doc__ = what
    client_controlled(variable(name, extension=extension)(run))


def _yes_or_no(answer: bool) -> str:
    return "yes" if answer else "no"


_told("dmarc_status", lambda outcome: outcome.status, "The status; ``none`` until ``dmarc_status`` was met.", "none")
_told("dmarc_status_text", lambda outcome: TEXTS[outcome.status], "The status in words; empty until then.")
_told("dmarc_used_domain", lambda outcome: outcome.used, "The domain whose record was used; empty without one.")
alias(Kind.VARIABLE, "domain_used_domain", "dmarc_used_domain")
_told(
    "dmarc_domain_policy",
    lambda outcome: outcome.published or "",
    "What the record asks for when a message by this author fails, before ``t=y``: ``none``, ``quarantine`` or\n"
    "``reject``; empty without a record.",
)
_told(
    "dmarc_alignment_spf",
    lambda outcome: _yes_or_no(outcome.spf_aligned),
    "``yes`` when SPF passed, for the author's domain or organization; otherwise ``no``.",
    "no",
)
_told(
    "dmarc_alignment_dkim",
    lambda outcome: _yes_or_no(outcome.dkim_aligned),
    "``yes`` when a DKIM signature of the author's domain or organization is good; otherwise ``no``.",
    "no",
)
_told("dmarc_result", lambda outcome: outcome.result, "The result by RFC 9989: ``pass``, ``fail`` …", extension=True)
_told("dmarc_reason", lambda outcome: outcome.reason, "Why that is the status, in words.", extension=True)
_told(
    "dmarc_applied_policy",
    lambda outcome: outcome.applied or "",
    "Like ``$dmarc_domain_policy``, after ``t=y``.",
    extension=True,
)
_told("dmarc_from_domain", lambda outcome: outcome.author, "The author's domain, which decided.", extension=True)
_told(
    "dmarc_from_domains",
    lambda outcome: ":".join(outcome.authors),
    "All domains in From: fields, as a list.",
    extension=True,
)


@client_controlled
@variable("dmarc_org_domain", extension=True)
def _dmarc_org_domain(tx: Transaction) -> str:
    """The organizational domain of the author's; DNS is asked for it where the evaluation did not need it."""
    outcome = _last(tx)
    if outcome is None or outcome.organization or not outcome.author:
        return outcome.organization if outcome else ""
    try:
        return organization(tx.resolver, outcome.author, rules(tx))
    except DnsTemporary as error:
        raise Defer(f"DNS: {error}") from None


@client_controlled
@variable("dmarc_ar_header")
def _dmarc_ar_header(tx: Transaction) -> str:
    """An ``Authentication-Results:`` field with the DMARC result alone; ``authresults`` makes one with all results."""
    results = _result(tx)
    return authentication_results(tx.settings.primary_hostname, results) if results else ""
