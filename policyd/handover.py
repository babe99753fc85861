"""Who the client of a connection really is, where somebody stands before us: a balancer, or a trusted relay.

Behind an MTA that reads PROXY headers itself (Postfix), a milter is told the
client that the header names, and nothing of the balancer. A client that is one
of ``hosts_proxy`` then means that the MTA was told none.

A trusted relay takes mail from a client, and hands it over to us later: who the
client was stands in the ``Received:`` fields, and so is known at the end of the
header. From there to the end of the message that is the client.
"""

from __future__ import annotations

from dataclasses import replace

from policyd.errors import Defer, ExpansionError
from policyd.language.scanning import Matcher
from policyd.language.verdict import Outcome
from policyd.mail.received import Address, Unreadable, origin
from policyd.replies import REHEARSED, Reply
from policyd.transaction import Client, Handover, Proxy, Transaction, host_text

UNTOLD = Proxy()
UNNEGOTIATED = "Command refused, required Proxy negotiation failed"
UNSPECIFIED = {4: "0.0.0.0", 6: "::"}


def arrive(tx: Transaction) -> None:
    """A client has connected: find out whether it is a balancer or a trusted relay. Raises `Defer`, ExpansionError."""
    connection, settings = tx.connection, tx.settings
    address, balancers = connection.client.address, settings.hosts_proxy
    if address is None:
        return
    has_gateway = settings.gateway_listen or settings.gateway_source
    if balancers is not None and connection.client.proxy is None and not has_gateway:
        connection.client = _balanced(tx, address, balancers)
    if _is(tx, settings.hosts_trusted_relays, address):
        connection.handover = Handover(connection.client)
    elif connection.client.proxy is None:
        _watch(tx, connection.client.text)


def _is(tx: Transaction, matches: Matcher | None, address: Address) -> bool:
    return matches is not None and matches(tx, address) is not None


def _balanced(tx: Transaction, address: Address, balancers: Matcher) -> Client:
    """The client, and what its MTA, which reads PROXY headers, tells of the balancer: to where the client connected."""
    client = tx.connection.client
    if _is(tx, balancers, address):
        tx.services.metrics.count("balancer_connections_total", "connect")
        return replace(client, proxy=UNTOLD)
    return replace(client, proxy=Proxy(UNSPECIFIED[address.version], 0, client.local_address, client.local_port))


def refusal(tx: Transaction, path: str) -> Reply | None:
    """The answer to a MAIL of a balancer's own, of whose client the MTA was told nothing; None for everybody else.

    Not to HELO: a health check says that, and would take its answer for that of a server that does not work.
    """
    client = tx.connection.client
    if client.proxy != UNTOLD or client.source != "milter":
        return None
    tx.services.metrics.count("balancer_connections_total", "mail")
    line = f"{host_text(tx)} rejected MAIL {path}: required Proxy negotiation failed: the MTA was told no client"
    tx.record("main", f"{REHEARSED}{line}" if tx.settings.dry_run else line)
    return None if tx.settings.dry_run else Reply(Outcome.FAIL, 503, lines=(UNNEGOTIATED,))


def _watch(tx: Transaction, address: str) -> None:
    """Warn when it looks as if a balancer stood there that nobody has told us of."""
    suspect = tx.services.crowd.suspect(address, tx.services.clock())
    if suspect is None:
        return
    tx.services.metrics.count("balancers_suspected_total")
    if suspect[1]:
        tx.complain(
            f"nearly all connections come from [{suspect[0]}]: if that is a balancer or a relay, it is judged instead "
            "of its clients; set hosts_proxy or hosts_trusted_relays"
        )


# -- trusted relays


def reveal(tx: Transaction) -> None:
    """The end of the header: from now on the client is who handed the message over, or nobody can say who that is."""
    connection, handover = tx.connection, tx.connection.handover
    if handover is None:
        return
    fields = [field.value for field in tx.message.find("received")]
    try:
        hop = origin(fields, lambda address: _is(tx, tx.settings.hosts_trusted_relays, address))
    except (Unreadable, Defer, ExpansionError) as error:
        handover.trouble = f"trusted relay [{handover.relay.address}] does not tell who its client was: {error}"
        tx.note(handover.trouble)
        _count(tx, "unknown")
        return
    tx.facts.clear()  # what was found out about the relay
    handover.keep(connection)
    if hop is not None:
        assert hop.address is not None
        connection.client = replace(handover.relay, address=hop.address, port=0, name="", source="received")
        connection.helo = hop.helo
    tx.log(f"{host_text(tx)} handed over by trusted relay [{handover.relay.address}]")
    _count(tx, "client" if hop else "relay")


def _count(tx: Transaction, result: str) -> None:
    tx.services.metrics.count("relayed_messages_total", result)
    if result == "client":
        tx.services.metrics.count("client_address_sources_total", "received")


def take_back(tx: Transaction) -> None:
    """The end of the message: the client is again the one that has connected."""
    if tx.connection.handover is not None:
        tx.connection.handover.restore(tx.connection)


def awaited(tx: Transaction, check: str) -> bool:
    """Whether the client will only be known at the end of the header; then *check* is skipped, and that is logged.

    Raises `Defer` where the header has come, and nobody knows.
    """
    handover = tx.connection.handover
    if handover is None or handover.known:
        return False
    if handover.trouble:
        raise Defer(handover.trouble)
    if check not in handover.skipped:
        handover.skipped.add(check)
        tx.note(f"{check} skipped: a trusted relay; its client is known at DATA")
    return True
