"""The names of a client's address that resolve back to it: RFC 8601 section 3."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from policyd.mail.octets import lower
from policyd.resolver import Answer, DnsTemporary, Question, Resolver

Address = IPv4Address | IPv6Address

TYPES = {4: "A", 6: "AAAA"}
MAX_NAMES = 10  # PTR records that are looked at, as in RFC 7208 4.6.4


class Result(StrEnum):
    """RFC 8601 section 2.7.3."""

    PASS = "pass"
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class Iprev:
    """*names*: every PTR name that resolves back, the first one first; none unless *result* is pass.

    *secure*: DNSSEC vouches for the way to the first one and back.
    """

    result: Result
    names: tuple[str, ...] = ()
    reason: str = ""
    secure: bool = False


def iprev(resolver: Resolver, address: Address) -> Iprev:
    """Which PTR names of *address* resolve back to it?

    Never raises for what DNS says: every answer, and every lack of one, is a
    result. A temporary failure only counts when no other name has confirmed.
    """
    try:
        pointers = resolver.lookup("PTR", address.reverse_pointer)
    except DnsTemporary as error:
        return Iprev(Result.TEMPERROR, reason=str(error))
    if not pointers.records:
        return Iprev(Result.PERMERROR, reason="failed to find host name from IP address")
    confirmed: dict[str, bool] = {}  # whether the way back is secure
    trouble = ""
    for name in pointers.records[:MAX_NAMES]:
        try:
            back = resolver.lookup(TYPES[address.version], name)
        except DnsTemporary as error:
            trouble = str(error)
            continue
        if address in map(ip_address, back.records):
            confirmed.setdefault(name, back.secure)
    if confirmed:
        secure = pointers.secure and next(iter(confirmed.values()))
        return Iprev(Result.PASS, tuple(confirmed), secure=secure)
    if trouble:
        return Iprev(Result.TEMPERROR, reason=trouble)
    return Iprev(Result.FAIL, reason=f"{address} does not match any IP address for {lower(pointers.records[0])}")


def pointers(address: Address) -> Question:
    """What `iprev` will ask: the names of *address*, then the way back."""
    rtype = TYPES[address.version]

    def back(found: Answer) -> list[Question]:
        return [Question(rtype, name) for name in found.records[:MAX_NAMES]]

    return Question("PTR", address.reverse_pointer, back)


def addresses(resolver: Resolver, name: str, *versions: int) -> frozenset[Address]:
    """The addresses of *name*, of IP *versions* (both, where none is named). Raises `DnsTemporary`."""
    types = [TYPES[version] for version in versions or TYPES]
    return frozenset(ip_address(text) for rtype in types for text in resolver.lookup(rtype, name).records)
