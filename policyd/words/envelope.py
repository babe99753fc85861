"""Sender and recipients: conditions and variables."""

from __future__ import annotations

from policyd.language.lists import listed
from policyd.language.marks import client_controlled
from policyd.language.registry import condition, variable
from policyd.language.scanning import Matcher, found
from policyd.mail.octets import lower
from policyd.policy import SENDER_KNOWN, Phase
from policyd.transaction import Transaction


def _listed(tx: Transaction, matches: Matcher, subject: str, name: str) -> bool:
    """Whether *subject* is in a list. What the list leaves behind becomes ``$name``."""
    value, left = found(tx, matches, subject)
    tx.frame.left[name] = left or ""
    return value is not None


@condition("domains", argument=listed("domain"), phases=Phase.RCPT, judges=("domain",))
def _domains(tx: Transaction, matches: Matcher) -> bool:
    """Whether the recipient's domain is in a domain list; ``$domain_data`` is what the list left behind."""
    return _listed(tx, matches, _domain(tx), "domain_data")


@condition("local_parts", argument=listed("local_part"), phases=Phase.RCPT, judges=("local_part",))
def _local_parts(tx: Transaction, matches: Matcher) -> bool:
    """Whether the recipient's local part is in a list; ``$local_part_data`` is what the list left behind."""
    subject = tx.recipient.unquoted_local_part if tx.recipient else ""
    return _listed(tx, matches, subject, "local_part_data")


@condition("recipients", argument=listed("address"), phases=Phase.RCPT, judges=("local_part", "domain"))
def _recipients_condition(tx: Transaction, matches: Matcher) -> bool:
    """Whether the recipient is in an address list; ``$recipient_data`` is what the list left behind."""
    return _listed(tx, matches, tx.recipient.text if tx.recipient else "", "recipient_data")


@condition("senders", argument=listed("address"), phases=SENDER_KNOWN, judges=("sender_address",))
def _senders(tx: Transaction, matches: Matcher) -> bool:
    """Whether the sender is in an address list; an empty item is the null sender.

    ``$sender_data`` is what the list left behind.
    """
    return _listed(tx, matches, tx.sender.text if tx.sender else "", "sender_data")


@condition("sender_domains", argument=listed("domain"), phases=SENDER_KNOWN, judges=("sender_address_domain",))
def _sender_domains(tx: Transaction, matches: Matcher) -> bool:
    """Whether the sender's domain is in a domain list; the null sender's domain is empty."""
    return matches(tx, lower(tx.sender.domain) if tx.sender else "") is not None


@client_controlled
@variable("domain")
def _domain(tx: Transaction) -> str:
    """The recipient's domain, in lower case; while a domain list is expanded and there is none, the list's subject."""
    return lower(tx.recipient.domain) if tx.recipient else tx.frame.domain


@client_controlled
@variable("local_part")
def _local_part(tx: Transaction) -> str:
    """The recipient's local part; in lower case unless ``control = caseful_local_part`` was met."""
    if tx.recipient is None:
        return ""
    local_part = tx.recipient.unquoted_local_part
    return local_part if tx.caseful_local_part else lower(local_part)


@client_controlled
@variable("sender_address")
def _sender_address(tx: Transaction) -> str:
    """The sender's address, as in MAIL; empty for the null sender."""
    return tx.sender.text if tx.sender else ""


@client_controlled
@variable("sender_address_local_part")
def _sender_address_local_part(tx: Transaction) -> str:
    """What stands before the last ``@`` of the sender's address."""
    return tx.sender.local_part if tx.sender else ""


@client_controlled
@variable("sender_address_domain")
def _sender_address_domain(tx: Transaction) -> str:
    """What stands after the last ``@`` of the sender's address."""
    return tx.sender.domain if tx.sender else ""


def _data(name: str, what: str) -> None:
    def run(tx: Transaction) -> str:
        return tx.frame.left.get(name, "")

    run.__doc__ = f"What the list of the last ``{what}`` that matched left behind: an item, or what a lookup found."
    variable(name)(run)


_data("domain_data", "domains")
_data("local_part_data", "local_parts")
_data("recipient_data", "recipients")
_data("sender_data", "senders")


@client_controlled
@variable("recipients")
def _recipients(tx: Transaction) -> str:
    """The accepted recipients, separated by a comma and a blank; only once they are all known."""
    return ", ".join(_all_recipients(tx))


@client_controlled
@variable("recipients_list")
def _recipients_list(tx: Transaction) -> str:
    """The same as a list, whose separator is doubled in them."""
    return ":".join(text.replace(":", "::") for text in _all_recipients(tx))


def _all_recipients(tx: Transaction) -> list[str]:
    known = tx.phase & (Phase.PREDATA | Phase.DKIM | Phase.DATA | Phase.QUIT | Phase.NOTQUIT)
    return [recipient.text for recipient in tx.recipients] if known else []


@variable("recipients_count")
def _recipients_count(tx: Transaction) -> str:
    """How many recipients have been accepted so far, without those that were discarded."""
    return str(len(tx.recipients))


@variable("rcpt_count")
def _rcpt_count(tx: Transaction) -> str:
    """How many RCPT commands this message has seen, the current one included."""
    return str(tx.rcpt_count)


@variable("rcpt_fail_count")
def _rcpt_fail_count(tx: Transaction) -> str:
    """How many of them were refused for good."""
    return str(tx.rcpt_fail_count)


@variable("rcpt_defer_count")
def _rcpt_defer_count(tx: Transaction) -> str:
    """How many of them were refused for now."""
    return str(tx.rcpt_defer_count)
