"""``dnslists`` and its variables."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from policyd.checks.dnslists import Entry, Inquiry, Test, Unknown, about_client, number, search
from policyd.errors import Defer
from policyd.handover import awaited
from policyd.language.cutting import cut
from policyd.language.expand import Getter, compile_text, expanded
from policyd.language.marks import client_controlled
from policyd.language.registry import condition, variable
from policyd.language.source import BLANKS
from policyd.policy import Phase
from policyd.resolver import Question
from policyd.transaction import Transaction

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler
    from policyd.language.source import Source


OPERATOR = re.compile(r"(?P<zone>[^=]*?)(?P<negated>!?)(?P<operator>==|=&|=)(?P<values>.*)", re.DOTALL)
BITS = re.compile(r"(?P<zone>[^&]*?)(?P<negated>!?)(?P<operator>&)(?P<values>.*)", re.DOTALL)
STRANGE = re.compile(r"[^A-Za-z0-9._-]")

WRITTEN = "ZONE, ZONE=127.0.0.2 or ZONE/KEY, without blanks; !dnslists turns the condition round"

MODES = {
    "+include_unknown": Unknown.INCLUDE,
    "+exclude_unknown": Unknown.EXCLUDE,
    "+defer_unknown": Unknown.DEFER,
}


@dataclass(frozen=True, slots=True)
class Argument:
    """The lists to ask, and what is odd about how they were written: offsets and sentences."""

    entries: tuple[Entry, ...]
    oddities: tuple[tuple[int, str], ...] = ()


def parse(text: str) -> Argument:
    """The lists that ``[text_zone,]zone[operator values][/keys] : …`` names. What is odd is for the caller to judge."""
    entries: list[Entry] = []
    odd: list[tuple[int, str]] = []
    unknown = Unknown.EXCLUDE
    for at, item in cut(text):
        if item.startswith("+"):
            unknown = MODES.get(item, unknown)
            if item not in MODES:
                odd.append((at, f"unknown item in dnslist (ignored): {item}"))
            continue
        entry = _entry(item, unknown)
        entries.append(entry)
        odd += [(at, sentence) for sentence in _oddities(entry)]
    return Argument(tuple(entries), tuple(odd))


def _entry(item: str, unknown: Unknown) -> Entry:
    where, slash, keys = item.partition("/")
    found = OPERATOR.fullmatch(where) or BITS.fullmatch(where)
    test = Test()
    if found:
        where = found["zone"]
        values = tuple(value.strip(BLANKS) for value in found["values"].split(","))
        operator = found["operator"]
        test = Test(values, "&" in operator, operator in ("==", "=&"), bool(found["negated"]))
    text_zone, comma, zone = where.partition(",")
    named = tuple(key for _, key in cut(keys)) if slash else None
    return Entry(zone if comma else text_zone, text_zone, test, named, unknown)


def _oddities(entry: Entry) -> Iterator[str]:
    for zone in dict.fromkeys([entry.zone, entry.text_zone]):
        if STRANGE.search(zone) or not zone:
            yield f'dnslists domain "{zone}" contains strange characters - is this right?'
    for value in entry.test.values:
        if number(value) is None:
            yield f'dnslists: "{value}" is not an IPv4 address'


def _argument(source: Source, compiler: Compiler) -> Getter:
    """The lists, and the text that the policy has for them. What is odd about a constant one is an error at load."""
    constant = compile_text(source, compiler.fresh()).constant
    text = expanded(source, compiler)
    if constant is None:
        return lambda tx: (parse(text(tx)), source.text)
    argument = parse(constant)
    for at, sentence in argument.oddities:
        raise source.error(at if constant == source.text else 0, sentence, WRITTEN)
    compiler.foresee(Phase.CONNECT, partial(_questions, argument.entries))
    compiler.needs.update(f"dnslist {entry.zone}" for entry in argument.entries if entry.keys is None)
    return lambda _: (argument, source.text)


def _questions(entries: tuple[Entry, ...], tx: Transaction) -> Iterable[Question]:
    """What will be asked about the client. Nobody lists this host itself, and some who ask pay for each question."""
    address = tx.connection.client.address
    return () if address is None or address.is_loopback or tx.connection.handover else about_client(entries, address)


@condition("dnslists", argument=_argument, judges=("dnslist_domain", "dnslist_value", "dnslist_text"))
def _dnslists(tx: Transaction, lists: tuple[Argument, str]) -> bool:
    """Whether one of some DNS lists lists the client: ``dnslists = zen.example : bl.example=127.0.0.2``.

    ``ZONE/KEY:KEY`` (with doubled colons, or ``<;`` before the keys): addresses
    and names to ask for, instead of the client's address. ``TEXT_ZONE,ZONE``: what
    ``ZONE`` lists is asked for again in ``TEXT_ZONE``, which says why.

    A list answers with addresses. ``ZONE``: any of 127/8 is a listing.
    ``ZONE=A,B``: one of the answer is A or B; ``ZONE==A,B``: each of it is.
    ``ZONE&A``: one has all the bits of A, ``ZONE=&A``: each has; ``!`` before the
    operator turns the test round. 127.0.0.1 and 127.255.255.0/24 are how a list
    says that it does not serve this host: no answer, unless they follow ``=``.

    A list that gives no answer is passed over; after ``+include_unknown`` it
    counts as a listing, after ``+defer_unknown`` as a deferral,
    ``+exclude_unknown`` is the default.

    A client of a trusted relay is looked for at DATA, when it is known, and earlier
    is not listed.

    True leaves ``$dnslist_domain``, ``$dnslist_matched``, ``$dnslist_value`` and
    ``$dnslist_text``.
    """
    argument, written = lists
    for _, sentence in argument.oddities:
        tx.complain(sentence)
    entries = argument.entries
    if any(entry.keys is None for entry in entries) and _is_awaited(tx, entries):
        entries = tuple(entry for entry in entries if entry.keys is not None)
    start = time.perf_counter()
    hit = search(entries, _inquiry(tx, written))
    tx.services.metrics.observe("check_duration_seconds", time.perf_counter() - start, "dnsbl")
    if hit is None:
        return False
    tx.facts["dnslist_domain"], tx.facts["dnslist_matched"] = hit.zone, hit.key
    tx.connection.facts["dnslist_value"], tx.connection.facts["dnslist_text"] = hit.value, hit.text
    return True


def _is_awaited(tx: Transaction, entries: tuple[Entry, ...]) -> bool:
    """Whether nobody can be asked about: a trusted relay has not told its client yet, or cannot. Raises `Defer`."""
    try:
        return awaited(tx, "dnslists")
    except Defer:
        if any(entry.keys is None and entry.unknown is not Unknown.EXCLUDE for entry in entries):
            raise
        return True


def _inquiry(tx: Transaction, written: str) -> Inquiry:
    def count(zone: str, result: str) -> None:
        known = zone if zone in written else "other"  # what a message has produced is no name for a series
        tx.services.metrics.count("dnsbl_lookups_total", known, result)

    return Inquiry(
        tx.resolver,
        tx.connection.client.address,
        tx.services.clock(),
        tx.log,
        count,
        tx.connection.facts.setdefault("dnslists", {}),
    )


@variable("dnslist_domain")
def _dnslist_domain(tx: Transaction) -> str:
    """The list that the last successful ``dnslists`` found something in; the one for texts, where there are two."""
    return str(tx.facts.get("dnslist_domain", ""))


@client_controlled
@variable("dnslist_matched")
def _dnslist_matched(tx: Transaction) -> str:
    """The address or name that was listed."""
    return str(tx.facts.get("dnslist_matched", ""))


@variable("dnslist_value")
def _dnslist_value(tx: Transaction) -> str:
    """The addresses that the list answered with: ``127.0.0.2, 127.0.0.4``."""
    return str(tx.connection.facts.get("dnslist_value", ""))


@client_controlled
@variable("dnslist_text")
def _dnslist_text(tx: Transaction) -> str:
    """Why it was listed, in the words of the list."""
    return str(tx.connection.facts.get("dnslist_text", ""))
