"""The client's host: its confirmed names, and what it calls itself."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from policyd.checks.iprev import TYPES, Address, Iprev, Result, addresses, iprev, pointers
from policyd.errors import Defer
from policyd.handover import awaited
from policyd.language.marks import client_controlled
from policyd.language.registry import Prefetch, variable, verification
from policyd.language.scanning import Unknown
from policyd.mail.octets import lower
from policyd.policy import Phase
from policyd.resolver import DnsTemporary, Question
from policyd.transaction import Transaction, fact
from policyd.words.choices import flags


@fact(connection=True)
def reverse_dns(tx: Transaction) -> Iprev:
    """What reverse DNS says of the client: nothing for a local submission."""
    address = tx.connection.client.address
    if address is None:
        return Iprev(Result.PERMERROR, reason="no client address")
    found = iprev(tx.resolver, address)
    tx.services.metrics.count("iprev_results_total", str(found.result))
    return found


def _questions(tx: Transaction) -> list[Question]:
    """What `client_names` will ask: nothing where the MTA has asked."""
    client = tx.connection.client
    return [pointers(client.address)] if client.address and not client.name and not tx.connection.handover else []


CLIENT_NAME: Prefetch = {Phase.CONNECT: _questions}


UNSHOWN = "unshown_name"
"""The fact that the client's name is only known because ``verify = helo`` has asked: the log goes on without it."""


def client_names(tx: Transaction) -> tuple[str, ...]:
    """The names of the client that resolve back to it: the MTA's, which has looked, or those that we find.

    Raises `Unknown` when there is none, and `Defer` while DNS cannot say.
    """
    client = tx.connection.client
    if client.name:
        looked_up = _looked_up(tx)
        return looked_up.names if looked_up and looked_up.names else (client.name,)
    found: Iprev = reverse_dns(tx)
    if found.names:
        if UNSHOWN not in tx.connection.facts:
            tx.connection.client = replace(client, name=found.names[0])  # from now on the log shows it
        return found.names
    if found.result is Result.TEMPERROR:
        raise Defer(f"host lookup deferred for {client.address}: {found.reason}")
    raise Unknown(f"failed to find host name for {client.address}")


@client_controlled
@variable("sender_host_name", prefetch=CLIENT_NAME)
def _sender_host_name(tx: Transaction) -> str:
    """The client's name, confirmed by DNS in both directions; empty when it has none.

    The MTA has mostly looked it up; where it tells none, DNS is asked when this
    variable is used.
    """
    if tx.connection.client.address is None:
        return tx.connection.client.name
    try:
        return client_names(tx)[0]
    except (Unknown, Defer):
        return ""


@variable("host_lookup_failed")
def _host_lookup_failed(tx: Transaction) -> str:
    """``1`` when the client has been found to have no confirmed name, otherwise ``0``."""
    return "1" if _result(tx) in (Result.FAIL, Result.PERMERROR) else "0"


@variable("host_lookup_deferred")
def _host_lookup_deferred(tx: Transaction) -> str:
    """``1`` when DNS could not say what the client's name is, otherwise ``0``."""
    return "1" if _result(tx) is Result.TEMPERROR else "0"


def _looked_up(tx: Transaction) -> Iprev | None:
    """The answer to a lookup that has been made; this makes none."""
    found: Iprev | None = tx.connection.facts.get("reverse_dns")
    return found


def _result(tx: Transaction) -> Result | None:
    found = _looked_up(tx)
    return found.result if found else None


# -- verifications


@verification("reverse_host_lookup", options=flags("defer_ok"), prefetch=CLIENT_NAME)
def _reverse_host_lookup(tx: Transaction, options: frozenset[str]) -> bool:
    """Whether the client's address has a name that has this address: what mail servers have, and many others not.

    What DNS cannot answer now defers, unless ``/defer_ok`` follows: then it passes.
    """
    if tx.connection.client.address is None or awaited(tx, "reverse_host_lookup"):
        return True
    try:
        return bool(client_names(tx))
    except Unknown:
        found = reverse_dns(tx)
        tx.frame.log_message = f"host lookup failed for reverse lookup check ({found.reason})"
        return False
    except Defer:
        if "defer_ok" in options:
            return True
        raise Defer("host lookup deferred for reverse lookup check") from None


@verification("helo", prefetch=CLIENT_NAME)
def _helo(tx: Transaction, _: None) -> bool:
    """Whether the name in HELO is the client's: one of its confirmed names, or a name that has its address.

    An address literal has to be the client's address. What DNS cannot answer
    now is a no.
    """
    client, helo = tx.connection.client, tx.connection.helo
    if client.address is None or awaited(tx, "helo"):
        return True
    if not helo:
        return False
    tx.connection.facts["verified_helo"] = helo if (verified := _is_helo_of(tx, helo, client.address)) else ""
    return verified


def _is_helo_of(tx: Transaction, helo: str, address: Address) -> bool:
    if helo.startswith("["):
        return _is_literal(helo, address)
    if _looked_up(tx) is None and not tx.connection.client.name:
        tx.connection.facts[UNSHOWN] = True  # as in Exim
    try:
        if any(lower(helo) == lower(name) for name in client_names(tx)):
            return True
    except (Unknown, Defer):
        pass  # the forward lookup may still confirm it
    try:
        return address in addresses(tx.resolver, helo, address.version)
    except DnsTemporary:
        return False  # as in Exim, which does not defer here


@variable("sender_helo_verified")
def _sender_helo_verified(tx: Transaction) -> str:
    """``yes`` when ``verify = helo`` has found the name of the last HELO to be the client's, otherwise ``no``."""
    helo = tx.connection.helo
    return "yes" if helo and tx.connection.facts.get("verified_helo") == helo else "no"


@variable("sender_helo_dnssec")
def _sender_helo_dnssec(tx: Transaction) -> str:
    """``yes`` when, besides, DNSSEC vouches for the addresses of that name, otherwise ``no``."""
    client, helo = tx.connection.client, tx.connection.helo
    if client.address is None or _sender_helo_verified(tx) == "no" or helo.startswith("["):
        return "no"
    try:
        answer = tx.resolver.lookup(TYPES[client.address.version], helo)
    except DnsTemporary:
        return "no"
    return "yes" if answer.secure else "no"


def _is_literal(helo: str, address: Address) -> bool:
    text = helo.removeprefix("[").removesuffix("]")
    try:
        return ip_address(text[5:] if lower(text).startswith("ipv6:") else text) == address
    except ValueError:
        return False
