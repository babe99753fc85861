"""IP addresses: what is one, masks, and other ways to write them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from policyd.errors import ExpansionError
from policyd.language.marks import harmless
from policyd.language.registry import operator, test
from policyd.transaction import Transaction

Address = IPv4Address | IPv6Address

MASK = re.compile(r"([^/]*)/(?:[ \t\r\n\v\f]*([+]?[0-9]+|-0+))?")
MAX_DIGITS = 100  # of a mask that are looked at: fewer make it too big already
ZEROS = re.compile(r"\b0(?::0)*\b")


def address(text: str) -> Address | None:
    """The address that *text* spells, or None. A scope, after ``%``, does not count."""
    host, percent, _ = text.partition("%")
    try:
        return ip_address(host) if not percent or ":" in host else None
    except ValueError:
        return None


def spelled(found: Address, separator: str = ":") -> str:
    """Dotted for IPv4; for IPv6 all eight groups of four digits."""
    return str(found) if found.version == 4 else found.exploded.replace(":", separator)


def _known(text: str) -> Address:
    found = address(text)
    if found is None:
        raise ExpansionError(f'"{text}" is not an IP address')
    return found


# -- conditions


def _is(text: str, *versions: int) -> bool:
    found = address(text)
    return found is not None and found.version in versions


@test("isip", arguments=1)
def _isip(_: Transaction, text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    return _is(text, 4, 6)


@test("isip4", arguments=1)
def _isip4(_: Transaction, text: str) -> bool:
    """Whether the text is an IPv4 address."""
    return _is(text, 4)


@test("isip6", arguments=1)
def _isip6(_: Transaction, text: str) -> bool:
    """Whether the text is an IPv6 address."""
    return _is(text, 6)


# -- operators


@harmless
@operator("mask", arguments=(0, 1))
def _mask(text: str, style: str = "") -> str:
    """``${mask:ADDRESS/BITS}``: the network's address, and the mask after a slash.

    IPv6 is written with all its digits and with dots, as keys of lookup files
    are; with ``mask_n`` as people write it.
    """
    host_text, slash, _ = text.partition("/")
    found, host = MASK.fullmatch(text), address(host_text)
    if host is None or "%" in text or (slash and found is None):
        raise ExpansionError(f'"{text}" is not an IP address')
    if found is None:
        raise ExpansionError(f'missing mask value in "{text}"')
    bits = int(found[2][:MAX_DIGITS] if found[2] else 0)
    if bits > host.max_prefixlen:
        raise ExpansionError(f'mask value too big in "{text}"')
    network = ip_network(f"{host}/{bits}", strict=False).network_address
    return f"{_normal(network) if style == 'n' else spelled(network, '.')}/{bits}"


@harmless
@operator("reverse_ip")
def _reverse_ip(text: str) -> str:
    """The address backwards, as DNS lists are asked for it: octets, or the digits of IPv6; a mask is dropped."""
    found = MASK.fullmatch(text)
    host = address(found[1] if found else text)
    if host is None:
        raise ExpansionError(f"reverse_ip() not given an IP address [{text}]")
    mapped = host.ipv4_mapped if isinstance(host, IPv6Address) else None
    return (mapped or host).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


@harmless
@operator("ipv6denorm")
def _ipv6denorm(text: str) -> str:
    """An address as eight groups of four digits; IPv4 becomes IPv4-mapped IPv6."""
    return _as_ipv6(text).exploded


@harmless
@operator("ipv6norm")
def _ipv6norm(text: str) -> str:
    """An address as IPv6, the longest run of zero groups written ``::``; IPv4 becomes IPv4-mapped IPv6."""
    return _normal(_as_ipv6(text))


def _as_ipv6(text: str) -> IPv6Address:
    found = _known(text)
    return found if isinstance(found, IPv6Address) else IPv6Address(f"::ffff:{found}")


def _normal(found: Address) -> str:
    """Without leading zeros, and with ``::`` for the longest run of zeros, even one of a single group."""
    if found.version == 4:
        return str(found)
    groups = ":".join(f"{int(group, 16):x}" for group in found.exploded.split(":"))
    runs = list(ZEROS.finditer(groups))
    if not runs:
        return groups
    longest = max(runs, key=lambda run: run.end() - run.start())
    return f"{groups[: longest.start()].removesuffix(':')}::{groups[longest.end() :].removeprefix(':')}"
