"""Asking name servers: one question to the first of them that answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from policyd.metrics import Metrics
from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.names import labels
from policyd.resolver.records import MAX_ALIASES, record_type, records

ROUNDS = 2  # how often a silent server is asked
PAYLOAD = 1232  # octets over UDP that no path fragments (DNS flag day 2020)
MAX_TTL = 86400  # seconds; RFC 1035 allows decades
MAX_NEGATIVE_TTL = 3600  # RFC 2308 section 5: one to three hours
COUNTED_TYPES = frozenset({"A", "AAAA", "TXT", "MX", "PTR", "NS"})
FAULTS = {dns.rcode.SERVFAIL: "servfail", dns.rcode.REFUSED: "refused"}


class Fault(Exception):  # noqa: N818 - a state of the world
    """A server gave no answer. *result*: a value of the label ``result`` of ``dns_queries_total``."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result

    @property
    def silent(self) -> bool:
        """Whether asking the same server again makes sense."""
        return self.result == "timeout"


def system_servers(path: str = "/etc/resolv.conf") -> tuple[str, ...]:
    """The name servers of this host, resolv.conf(5); 127.0.0.1 where it names none."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    words = [line.split() for line in lines]
    return tuple(line[1] for line in words if len(line) > 1 and line[0] == "nameserver") or ("127.0.0.1",)


class Upstream:
    """The name servers, in the order in which they are asked. Keeps no state: any thread may ask."""

    def __init__(self, servers: Iterable[str], port: int, metrics: Metrics) -> None:
        self._servers = tuple(servers)
        self._port = port
        self._metrics = metrics

    def answer(self, rtype: str, name: str, limit: float) -> Answer:
        """Ask for an `ascii_name`, and on along its CNAMEs where a server does not follow them itself.

        Raises `DnsTemporary`, at *limit* (a ``time.monotonic()`` value) at the latest.
        """
        rdtype = record_type(rtype)
        asked = dns.name.Name((*labels(name), b""))
        links, ttl, secure = 0, MAX_TTL, True
        while True:
            reply = self._reply(_query(asked, rdtype), limit)
            secure = secure and bool(reply.flags & dns.flags.AD)
            first = asked
            for alias in _aliases(reply, asked, rdtype):
                asked, ttl, links = alias[0].target, min(ttl, alias.ttl), links + 1
                if links > MAX_ALIASES:
                    raise DnsTemporary(f"{name}: more than {MAX_ALIASES} CNAMEs")
            if found := reply.get_rrset(reply.answer, asked, dns.rdataclass.IN, rdtype):
                return Answer(records(rdtype, found), ttl=min(ttl, found.ttl), secure=secure)
            exists, soa = reply.rcode() != dns.rcode.NXDOMAIN, _soa(reply)
            if soa or not exists or asked == first:  # otherwise the end of the chain is not in this reply
                return Answer(exists=exists, ttl=min(ttl, _negative_ttl(soa)), secure=secure)

    def _reply(self, query: dns.message.Message, limit: float) -> dns.message.Message:
        """The first good reply. A silent server is asked again after the others; one that refused is not."""
        attempts = self._servers * ROUNDS
        faults: dict[str, Fault] = {}
        for number, server in enumerate(attempts):
            if server in faults and not faults[server].silent:
                continue
            patience = (limit - time.monotonic()) / (len(attempts) - number)
            if patience <= 0:
                break
            try:
                return self._measured(server, query, patience)
            except Fault as fault:
                faults[server] = fault
        reasons = ", ".join(f"{server}: {fault}" for server, fault in faults.items()) or "no time left"
        raise DnsTemporary(f"{query.question[0].to_text()}: {reasons}")

    def _measured(self, server: str, query: dns.message.Message, patience: float) -> dns.message.Message:
        start = time.perf_counter()
        try:
            reply = _exchange(query, server, self._port, patience)
            result = _result(reply)
        except Fault as fault:
            result = fault.result
            raise
        finally:
            rtype = dns.rdatatype.to_text(query.question[0].rdtype)
            self._metrics.observe("dns_query_duration_seconds", time.perf_counter() - start)
            self._metrics.count("dns_queries_total", rtype if rtype in COUNTED_TYPES else "other", result)
        return reply


def _query(name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.message.Message:
    flags = dns.flags.RD | dns.flags.AD  # AD: tell whether the answer is secure (RFC 6840 5.7)
    return dns.message.make_query(name, rdtype, use_edns=0, payload=PAYLOAD, flags=flags)


def _exchange(query: dns.message.Message, server: str, port: int, patience: float) -> dns.message.Message:
    """One query over UDP, from a random port, and over TCP when the reply was cut short. Raises `Fault`.

    UDP that does not answer the very question is ignored: nobody ends a query by guessing its port.
    """
    limit = time.monotonic() + patience
    try:
        try:
            return dns.query.udp(
                query, server, patience, port, ignore_unexpected=True, ignore_errors=True, raise_on_truncation=True
            )
        except dns.message.Truncated:
            return dns.query.tcp(query, server, max(limit - time.monotonic(), 0), port)
    except dns.exception.Timeout:
        raise Fault("timeout", "no reply in time") from None
    except OSError as error:
        raise Fault("timeout", error.strerror or "cannot be reached") from None
    except Exception as error:  # whatever the parser makes of a hostile reply
        raise Fault("bogus", f"a reply that cannot be read ({type(error).__name__})") from None


def _result(reply: dns.message.Message) -> str:
    """What a reply says, as the label of a metric. Raises `Fault` when it is neither yes nor no."""
    rcode = reply.rcode()
    if rcode == dns.rcode.NXDOMAIN:
        return "nxdomain"
    if rcode != dns.rcode.NOERROR:
        raise Fault(FAULTS.get(rcode, "bogus"), dns.rcode.to_text(rcode))
    return "noerror" if reply.answer else "nodata"


def _aliases(
    reply: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> Iterator[dns.rrset.RRset]:
    """The CNAMEs of a reply that lead on from *name*: without an end when they form a loop."""
    while rdtype != dns.rdatatype.CNAME:
        alias = reply.get_rrset(reply.answer, name, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if alias is None:
            return
        yield alias
        name = alias[0].target


def _soa(reply: dns.message.Message) -> dns.rrset.RRset | None:
    return next((rrset for rrset in reply.authority if rrset.rdtype == dns.rdatatype.SOA), None)


def _negative_ttl(soa: dns.rrset.RRset | None) -> int:
    """RFC 2308 section 5: the lesser of the SOA's own TTL and its MINIMUM; without an SOA, not cached."""
    return min(soa.ttl, soa[0].minimum, MAX_NEGATIVE_TTL) if soa else 0
