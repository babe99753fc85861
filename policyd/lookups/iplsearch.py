"""``iplsearch``: a text file whose keys are addresses and networks."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from policyd.errors import Defer
from policyd.language.registry import lookup
from policyd.lookups.lsearch import PURPOSE, RETURN_FULL, Entry, entries
from policyd.transaction import Transaction

Address = IPv4Address | IPv6Address
LENGTH = re.compile("[0-9]{1,9}")
Placed = tuple[int, Entry]  # an entry and its place in the file: the first one counts


@lookup("iplsearch", style="file", options=(RETURN_FULL,))
def _iplsearch(tx: Transaction, path: str, key: str, options: tuple[str, ...]) -> str | None:
    """The data of the first line whose address or network holds the key, an address.

    A file like that of ``lsearch``, with keys such as ``192.0.2.7``,
    ``192.0.2.0/24`` and ``"2001:db8::/32"`` (in quotes, because of its colons). A
    key ``*`` is for ``iplsearch*`` alone. In host lists, the type is written
    ``net-iplsearch``.

    ``ret=full``: the line's key comes with its data.
    """
    networks = tx.services.files.parsed(path, Networks, PURPOSE)
    entry = networks.star if key == "*" else networks.holding(_address(key))
    return None if entry is None else entry.answer(options)


class Networks:
    """The entries of a file, so that finding one takes a step per length of mask, not one per entry."""

    def __init__(self, text: str) -> None:
        self.star: Entry | None = None
        self._masks: dict[tuple[int, int], dict[int, Placed]] = {}  # by IP version and netmask: by network address
        for place, entry in enumerate(entries(text)):
            if entry.key == "*":
                self.star = self.star or entry
            elif (mask := _mask(entry.key)) is not None:
                version, netmask, network = mask
                self._masks.setdefault((version, netmask), {}).setdefault(network, (place, entry))

    def holding(self, address: Address) -> Entry | None:
        """The first entry whose network holds *address*."""
        number, version = int(address), address.version
        found = [
            placed
            for (of, netmask), networks in self._masks.items()
            if of == version and (placed := networks.get(number & netmask)) is not None
        ]
        return min(found, key=lambda placed: placed[0])[1] if found else None


@lru_cache(maxsize=1000)
def _address(key: str) -> Address:
    """The address a key spells; an IPv4 one in IPv6 clothes (RFC 4291 2.5.5.2) is what it is. Raises `Defer`."""
    try:
        address = ip_address(key)
    except ValueError:
        raise Defer(
            f'"{key}" is not a valid iplsearch key (an IP address, with optional CIDR mask, is wanted): in a host '
            "list, use net-iplsearch as the search type"
        ) from None
    return getattr(address, "ipv4_mapped", None) or address


def _mask(key: str) -> tuple[int, int, int] | None:
    """IP version, netmask and network address of a file's key; None for what is no network. A mask too long is full."""
    text, slash, length = key.partition("/")
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if slash and not LENGTH.fullmatch(length):
        return None
    size = address.max_prefixlen
    bits = min(int(length), size) if slash else size
    netmask = (1 << size) - (1 << size - bits)
    return address.version, netmask, int(address) & netmask
