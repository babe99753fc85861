"""All of DNS from master files: for trying a policy, and for tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.zonefile

from policyd.errors import PolicyError, Where
from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.names import ascii_name, labels
from policyd.resolver.records import MAX_ALIASES, host, record_type, records

DEFAULT_TTL = 300  # of records in a file without $TTL
BESIDE_ALIASES = {dns.rdatatype.CNAME, dns.rdatatype.NSEC, dns.rdatatype.RRSIG}  # RFC 4035 2.5

Labels = tuple[bytes, ...]  # in lower case, without the root's
Node = dict[dns.rdatatype.RdataType, dict[dns.rdata.Rdata, int]]  # the TTL of each record of each type


class ZoneResolver:
    """Answers from RFC 1035 master files, offline: a name outside of them does not exist.

    A file may hold several zones or none: without ``$ORIGIN`` its names are
    absolute, and SOA and NS records are not needed. Wildcards and empty
    non-terminals are those of RFC 4592; zone cuts mean nothing. Lookups of
    *failing* names raise `DnsTemporary`, which is for tests. The files are read
    at once; raises `PolicyError` for one that cannot be.
    """

    def __init__(self, files: Iterable[str | Path] = (), failing: Iterable[str] = ()) -> None:
        self._nodes: dict[Labels, Node] = {}
        self._failing = {labels(name) for name in map(ascii_name, failing) if name}
        for file in files:
            _read(str(file), self._nodes)
        self._names = {()} | {name[start:] for name in self._nodes for start in range(len(name))}

    def lookup(self, rtype: str, name: str) -> Answer:
        """The records of *name*. Raises `DnsTemporary` for a failing name and a loop of CNAMEs."""
        rdtype, asked = record_type(rtype), ascii_name(name)
        return Answer(exists=False) if asked is None else self._answer(rdtype, labels(asked))

    def until(self, deadline: float) -> ZoneResolver:
        """Itself: files answer at once."""
        return self

    def _answer(self, rdtype: dns.rdatatype.RdataType, name: Labels) -> Answer:
        ttl = float("inf")
        for _ in range(MAX_ALIASES + 1):
            if name in self._failing:
                raise DnsTemporary(f"{_text(name)}: marked as failing")
            node = self._node(name)
            if node is None:
                return Answer(exists=False)
            if found := node.get(rdtype):
                return Answer(records(rdtype, found), ttl=min(ttl, *found.values()))
            alias: Any = next(iter(node.get(dns.rdatatype.CNAME, ())), None)
            if alias is None:
                return Answer()
            ttl = min(ttl, node[dns.rdatatype.CNAME][alias])
            name = _labels(alias.target)
        raise DnsTemporary(f"{_text(name)}: more than {MAX_ALIASES} CNAMEs")

    def _node(self, name: Labels) -> Node | None:
        """What a name has: its own, or its wildcard's (RFC 4592 3.3.1); None when it does not exist."""
        if name in self._names:
            return self._nodes.get(name, {})
        encloser = next((start for start in range(len(name)) if name[start:] in self._names), len(name))
        return self._nodes.get((b"*", *name[encloser:]))


def _labels(name: dns.name.Name) -> Labels:
    return tuple(label.lower() for label in name.labels[:-1])


def _text(name: Labels) -> str:
    return host(dns.name.Name((*name, b"")))


def _read(path: str, nodes: dict[Labels, Node]) -> None:
    """Add the records of one file. Raises `PolicyError` with the line of the entry that is wrong."""
    try:
        with open(path, encoding="utf-8") as file:
            tokens = _Tokenizer(file, path)
            reader = dns.zonefile.Reader(tokens, dns.rdataclass.IN, _Records(nodes), default_ttl=DEFAULT_TTL)
            try:
                reader.read()
            except dns.exception.DNSException as error:
                message = str(error).removeprefix(f"{path}:{tokens.line_number}: ")
                raise PolicyError.at(Where(path, tokens.entry), message) from None
    except UnicodeDecodeError as error:
        raise PolicyError.at(Where(path, 0), f"not UTF-8: {error.reason}") from None
    except OSError as error:
        raise PolicyError.at(Where(path, 0), f"cannot read the zone file: {error.strerror}") from None


class _Tokenizer(dns.tokenizer.Tokenizer):
    """Remembers where an entry began: that it is wrong may only show behind its end."""

    entry = 1

    def get(self, want_leading: bool = False, want_comment: bool = False) -> dns.tokenizer.Token:
        if want_leading and want_comment:  # the reader begins an entry
            self.entry = self.line_number
        return super().get(want_leading, want_comment)


class _Records(dns.zonefile.RRsetsReaderTransaction):
    """Takes what the reader reads. The original takes no SOA but the root's."""

    def __init__(self, nodes: dict[Labels, Node]) -> None:
        super().__init__(dns.zonefile.RRSetsReaderManager(), replacement=True, read_only=False)  # type: ignore[no-untyped-call]
        self._nodes = nodes

    def add(self, *record: Any) -> None:
        """One record: its name, TTL and data."""
        name, ttl, rdata = record
        node = self._nodes.setdefault(_labels(name), {})
        node.setdefault(rdata.rdtype, {})[rdata] = ttl
        if dns.rdatatype.CNAME in node and (node.keys() - BESIDE_ALIASES or len(node[dns.rdatatype.CNAME]) > 1):
            message = f"{host(name)}: a CNAME stands alone at its name (RFC 1034 3.6.2)"
            raise dns.exception.SyntaxError(message)  # type: ignore[no-untyped-call]
