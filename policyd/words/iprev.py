"""Reverse DNS as a check: ``iprev``, RFC 8601 section 3."""

from __future__ import annotations

from policyd.checks.iprev import Iprev, Result
from policyd.handover import awaited
from policyd.language.lists import listed
from policyd.language.registry import condition, variable
from policyd.language.scanning import Matcher
from policyd.transaction import Transaction
from policyd.words.clienthost import CLIENT_NAME, reverse_dns


@condition("iprev", argument=listed("string"), prefetch=CLIENT_NAME, extension=True)
def _iprev(tx: Transaction, matches: Matcher) -> bool:
    """Whether the result of the client's reverse DNS is in the list.

    * ``pass``: the address has a name that has this address;
    * ``fail``: it has names, and none of them has;
    * ``permerror``: it has no name;
    * ``temperror``: DNS does not answer.

    A name that the MTA tells has been confirmed by it. Nothing matches for a
    message that was submitted on this host.
    """
    client = tx.connection.client
    if client.address is None or awaited(tx, "iprev"):
        return False
    found: Iprev = Iprev(Result.PASS) if client.name else reverse_dns(tx)
    return matches(tx, str(found.result)) is not None


@variable("sender_host_dnssec")
def _sender_host_dnssec(tx: Transaction) -> str:
    """``yes`` when DNSSEC vouches for the client's name, from its address and back; otherwise ``no``.

    The MTA does not tell that, so DNS is asked when this variable is used.
    """
    found: Iprev = reverse_dns(tx)
    return "yes" if found.secure else "no"
