"""DNS lists: has somebody listed an address, or a name?  RFC 5782."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address

from policyd.errors import Defer, ExpansionError
from policyd.resolver import Answer, DnsTemporary, Question, Resolver

Address = IPv4Address | IPv6Address

LOOPBACK = 127 << 24  # every listing is in 127/8 (RFC 5782 2.1)
LOOPBACK_MASK = 255 << 24
REFUSALS = re.compile(r"127\.0\.0\.1|127\.255\.255\.[0-9]+")  # what lists answer to those they do not serve
FAILURE_LIFETIME = 300.0  # seconds; a list that is down is not asked again and again by one client


class Unknown(Enum):
    """What is thought of a list that does not answer. The value is what the log says."""

    INCLUDE = "assumed in list"
    EXCLUDE = "assumed not in list"
    DEFER = "returned DEFER"


@dataclass(frozen=True, slots=True)
class Test:
    """Which answers count. No *values*: any within 127/8.

    *masks*: an address matches a value when it has all of its bits. *every*:
    each address of the answer must match a value, not only one of them.
    """

    values: tuple[str, ...] = ()
    masks: bool = False
    every: bool = False
    negated: bool = False

    __test__ = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One list: *zone* says yes or no, *text_zone* why. *keys*: addresses and names; None: the client."""

    zone: str
    text_zone: str
    test: Test
    keys: tuple[str, ...] | None
    unknown: Unknown


@dataclass(frozen=True, slots=True)
class Hit:
    """Who was listed (*key*) by whom (*zone*), with what answer, and why."""

    zone: str
    key: str
    value: str = ""
    text: str = ""


@dataclass(slots=True)
class Inquiry:
    """The world of one search. *known*: what the connection knows of queries, and until when, in seconds as *now*.

    *note* gets lines for the log; *count* the zone and what came of asking it:
    ``listed``, ``not_listed``, ``error`` (DNS failed) or ``refused`` (the list
    does not serve us).
    """

    resolver: Resolver
    client: Address | None
    now: float
    note: Callable[[str], None]
    count: Callable[[str, str], None]
    known: dict[str, tuple[float, Answer | None]] = field(default_factory=dict)

    def ask(self, query: str) -> Answer | None:
        """The addresses of a name; None when DNS fails."""
        until, answer = self.known.get(query, (self.now, None))
        if until > self.now:
            return answer
        try:
            answer = self.resolver.lookup("A", query)
            lifetime = answer.ttl
        except DnsTemporary:
            answer, lifetime = None, FAILURE_LIFETIME
        self.known[query] = self.now + lifetime, answer
        return answer

    def reason(self, query: str) -> str:
        """The first string of the first TXT record of a name; empty when there is none."""
        try:
            records = self.resolver.lookup("TXT", query).records
        except DnsTemporary:
            records = ()
        return str(records[0][0].decode("latin-1")) if records else ""


def about_client(entries: tuple[Entry, ...], client: Address) -> list[Question]:
    """What `search` will ask the lists that are asked about the client: all at once, as if none listed it."""
    return [Question("A", f"{_prefix(str(client))}.{entry.zone}") for entry in entries if entry.keys is None]


def search(entries: tuple[Entry, ...], inquiry: Inquiry) -> Hit | None:
    """The first listing there is. Raises `Defer`, and `ExpansionError` when there is no client to ask about."""
    for entry in entries:
        hit = _in_list(entry, inquiry)
        if hit is not None:
            return hit
    return None


def _in_list(entry: Entry, inquiry: Inquiry) -> Hit | None:
    """The first key that is listed; that another one's lookup failed only counts when there is none."""
    failure: Defer | None = None
    for key in _keys(entry, inquiry.client):
        try:
            hit = _listed(entry, key, inquiry)
        except Defer as error:
            failure = error
        else:
            if hit is not None:
                return hit
    if failure is not None:
        raise failure
    return None


def _keys(entry: Entry, client: Address | None) -> tuple[str, ...]:
    if entry.keys is not None:
        return entry.keys
    if client is None:
        raise ExpansionError("cannot test auto-keyed dnslists condition without a client")
    return (str(client),)


def _listed(entry: Entry, key: str, inquiry: Inquiry) -> Hit | None:
    hit = _found(entry, entry.zone, entry.test, key, inquiry)
    if hit is not None and hit.value and entry.text_zone != entry.zone:
        return _found(entry, entry.text_zone, Test(), key, inquiry)
    return hit


def _found(entry: Entry, zone: str, test: Test, key: str, inquiry: Inquiry) -> Hit | None:
    """Whether *zone* lists *key*, as *test* wants it. Raises `Defer`."""
    query = f"{_prefix(key)}.{zone}"
    answer = inquiry.ask(query)
    if answer is None:
        inquiry.count(zone, "error")
        inquiry.note(f"DNS list lookup defer (probably timeout) for {query}: {entry.unknown.value}")
        return _assumed(entry, key)
    addresses: tuple[str, ...] = answer.records
    served = [address for address in addresses if not _is_refusal(address, test)]
    if addresses and not served:
        inquiry.count(zone, "refused")
        inquiry.note(
            f"DNS list lookup for {key} at {zone} returned {', '.join(addresses)}; not a listing but an error: "
            f"{entry.unknown.value}"
        )
        return _assumed(entry, key)
    if not served or not _passes(served, test, lambda address: inquiry.note(_discarded(key, zone, address))):
        inquiry.count(zone, "not_listed")
        return None
    inquiry.count(zone, "listed")
    return Hit(entry.text_zone, key, ", ".join(addresses), inquiry.reason(query))


def _assumed(entry: Entry, key: str) -> Hit | None:
    if entry.unknown is Unknown.DEFER:
        raise Defer("")
    return Hit(entry.text_zone, key) if entry.unknown is Unknown.INCLUDE else None


def _discarded(key: str, zone: str, address: str) -> str:
    return f"DNS list lookup for {key} at {zone} returned {address}; not in 127.0/8 and discarded"


def _is_refusal(address: str, test: Test) -> bool:
    """Whether an answer is the list's way to say no to us; one that the policy names is what the policy means."""
    return bool(REFUSALS.fullmatch(address)) and (test.masks or address not in test.values)


def _passes(addresses: list[str], test: Test, discard: Callable[[str], None]) -> bool:
    if not test.values:
        return len([address for address in addresses if _bits(address, discard)]) > 0
    if test.masks:
        masks = [mask for value in test.values if (mask := number(value)) is not None]
        numbers = (_bits(address, discard) for address in addresses)
        matches = (any(bits & mask == mask for mask in masks) for bits in numbers)
    else:
        matches = (address in test.values for address in addresses)
    matched = all(matches) if test.every else any(matches)
    return matched is not test.negated


def _bits(address: str, discard: Callable[[str], None]) -> int:
    """The number of an address; 0 for one that no list may answer."""
    bits = number(address) or 0
    if bits & LOOPBACK_MASK == LOOPBACK:
        return bits
    discard(address)
    return 0


def number(text: str) -> int | None:
    """An IPv4 address as a number; None for any other text."""
    try:
        return int(IPv4Address(text))
    except ValueError:
        return None


def _prefix(key: str) -> str:
    """What stands before the zone: an address turned round, a name as it is."""
    try:
        return ip_address(key).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    except ValueError:
        return key
