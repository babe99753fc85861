"""``verify = sender``: could the sender get an answer?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from policyd.checks.iprev import addresses
from policyd.errors import Defer
from policyd.language.registry import VOCABULARY, Kind, variable, verification
from policyd.language.source import BLANKS
from policyd.mail.address import Address
from policyd.mail.octets import lower
from policyd.policy import AFTER_MAIL, Phase
from policyd.resolver import Answer, DnsTemporary, Question
from policyd.transaction import Transaction, host_text

DEFER_OK = "defer_ok"
IGNORED = ("no_details",)
NEEDS_ROUTING = ("callout", "success_on_redirect", "quota")
INSTEAD = "a milter knows no routes: let the MTA verify it (Postfix: reject_unverified_sender), or use a lookup"


@dataclass(frozen=True, slots=True)
class Verify:
    """What to verify: the sender, where no other *address* is given."""

    address: str | None = None
    defer_ok: bool = False


def options(text: str) -> Verify:
    """Read ``[=address][/defer_ok]``. Raises ValueError."""
    head, *parts = text.split("/")
    defer_ok = False
    for part in parts:
        name = part.strip(BLANKS)
        if name.startswith(NEEDS_ROUTING):
            raise ValueError(f'"verify = sender" has no option "{name}"\n{INSTEAD}')
        if name not in (DEFER_OK, *IGNORED):
            raise ValueError(f'unknown option "{name}"\nthere is {DEFER_OK}')
        defer_ok = defer_ok or name == DEFER_OK
    return Verify(head[1:].strip(BLANKS) if head else None, defer_ok)


def _questions(tx: Transaction) -> list[Question]:
    domain = tx.sender.domain if tx.sender else ""
    return [Question("MX", domain, partial(_hosts, domain))] if domain and not domain.startswith("[") else []


def _hosts(domain: str, answer: Answer) -> list[Question]:
    """The first exchanger mostly has an address, and a domain without one may be its own."""
    return [Question("A", host) for _, host in answer.records[:1]] or [Question("A", domain)]


@verification("sender", phases=AFTER_MAIL, options=options, prefetch={Phase.MAIL: _questions})
def _sender(tx: Transaction, wanted: Verify) -> bool:
    """Whether the sender's domain can receive mail: it has a mail exchanger, or an address (RFC 5321 5.1).

    The null sender passes. ``sender=ADDRESS`` looks at another address. A
    domain that wants no mail (RFC 7505) fails. What DNS cannot answer now defers,
    unless ``/defer_ok`` follows: then it passes. Callouts are the MTA's.
    """
    address = Address(wanted.address) if wanted.address is not None else tx.sender or Address()
    if not address.text:
        return True
    known: dict[str, str] = tx.facts.setdefault("verified_senders", {})
    try:
        if address.text not in known:
            known[address.text] = _trouble(tx, lower(address.domain))
    except DnsTemporary as error:
        if wanted.defer_ok:
            return True
        raise Defer(f"could not complete sender verify: {error}") from None
    return _told(tx, address, known[address.text]) if known[address.text] else True


def _trouble(tx: Transaction, domain: str) -> str:
    """Why nobody can answer to *domain*; nothing when somebody can. Raises `DnsTemporary`."""
    if domain.startswith("["):
        return "" if _is_literal(domain) else "malformed domain literal"
    exchangers = [host for _, host in tx.resolver.lookup("MX", domain).records]
    if exchangers == [""]:
        return "its domain accepts no mail"
    if any(addresses(tx.resolver, host) for host in exchangers or [domain]):
        return ""
    return "its mail exchangers have no address" if exchangers else "its domain has neither MX nor address records"


def _is_literal(domain: str) -> bool:
    try:
        return bool(ip_address(domain.strip("[]").removeprefix("ipv6:")))
    except ValueError:
        return False


def _told(tx: Transaction, address: Address, trouble: str) -> bool:
    """Log the reason once, and tell the client."""
    said: set[str] = tx.facts.setdefault("sender_verify_failures", set())
    if address.text not in said:
        said.add(address.text)
        tx.log(f"{host_text(tx)} sender verify fail for <{address.text}>: {trouble}")
    tx.facts["sender_verify_failure"] = "route"
    tx.frame.user_message = f"Verification failed for <{address.text}>\n{trouble}\nSender verify failed"
    tx.frame.log_message = "Sender verify failed"
    return False


@variable("sender_verify_failure")
def _sender_verify_failure(tx: Transaction) -> str:
    """``route`` once ``verify = sender`` has failed; otherwise empty."""
    return str(tx.facts.get("sender_verify_failure", ""))


VOCABULARY.refuse(
    Kind.VERIFICATION,
    "a milter knows no routes: let the MTA verify recipients (Postfix: reject_unlisted_recipient, "
    "reject_unverified_recipient), or test domains and local_parts against lists or lookups",
    "recipient",
)
VOCABULARY.refuse(
    Kind.VERIFICATION,
    "a milter knows no routes: header_syntax and DMARC are about the header's sender",
    "header_sender",
)
VOCABULARY.refuse(Kind.VERIFICATION, "nobody publishes CSA records: use spf or helo", "csa")
