"""``iplsearch``: a text file whose keys are addresses and networks."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from policyd.language.registry import lookup
from policyd.lookups.lsearch import entries
from policyd.transaction import Transaction

Network = IPv4Network | IPv6Network


@lookup("iplsearch", style="single")
def _iplsearch(tx: Transaction, path: str, key: str, options: tuple[str, ...]) -> str | None:
    """The data of the first line whose address or network holds the key; ``*`` stands for all, if it is the key.

    With ``ret=full``, the line's key comes with its data.
    """
    for text, network, data in networks(tx.read_file(path)):
        if _holds(text, network, key):
            return f"{text} {data}" if "ret=full" in options else data
    return None


def _holds(text: str, network: Network | None, key: str) -> bool:
    if network is None:
        return text == key == "*"
    address = _address(key)
    return address is not None and address.version == network.version and address in network


@lru_cache(maxsize=1000)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("/")[0])
    except ValueError:
        return None


@lru_cache(maxsize=64)
def networks(text: str) -> tuple[tuple[str, Network | None, str], ...]:
    """Each entry's key, its network (None for ``*`` and for what is no address), and its data."""
    return tuple((key, _network(key), data) for key, data in entries(text))


def _network(key: str) -> Network | None:
    try:
        return ip_network(key, strict=False)
    except ValueError:
        return None
