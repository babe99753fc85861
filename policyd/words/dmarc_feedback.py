"""What the owners of domains are told about DMARC: the history for aggregate reports, and failure reports."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from policyd.checks.dmarc import DmarcOutcome, Rules, organization
from policyd.checks.dmarc_history import Reception, Seal, Signed, history_record
from policyd.checks.spf import SpfOutcome
from policyd.errors import Defer, Unopened
from policyd.outbox import Letter
from policyd.resolver import DnsTemporary, Resolver
from policyd.settings import Settings
from policyd.transaction import Services, Transaction
from policyd.words import authres
from policyd.words.authentication import sender_policy
from policyd.words.signatures import signatures

if TYPE_CHECKING:
    from policyd.checks.dmarc_report import FailureReport

HOUR = 3600.0


def record(tx: Transaction, outcome: DmarcOutcome) -> None:
    """Write the outcome to ``dmarc_history_file``, if there is one. When that fails, only the log says so."""
    text = history_record(outcome, _reception(tx)) if tx.settings.dmarc_history_file else ""
    if not text:
        return
    try:
        tx.services.files.append(tx.settings.dmarc_history_file, text)
    except Unopened as error:
        tx.complain(f"DMARC history: {error}")


def _reception(tx: Transaction) -> Reception:
    spf: SpfOutcome = sender_policy(tx)
    signed = [
        Signed(said.signature.domain, said.signature.selector, str(said.result), said.signature.identity)
        for said in signatures(tx)
    ]
    chain: Any = tx.facts.get("arc")  # an ArcOutcome, where the policy has asked for one before
    return Reception(
        tx.connection.macros.get("i", ""),
        tx.settings.primary_hostname,
        tx.services.clock(),
        tx.connection.client.text,
        tx.sender.domain if tx.sender else "",
        str(spf.result),
        signed,
        str(chain.result) if chain else "",
        [Seal(one.instance, one.seal.domain, one.seal.selector) for one in chain.sets] if chain else (),
    )


def report(tx: Transaction, outcome: DmarcOutcome, rules: Rules) -> None:
    """Have a failure report sent, if one is wanted; not about mail of the null sender, which may be a report itself."""
    from policyd.checks.dmarc_report import FailureReport, is_wanted  # rarely needed

    if not tx.sender or not tx.sender.text or not is_wanted(outcome):
        return
    found = FailureReport(
        outcome,
        _reception(tx),
        tx.sender.text,
        authres.field(tx, tx.settings.primary_hostname),
        "".join(f"{header.name}:{header.value}\n" for header in tx.message.headers if header.number),
        port=tx.connection.client.port,
    )
    if not tx.services.outbox.put(partial(letters, found, tx.services, tx.settings, rules)):
        tx.services.metrics.count("dmarc_reports_total", "dropped")


def letters(found: FailureReport, services: Services, settings: Settings, rules: Rules) -> Iterator[Letter]:
    """The report as it goes to each address that has agreed to get it; nothing beyond ``dmarc_forensic_limit``."""
    from policyd.checks.dmarc_report import recipients

    outcome, resolver = found.outcome, services.resolver
    assert outcome.record is not None  # or nobody had wanted it
    agreed = recipients(resolver, outcome.record, outcome.used, lambda name: organization(resolver, name, rules))
    if not agreed or not _is_allowed(services, outcome.used, settings.dmarc_forensic_limit):
        services.metrics.count("dmarc_reports_total", "limited" if agreed else "nobody")
        return
    found = replace(found, spf_record=_spf_record(resolver, found))
    author = settings.dmarc_forensic_sender
    sender = author or f"DMARC reports <postmaster@{settings.primary_hostname}>"
    for address in agreed:
        services.metrics.count("dmarc_reports_total", "sent")
        yield Letter(_address(author), address, found.message(sender, address, secrets.token_hex(16)))


def _address(mailbox: str) -> str:
    """The address of ``Some Name <address>``, or of an address alone."""
    return mailbox.rpartition("<")[2].partition(">")[0].strip()


def _is_allowed(services: Services, domain: str, limit: int) -> bool:
    """Count one more report for *domain* in this hour, unless there have been enough, or nobody can count."""

    def one_more(stored: bytes | None, now: float) -> tuple[bytes | None, bool]:
        count = int(stored) if stored and stored.isdigit() else 0
        return (b"%d" % (count + 1), True) if count < limit else (None, False)

    key = f"dmarc-report/{int(services.clock() // HOUR)}/{domain}".encode()
    try:
        return services.store.update(key, one_more, HOUR)
    except Defer as error:
        services.log.write("main", f"DMARC report for {domain} not sent: {error}")
        return False


def _spf_record(resolver: Resolver, found: FailureReport) -> str:
    """What the sender's domain says about SPF, where that should have stood for the author (RFC 9991 section 4)."""
    from policyd.checks.dmarc_report import related

    domain = found.reception.sender_domain
    if found.outcome.spf_aligned or not related(domain, found.outcome.author):
        return ""
    try:
        answer = resolver.lookup("TXT", domain)
    except DnsTemporary:
        return ""  # the report is of use without it
    texts = (b"".join(strings).decode("latin-1") for strings in answer.records)
    return next((text for text in texts if text.startswith("v=spf1")), "")
