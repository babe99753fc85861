"""Conditions of ``${if`` that match: a regular expression, or the patterns of a list."""

from __future__ import annotations

from ipaddress import IPv6Address

from policyd.errors import ExpansionError
from policyd.language.patterns import compiled
from policyd.language.registry import test
from policyd.language.scanning import Matcher
from policyd.transaction import Transaction
from policyd.words.networks import address


@test("match", arguments=2)
def _match(tx: Transaction, subject: str, pattern: str) -> bool:
    """Whether a PCRE regular expression matches somewhere in the text; ``$0``, ``$1`` … are what it captured."""
    found = compiled(pattern).search(subject)
    if found is None:
        return False
    tx.frame.captures = found
    return True


def _left(tx: Transaction, value: str | None) -> bool:
    """Whether a list matched; what it left behind is then ``$value``."""
    if value is None:
        return False
    tx.frame.value = value
    return True


@test("match_domain", arguments=2, shape=("text", "raw domain"))
def _match_domain(tx: Transaction, subject: str, matches: Matcher) -> bool:
    """Whether a domain is in a domain list. No list of this kind is expanded; ``$value`` is what it leaves behind."""
    return _left(tx, matches(tx, subject))


@test("match_local_part", arguments=2, shape=("text", "raw local_part"))
def _match_local_part(tx: Transaction, subject: str, matches: Matcher) -> bool:
    """Whether a local part is in a local part list, which is not expanded; ``$value`` is what it leaves behind."""
    return _left(tx, matches(tx, subject))


@test("match_address", arguments=2, shape=("text", "raw address"))
def _match_address(tx: Transaction, subject: str, matches: Matcher) -> bool:
    """Whether an address is in an address list, which is not expanded; ``$value`` is what it leaves behind.

    Text without a domain is no address: no item matches it.
    """
    return _left(tx, matches(tx, subject))


@test("match_ip", arguments=2, shape=("text", "raw ip"))
def _match_ip(tx: Transaction, subject: str, matches: Matcher) -> bool:
    """Whether an IP address is in a list of addresses, networks and lookups, which is not expanded.

    ``$value`` is what the list leaves behind. It fails for text that is no
    address; the empty text matches an empty item.
    """
    found = address(subject) if subject else None
    if subject and found is None:
        raise ExpansionError(f'"{subject}" is not an IP address')
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return _left(tx, matches(tx, mapped or found))
