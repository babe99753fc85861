"""What the text of an item tells about the subjects that it can match: the key by which a long list is searched.

An item without one is no mistake; it is only asked each time. A key may say too
little, but never too much: `policyd.words.patterns` and ``hosts`` decide.
"""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address, ip_network

from policyd.checks.iprev import Address
from policyd.language.index import Aspect, Key
from policyd.mail.octets import lower

NOT_PLAIN = ("^", "*", "@")  # a regular expression, an end, a name of this host
NOT_A_DOMAIN = ("!", "+", "/")  # after the @ of an address: a domain list's other items


def text_key(item: str) -> Key | None:
    """A text itself, or its end from a dot on; case makes no difference here."""
    if ";" in item:
        return None
    if item.startswith("*."):
        return Key(ending(item.count(".")), lower(item[1:]))
    return None if item.startswith(NOT_PLAIN) else Key(lower, lower(item))


def address_key(item: str) -> Key | None:
    """The whole address, or that of its domain's pattern."""
    if item == "":
        return Key(lower, "")
    local, at, domain = item.rpartition("@")
    if item.startswith(("^", "@")) or ";" in item or local.endswith("@") or domain.startswith(NOT_A_DOMAIN):
        return None
    key = text_key(domain)
    if key is None:
        return None
    whole = at and key.of is lower and not local.startswith(NOT_PLAIN)
    return Key(lower, lower(item)) if whole else Key(of_domain(key.of), key.value)


def network_key(item: str) -> Key | None:
    """An address, or a network by the length of its mask."""
    if "%" in item or (":" not in item and not item[:1].isdigit()):  # a zone is no part of an address here
        return None
    try:
        if "/" not in item:
            address = ip_address(item)
            return Key(masked(address.version, address.max_prefixlen), int(address))
        if not item.partition("/")[2].isdecimal():
            return None
        network = ip_network(item, strict=False)
    except ValueError:
        return None
    return Key(masked(network.version, network.prefixlen), int(network.network_address))


# -- aspects of a subject: each of them is one object


@cache
def ending(dots: int) -> Aspect:
    """The end of a text, from the last dot but *dots* - 1 on."""

    def end(subject: str) -> str | None:
        _, *labels = lower(subject).rsplit(".", dots)
        return "." + ".".join(labels) if len(labels) == dots else None

    return end


@cache
def of_domain(of: Aspect) -> Aspect:
    """The same of an address's domain."""

    def aspect(subject: str) -> object:
        _, at, domain = subject.rpartition("@")
        return of(domain) if at else None

    return aspect


@cache
def masked(version: int, length: int) -> Aspect:
    """The first *length* bits of an address of this IP version, as a number; the others are 0."""
    size = 32 if version == 4 else 128
    mask = (1 << size) - (1 << size - length)

    def network(subject: Address | None) -> int | None:
        return None if subject is None or subject.version != version else int(subject) & mask

    return network
