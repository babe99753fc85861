"""Verifications of the header of a message."""

from __future__ import annotations

from collections.abc import Iterator

from policyd.language.registry import verification
from policyd.mail.arrived import Header
from policyd.mail.mailboxes import EMPTY, Mailbox, mailboxes
from policyd.mail.message import ADDRESS_HEADERS
from policyd.mail.octets import lower
from policyd.policy import Phase
from policyd.transaction import Transaction
from policyd.words.choices import flags

MAX_SHOWN = 1024  # octets of a wrong address that a log line shows
FOR_RECIPIENTS = frozenset({"to", "cc", "resent-to", "resent-cc"})


@verification("header_syntax", phases=Phase.DATA)
def _header_syntax(tx: Transaction, _: None) -> bool:
    """Whether every address in From:, Sender:, Reply-To:, To:, Cc: and Bcc: is well formed, with a domain."""
    for header in tx.message.headers:
        if lower(header.name) in ADDRESS_HEADERS:
            for mailbox in mailboxes(header.value):
                fault = _fault(mailbox)
                if fault:
                    return _refused(tx, f"{fault}: {_place(header, mailbox)}")
    return True


def _fault(mailbox: Mailbox) -> str:
    if mailbox.error:
        return "" if mailbox.error == EMPTY else mailbox.error
    return "" if mailbox.domain else "unqualified address not permitted"


def _place(header: Header, mailbox: Mailbox) -> str:
    verb = "is" if len(mailbox.text) <= MAX_SHOWN else "begins"
    return f'failing address in "{header.name}:" header {verb}: {mailbox.text[:MAX_SHOWN]}'


@verification("header_names_ascii", phases=Phase.DATA)
def _header_names_ascii(tx: Transaction, _: None) -> bool:
    """Whether the names of all header fields are printable ASCII, as RFC 5322 2.2 says."""
    for header in tx.message.headers:
        if not all("!" <= character <= "~" for character in header.name):
            return _refused(tx, f'Invalid character in header "{header.name}" found')
    return True


@verification("not_blind", phases=Phase.DATA, options=flags("case_insensitive"))
def _not_blind(tx: Transaction, options: frozenset[str]) -> bool:
    """Whether every recipient is named in To: or Cc:, so that nobody got a blind copy.

    Capital letters in local parts count, unless ``/case_insensitive`` follows.
    """
    caseless = "case_insensitive" in options
    named = {_comparable(address, caseless) for address in _named(tx)}
    if all(_comparable(recipient.text, caseless) in named for recipient in tx.recipients):
        return True
    return _refused(tx, "bcc recipient detected")


def _named(tx: Transaction) -> Iterator[str]:
    for header in tx.message.headers:
        if lower(header.name) in FOR_RECIPIENTS:
            yield from (mailbox.address for mailbox in mailboxes(header.value))


def _comparable(address: str, caseless: bool) -> str:
    local, at, domain = address.rpartition("@")
    return (lower(local) if caseless else local) + at + lower(domain)


def _refused(tx: Transaction, reason: str) -> bool:
    """Say why in the log; to the client only where ``smtp_return_error_details`` is set."""
    tx.frame.log_message = reason
    if tx.settings.smtp_return_error_details:
        tx.frame.user_message = f"Rejected after DATA: {reason}"
    return False
