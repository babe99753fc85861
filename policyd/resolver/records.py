"""From dnspython's values to what an `Answer` carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype

MAX_ALIASES = 10
"""CNAMEs followed for one question. A loop or a longer chain is an error (RFC 1034 3.6.2), and one that gets a
server's SERVFAIL: here it is `DnsTemporary`, too, whoever notices first."""


def record_type(text: str) -> dns.rdatatype.RdataType:
    """The type called *text*. Raises ValueError for what is none, or asks for more than records (ANY, AXFR)."""
    try:
        rdtype = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"no such DNS record type: {text}") from None
    if dns.rdatatype.is_metatype(rdtype):
        raise ValueError(f"not a DNS record type: {text}")
    return rdtype


def host(name: dns.name.Name) -> str:
    """A name as text: escaped as in a master file, so always printable ASCII, without the final dot."""
    return name.to_text(omit_final_dot=True) if len(name) > 1 else ""


_READ: dict[dns.rdatatype.RdataType, Callable[[Any], Any]] = {
    dns.rdatatype.A: lambda rdata: rdata.address,
    dns.rdatatype.AAAA: lambda rdata: rdata.address,
    dns.rdatatype.CNAME: lambda rdata: host(rdata.target),
    dns.rdatatype.MX: lambda rdata: (rdata.preference, host(rdata.exchange)),
    dns.rdatatype.NS: lambda rdata: host(rdata.target),
    dns.rdatatype.PTR: lambda rdata: host(rdata.target),
    dns.rdatatype.SPF: lambda rdata: rdata.strings,
    dns.rdatatype.TXT: lambda rdata: rdata.strings,
}


def records(rdtype: dns.rdatatype.RdataType, found: Iterable[dns.rdata.Rdata]) -> tuple[Any, ...]:
    """The value of each record, in the order of the server."""
    return tuple(map(_READ.get(rdtype, str), found))
