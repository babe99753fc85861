"""What an item of a host list matches."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from policyd.checks.iprev import Address, addresses
from policyd.errors import Defer, PolicyError, Where
from policyd.language import lookup
from policyd.language.compiler import Compiler
from policyd.language.lists import lookup_matcher
from policyd.language.registry import list_kind
from policyd.language.scanning import Matcher, Unknown
from policyd.language.source import BLANKS
from policyd.resolver import DnsTemporary
from policyd.transaction import Transaction
from policyd.words.clienthost import client_names
from policyd.words.exchangers import is_local
from policyd.words.pattern_keys import network_key
from policyd.words.patterns import text_matcher

Network = IPv4Network | IPv6Network

NAME = re.compile(r"[A-Za-z0-9._\x80-\xff-]+")
LIKE_IPV4 = re.compile(r"[0-9.]+(/.*)?", re.DOTALL)
LIKE_IPV6 = re.compile(r"[0-9a-fA-F.]*:[0-9a-fA-F:.]*(/[0-9]*)?")
MASK = re.compile(r"[^/]*(/[0-9]+)?")
NET = re.compile(r"net([0-9]*)-(.*)", re.DOTALL)
HINT = 'an IPv6 address in a list needs another separator, "<; 2001:db8::1", or its colons doubled'


@list_kind("host", key=network_key)
def _host(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """An address, a network, a host name, a pattern for the client's name, or a lookup.

    * ``192.0.2.1``, ``192.0.2.0/24``, ``2001:db8::/32``: the client's address is
      that, or in that network;
    * ``net-lsearch;FILE``: it is a key of the file; ``net24-lsearch;FILE``: its
      network of 24 bits is, written ``192.0.2.0/24``;
    * ``mail.example.org``: the name has the client's address;
    * ``*.example.org``, ``^regular expression``, ``lsearch;FILE``: one of the
      client's confirmed names matches, or is a key;
    * ``@``: the primary host name has the client's address; ``@[]``: the client
      is this host;
    * ``*``: any client; an empty item: no client, for a message that was
      submitted on this host.

    What needs a name, or the address of one, cannot be decided when there is
    none: the list then ends without a match, unless ``+ignore_unknown`` (go on)
    or ``+include_unknown`` (a match) stood before it. A client's name that DNS
    cannot tell now is one that there is none of; ``+ignore_defer`` and
    ``+include_defer`` are for an address of a name that it cannot tell now.
    """
    if item == "*":
        return lambda _, __: ""
    if item == "":
        return lambda _, subject: "" if subject is None else None
    return _by_address(item, where, compiler) or _present(_by_name(item, where, compiler))


@list_kind("ip", key=network_key)
def _ip(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """A host list without names: for an address that is nobody's in particular. Each lookup's key is the address.

    An empty item is for no address at all.
    """
    match = _nameless(item, where, compiler)
    if match is None:
        raise PolicyError.at(where, f'"{item}" is not an address, a network or a lookup', "names mean nothing here")
    return match


@list_kind("named_ip", key=network_key)
def _named_ip(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """A named host list in the place of a list of addresses: its names cannot be decided."""
    return _nameless(item, where, compiler) or _undecided


def _undecided(_: Transaction, subject: Address) -> str | None:
    raise Unknown(f"a host list with names is asked for {subject}, which is nobody's address")


def _nameless(item: str, where: Where, compiler: Compiler) -> Matcher | None:
    """The matcher of an item that needs no name; None when it does. Each lookup's key is the address."""
    if item == "*":
        return lambda _, __: ""
    if item == "":
        return lambda _, subject: "" if subject is None else None
    if ";" in item and not NET.fullmatch(item):
        item = f"net-{item}"
    return _by_address(item, where, compiler)


def _present(match: Matcher) -> Matcher:
    """*match*, for an address if there is one."""
    return lambda tx, subject: None if subject is None else match(tx, subject)


def _by_address(item: str, where: Where, compiler: Compiler) -> Matcher | None:
    """The matcher of an item that needs no name; None when it does."""
    if item == "@[]":
        return _present(lambda tx, subject: "" if is_local(tx, subject) else None)
    if LIKE_IPV4.fullmatch(item) or LIKE_IPV6.fullmatch(item):
        return _in_network(_network(item, where))
    return _net_lookup(item, where, compiler)


def _network(item: str, where: Where) -> Network:
    try:
        if not MASK.fullmatch(item):
            raise ValueError("a mask is a number of bits")
        return ip_network(item, strict=False)
    except ValueError as error:
        hint = HINT if ":" in where.text and "." not in item else f"{error}"
        raise PolicyError.at(where, f"malformed IP address or address mask: {item}", hint) from None


def _in_network(network: Network) -> Matcher:
    mask, wanted = int(network.netmask), int(network.network_address)
    version = type(network.network_address)  # and not its number, which an address computes

    def match(_: Transaction, subject: Address | None) -> str | None:
        return "" if isinstance(subject, version) and int(subject) & mask == wanted else None

    return match


def _net_lookup(item: str, where: Where, compiler: Compiler) -> Matcher | None:
    """``net-type;file`` and ``netNN-type;file``: the key is the client's address, or its network."""
    net = NET.fullmatch(item)
    found = lookup_matcher(net[2], where, compiler) if net else None
    if net is None or found is None:
        return None
    digits, separator = net[1], ":" if net[2].startswith("iplsearch") else "."
    return _present(lambda tx, subject: found(tx, _key(subject, digits, separator)))


@lru_cache(maxsize=1000)
def _key(address: Address, digits: str, separator: str) -> str:
    """Dotted for IPv4; for IPv6 all eight groups, as lookup files have them: a colon would end the key."""
    if digits:
        network = ip_network(f"{address}/{min(int(digits), address.max_prefixlen)}", strict=False)
        return f"{_spelled(network.network_address, separator)}/{digits}"
    return _spelled(address, separator)


def _spelled(address: Address, separator: str) -> str:
    return str(address) if address.version == 4 else address.exploded.replace(":", separator)


# -- names


def _by_name(item: str, where: Where, compiler: Compiler) -> Matcher:
    if item == "@":
        return lambda tx, subject: _has_address(tx, tx.settings.primary_hostname, subject)
    if NAME.fullmatch(item):
        return lambda tx, subject: _has_address(tx, item, subject)
    type_text, semicolon, _ = item.partition(";")
    if semicolon and lookup.find_type(type_text.strip(BLANKS), where, compiler).is_query:
        query = lookup_matcher(item, where, compiler)
        assert query is not None  # a semicolon is there
        return lambda tx, _: query(tx, "")
    return _client_name(text_matcher(item, where, compiler, caseful=False))


def _client_name(matches: Matcher) -> Matcher:
    """Does one of the client's names match?"""

    def match(tx: Transaction, _: Address) -> str | None:
        saved = tx.frame.captures
        try:
            values = (matches(tx, name) for name in _names(tx))
            return next((value for value in values if value is not None), None)
        finally:
            tx.frame.captures = saved  # a host list leaves $0, $1 … alone

    return match


def _names(tx: Transaction) -> tuple[str, ...]:
    """The client's names. To a list it has none while DNS cannot say: Exim makes no difference here."""
    try:
        return client_names(tx)
    except Defer:
        raise Unknown(f"failed to find host name for {tx.connection.client.address}") from None


def _has_address(tx: Transaction, name: str, subject: Address) -> str | None:
    """Does *name* have the client's address? Raises `Unknown` when it has none at all."""
    try:
        if subject in addresses(tx.resolver, name, subject.version):
            return ""
        if addresses(tx.resolver, name):
            return None
    except DnsTemporary:
        raise Defer(f'DNS lookup of "{name}" deferred') from None
    raise Unknown(f"failed to find IP address for {name}")
