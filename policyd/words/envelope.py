"""Sender and recipients: conditions and variables."""

from __future__ import annotations

from policyd.language.lists import Matcher, listed
from policyd.language.registry import condition, variable
from policyd.mail.octets import lower
from policyd.policy import SENDER_KNOWN, Phase
from policyd.transaction import Transaction


def _left(tx: Transaction, name: str, value: str | None) -> bool:
    """Remember what a list left behind, for ``$name``; whether it matched at all."""
    if value is not None:
        tx.frame.left[name] = value
    return value is not None


@condition("domains", argument=listed("domain"), phases=Phase.RCPT)
def _domains(tx: Transaction, matches: Matcher) -> bool:
    """Whether the recipient's domain is in a domain list; ``$domain_data`` is what the list left behind."""
    return _left(tx, "domain_data", matches(tx, _domain(tx)))


@condition("local_parts", argument=listed("local_part"), phases=Phase.RCPT)
def _local_parts(tx: Transaction, matches: Matcher) -> bool:
    """Whether the recipient's local part is in a list; ``$local_part_data`` is what the list left behind."""
    subject = tx.recipient.local_part if tx.recipient else ""
    return _left(tx, "local_part_data", matches(tx, subject))


@condition("recipients", argument=listed("address"), phases=Phase.RCPT)
def _recipients_condition(tx: Transaction, matches: Matcher) -> bool:
    """Whether the recipient is in an address list; ``$recipient_data`` is what the list left behind."""
    return _left(tx, "recipient_data", matches(tx, tx.recipient.text if tx.recipient else ""))


@condition("senders", argument=listed("address"), phases=SENDER_KNOWN)
def _senders(tx: Transaction, matches: Matcher) -> bool:
    """Whether the sender is in an address list; an empty item is the null sender."""
    return _left(tx, "sender_data", matches(tx, tx.sender.text if tx.sender else ""))


@condition("sender_domains", argument=listed("domain"), phases=SENDER_KNOWN)
def _sender_domains(tx: Transaction, matches: Matcher) -> bool:
    """Whether the sender's domain is in a domain list; the null sender's domain is empty."""
    return _left(tx, "sender_data", matches(tx, tx.sender.domain if tx.sender else ""))


@variable("domain")
def _domain(tx: Transaction) -> str:
    """The recipient's domain, in lower case."""
    return lower(tx.recipient.domain) if tx.recipient else ""


@variable("local_part")
def _local_part(tx: Transaction) -> str:
    """The recipient's local part; in lower case unless ``control = caseful_local_part`` was met."""
    if tx.recipient is None:
        return ""
    return tx.recipient.local_part if tx.caseful_local_part else lower(tx.recipient.local_part)


@variable("sender_address")
def _sender_address(tx: Transaction) -> str:
    """The sender's address, as in MAIL; empty for the null sender."""
    return tx.sender.text if tx.sender else ""


@variable("sender_address_local_part")
def _sender_address_local_part(tx: Transaction) -> str:
    """What stands before the last ``@`` of the sender's address."""
    return tx.sender.local_part if tx.sender else ""


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
_data("sender_data", "senders``, ``sender_domains")


@variable("recipients")
def _recipients(tx: Transaction) -> str:
    """The accepted recipients, separated by a comma and a blank; only once they are all known."""
    known = tx.phase & (Phase.PREDATA | Phase.DATA | Phase.QUIT | Phase.NOTQUIT)
    return ", ".join(recipient.text for recipient in tx.recipients) if known else ""


@variable("recipients_count")
def _recipients_count(tx: Transaction) -> str:
    """How many recipients have been accepted so far."""
    return str(len(tx.recipients) + len(tx.deleted_recipients))


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
