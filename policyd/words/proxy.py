"""The balancer in front of the client."""

from __future__ import annotations

from collections.abc import Callable

from policyd.language.registry import variable
from policyd.transaction import Proxy, Transaction

ABSENT = Proxy()


@variable("trusted_relay_address", extension=True)
def _trusted_relay_address(tx: Transaction) -> str:
    """The address of the one of ``hosts_trusted_relays`` that has connected; empty where it is none of them.

    At DATA the other variables are about the client that handed the message over to it.
    """
    handover = tx.connection.handover
    return str(handover.relay.address) if handover else ""


@variable("proxy_session")
def _proxy_session(tx: Transaction) -> str:
    """``yes`` when the connection comes from one of ``hosts_proxy``, who has to say who the client is; else ``no``.

    It is ``yes`` even when the PROXY header was wrong or missing; the addresses
    in the other variables are then empty.
    """
    return "no" if tx.connection.client.proxy is None else "yes"


def _end(names: tuple[str, str], of: Callable[[Proxy], tuple[str, int]], what: str) -> None:
    """The variables for the address and the port of one end, each under its name and its former one."""

    def address(tx: Transaction) -> str:
        return of(tx.connection.client.proxy or ABSENT)[0]

    def port(tx: Transaction) -> str:
        return str(of(tx.connection.client.proxy or ABSENT)[1])

    address.__doc__ = f"The address {what}; empty without a balancer, and when it told none."
    port.__doc__ = f"The port {what}; 0 where there is no address."
    for name in names:
        variable(f"proxy_{name}_address")(address)
        variable(f"proxy_{name}_port")(port)


_end(
    ("local", "host"),
    lambda proxy: (proxy.local_address, proxy.local_port),
    "from which the balancer connected to this host",
)
_end(
    ("external", "target"),
    lambda proxy: (proxy.external_address, proxy.external_port),
    "of the balancer that the client connected to",
)
