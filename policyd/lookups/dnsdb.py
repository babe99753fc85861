"""``dnsdb``: any question to DNS."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from policyd.durations import seconds
from policyd.errors import Defer
from policyd.language.cutting import cut
from policyd.language.registry import lookup, variable
from policyd.language.source import BLANKS
from policyd.mail.octets import lower
from policyd.resolver import Answer, DnsTemporary, Resolver
from policyd.transaction import Transaction

SEPARATORS = re.compile(r"[ \t\r\n]*>(?P<records>.)(?:,(?P<fields>.)|(?P<joined>;))?", re.DOTALL)
KEYWORD = re.compile(r"[ \t\r\n]*(?P<name>defer|dnssec|retrans|retry)_", re.IGNORECASE)
TYPE = re.compile(r"[ \t\r\n]*(?P<name>[^=]*?)[ \t\r\n]*=")
MODES = ("strict", "lax", "never")
RETRANS, RETRY = 5.0, 2  # seconds, and times, where only one of the two is given
MAX_LABELS = 20  # of a name whose domain is looked for
REVERSED = ("ptr", "csa")  # types that are also asked for an address
CSA = ("N", "N", "Y", "?")  # by weight: two for not authorized, authorized, cannot be authorized


@dataclass(slots=True)
class Question:
    """What is asked, and how the answer is written. *fields*: None where each type has its own way."""

    rtype: str = "txt"
    names: str = ""
    records: str = "\n"
    fields: str | None = None
    defer: str = "lax"
    dnssec: str = "never"
    retrans: float = 0.0  # seconds
    retry: int = 0


@lookup("dnsdb", style="query")
def _dnsdb(tx: Transaction, query: str, _: tuple[str, ...]) -> str | None:
    """Records of DNS: ``mx=example.org``, or of several names, ``a=one.example : two.example``; a line to a record.

    The types: ``a``, ``aaaa``, ``a+`` (both), ``cname``, ``mx`` (``10 host``),
    ``mxh`` (the host alone), ``ns``, ``zns`` (those of the name, or of the domain
    it is in), ``ptr`` (also of an address), ``soa`` (the primary server of the
    name, or of the domain it is in), ``spf``,
    ``srv`` (``priority weight port host``), ``tlsa`` (``usage selector type
    data``), ``csa`` (``Y``, ``N`` or ``?``, and the host) and ``txt``, which is
    meant when there is none.

    Before the type may stand, each with a comma: ``defer_strict`` (no answer to
    one name is a deferral), ``defer_lax`` (only when no name has one; the
    default), ``defer_never``; ``dnssec_strict`` (an answer without DNSSEC is
    none), ``dnssec_lax`` (``$lookup_dnssec_authenticated`` tells), ``dnssec_never``;
    ``retrans_2s`` and ``retry_3``, which together limit the time.

    First of all: ``>:`` puts a colon between records; ``>:,/`` also a slash
    between the parts of each, and ``>:;`` joins them. Without, of a ``txt`` record
    only the first part is taken, and of ``soa`` the first field.
    """
    question = read(query)
    tx.facts["lookup_dnssec_authenticated"] = ""
    resolver = tx.resolver
    if question.retrans or question.retry:
        limit = (question.retrans or RETRANS) * (question.retry or RETRY)
        resolver = resolver.until(time.monotonic() + limit)
    failure: Defer | None = None
    found: list[str] = []
    for name in _names(question):
        try:
            found += _answers(tx, resolver, question, name)
        except (Defer, DnsTemporary) as error:
            failure = Defer(str(error))
            if question.defer == "strict":
                raise failure from None
    if not found and failure is not None and question.defer == "lax":
        raise failure
    return question.records.join(found) or None


@variable("lookup_dnssec_authenticated")
def _lookup_dnssec_authenticated(tx: Transaction) -> str:
    """``yes`` or ``no``: whether DNSSEC vouched for what the last ``dnsdb`` lookup with ``dnssec_lax`` or
    ``dnssec_strict`` found.
    """
    return str(tx.facts.get("lookup_dnssec_authenticated", ""))


# -- the question


def read(query: str) -> Question:
    """Take a query apart. Raises `Defer`."""
    question = Question()
    at = 0
    if separators := SEPARATORS.match(query):
        question.records = separators["records"]
        question.fields = "" if separators["joined"] else separators["fields"]
        at = separators.end()
    while keyword := KEYWORD.match(query, at):
        end = query.find(",", at)
        if end < 0:
            raise Defer("dnsdb modifier syntax error")
        KEYWORDS[lower(keyword["name"])](question, lower(query[keyword.end() : end]))
        at = end + 1
    if type_ := TYPE.match(query, at):
        question.rtype, at = lower(type_["name"]), type_.end()
    if question.rtype not in RECORDS:
        raise Defer("unsupported DNS record type")
    question.names = query[at:]
    return question


def _defer(question: Question, mode: str) -> None:
    question.defer = mode.rstrip(BLANKS)
    if question.defer not in MODES:
        raise Defer("unsupported dnsdb defer behaviour")


def _dnssec(question: Question, mode: str) -> None:
    question.dnssec = mode.rstrip(BLANKS)
    if question.dnssec not in MODES:
        raise Defer("unsupported dnsdb dnssec behaviour")


def _retrans(question: Question, text: str) -> None:
    try:
        question.retrans = float(seconds(text))
    except ValueError:
        question.retrans = 0.0
    if not question.retrans:
        raise Defer("unsupported dnsdb timeout value")


def _retry(question: Question, text: str) -> None:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise Defer("unsupported dnsdb retry count")
    question.retry = int(text)


KEYWORDS: dict[str, Callable[[Question, str], None]] = {
    "defer": _defer,
    "dnssec": _dnssec,
    "retrans": _retrans,
    "retry": _retry,
}


# -- the answer


def _names(question: Question) -> Iterator[str]:
    """The names to ask for; an IPv6 address alone is not a list of its groups."""
    alone = question.names.strip(BLANKS)
    if question.rtype in REVERSED and _reversed(alone) != alone.removesuffix("."):
        yield alone
    else:
        yield from (name for _, name in cut(question.names))


def _answers(tx: Transaction, resolver: Resolver, question: Question, name: str) -> Iterator[str]:
    """The records of one name, as text. Raises `Defer` and `DnsTemporary`."""
    for rtype in ("aaaa", "a") if question.rtype == "a+" else (question.rtype,):
        answer = _asked(resolver, rtype, name)
        if question.dnssec != "never":
            tx.facts["lookup_dnssec_authenticated"] = "yes" if answer.secure else "no"
        if question.dnssec == "strict" and answer.records and not answer.secure:
            raise Defer(f"{name}: the answer is not secure")
        for record in answer.records:
            yield from RECORDS[rtype](record, question.fields)


def _asked(resolver: Resolver, rtype: str, name: str) -> Answer:
    name = _reversed(name) if rtype in REVERSED else name.removesuffix(".")
    if not name:
        return Answer()
    match rtype:
        case "mxh":
            return resolver.lookup("MX", name)
        case "csa":
            return resolver.lookup("SRV", f"_client._smtp.{name}")
        case "zns":
            return _of_zone(resolver, "NS", name)
        case "soa":
            return _of_zone(resolver, "SOA", name)
    return resolver.lookup(rtype.upper(), name)


def _of_zone(resolver: Resolver, rtype: str, name: str) -> Answer:
    """The records of the name, or of the nearest domain above that has some."""
    labels = name.split(".")[-MAX_LABELS:]
    for start in range(len(labels)):
        answer = resolver.lookup(rtype, ".".join(labels[start:]))
        if answer.records:
            return answer
    return Answer()


def _reversed(name: str) -> str:
    """The name under which DNS knows an address; any other text as it is."""
    try:
        return ip_address(name).reverse_pointer
    except ValueError:
        return name.removesuffix(".")


Writer = Callable[[Any, str | None], Iterator[str]]


def _plain(record: str, _: str | None) -> Iterator[str]:
    yield record


def _mx(record: tuple[int, str], fields: str | None) -> Iterator[str]:
    yield _join([str(record[0]), record[1]], fields)


def _exchange(record: tuple[int, str], _: str | None) -> Iterator[str]:
    yield record[1]


def _strings(record: tuple[bytes, ...], fields: str | None) -> Iterator[str]:
    parts = [part.decode("latin-1") for part in record]
    yield parts[0] if fields is None else fields.join(parts)


def _soa(record: str, fields: str | None) -> Iterator[str]:
    values = [value.removesuffix(".") for value in record.split(" ")]
    yield _join(values, fields) if fields else values[0]


def _srv(record: str, fields: str | None) -> Iterator[str]:
    yield _join(record.removesuffix(".").split(" "), fields)


def _tlsa(record: str, fields: str | None) -> Iterator[str]:
    usage, selector, matching, *data = record.split(" ")
    yield _join([usage, selector, matching, "".join(data)], fields)


def _csa(record: str, fields: str | None) -> Iterator[str]:
    """Nothing for a record of another version of CSA (its priority is not 1), or one that says nothing known."""
    priority, weight, _, host = record.removesuffix(".").split(" ")
    if priority == "1" and int(weight) < len(CSA):
        yield _join([CSA[int(weight)], host], None)


def _join(values: list[str], fields: str | None) -> str:
    return (" " if fields is None else fields).join(values)


RECORDS: dict[str, Writer] = {
    "a": _plain,
    "a+": _plain,
    "aaaa": _plain,
    "cname": _plain,
    "csa": _csa,
    "mx": _mx,
    "mxh": _exchange,
    "ns": _plain,
    "ptr": _plain,
    "soa": _soa,
    "spf": _strings,
    "srv": _srv,
    "tlsa": _tlsa,
    "txt": _strings,
    "zns": _plain,
}
