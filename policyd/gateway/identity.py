"""Who a client is, by what the gateway has been told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from policyd.mail.proxy import Endpoint, Header, Malformed
from policyd.transaction import Client, Proxy

UNAVAILABLE = "421 Temporary local problem - please try later"
"""What anybody is told when we cannot say who it is, or cannot reach the MTA."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """What came of asking who *client* is. *refused*: why its header does not count; empty: it does, or needed none."""

    client: Client
    refused: str = ""

    @property
    def complaint(self) -> str:
        """What the log says of a refusal."""
        return f"gateway: [{self.client.address}]:{self.client.port} refused: {self.refused}"


def plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """*address*, as IPv4 if it is an IPv4 address written as IPv6."""
    return (address.version == 6 and address.ipv4_mapped) or address


def endpoint(name: Any) -> Endpoint:
    """What a socket calls one of its ends; the zone of a link-local address is left out."""
    return Endpoint(plain(ip_address(name[0].partition("%")[0])), name[1])


def itself(peer: Endpoint, here: Endpoint) -> Client:
    """A client that has come without a balancer, to *here*."""
    return Client(peer.address, peer.port, local_address=str(here.address), local_port=here.port)


def unproven(balancer: Client) -> Client:
    """A *balancer* that owes us a header."""
    return replace(balancer, proxy=Proxy())


def introduced(header: Header, balancer: Client) -> Client:
    """The client that *balancer* has introduced, or the balancer itself."""
    source, destination, who = header.source, header.destination, f"proxy_v{header.version}"
    if source is None or destination is None:
        return replace(balancer, proxy=Proxy(), source=who)
    proxy = Proxy(str(balancer.address), balancer.port, str(plain(destination.address)), destination.port)
    return replace(balancer, address=plain(source.address), port=source.port, name="", proxy=proxy, source=who)


def diagnosis(error: Exception, octets: bytes) -> tuple[str, str]:
    """What a metric calls it, and what the log says, when there is no header in *octets*."""
    if not octets:
        return "missing", "no PROXY header"
    if isinstance(error, Malformed):
        return "malformed", f"malformed PROXY header: {error}"
    ended = "the connection ended" if isinstance(error, EOFError) else "its time was over"
    return "timeout", f"{len(octets)} octets of a PROXY header when {ended}"
