"""What an item of each kind of list matches."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from policyd.errors import Defer, PolicyError, Where
from policyd.language.compiler import Compiler
from policyd.language.lists import Matcher, Unknown, compile_item, lookup_matcher
from policyd.language.patterns import Pattern
from policyd.language.registry import list_kind
from policyd.mail.octets import lower
from policyd.resolver import DnsTemporary
from policyd.transaction import Transaction

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


# -- text: string, domain and local part lists


@list_kind("string")
def _string(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """A text, ``*`` and the end of one, ``^`` and a regular expression, or a lookup."""
    return text_matcher(item, where, compiler, caseful)


@list_kind("local_part")
def _local_part(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """Like a string list; ``+caseful`` makes later items distinguish case."""
    return text_matcher(item, where, compiler, caseful)


@list_kind("domain")
def _domain(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """Like a string list; ``@`` is the primary host name, ``@[]`` the address literal of the local interface."""
    if item == "@":
        return _primary_hostname
    if item == "@[]":
        return _local_literal
    return text_matcher(item, where, compiler, caseful=False)


def _primary_hostname(tx: Transaction, subject: str) -> str | None:
    name = tx.settings.primary_hostname
    return name if lower(subject) == lower(name) else None


def _local_literal(tx: Transaction, subject: str) -> str | None:
    local = tx.connection.client.local_address
    return subject if local and subject == f"[{local}]" else None


def text_matcher(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """The patterns that all lists of text share. The value of a match is the pattern, or what a lookup found."""
    if item.startswith("^"):
        return _expression(item, where, caseful)
    found = lookup_matcher(item, where, compiler)
    if found is not None:
        return found
    if item.startswith("*"):
        return _ending(item, caseful)
    wanted = item if caseful else lower(item)

    def literal(tx: Transaction, subject: str) -> str | None:
        if (subject if caseful else lower(subject)) != wanted:
            return None
        tx.frame.captures = (subject,)
        return item

    return literal


def _ending(item: str, caseful: bool) -> Matcher:
    tail = item[1:] if caseful else lower(item[1:])

    def ending(tx: Transaction, subject: str) -> str | None:
        if not (subject if caseful else lower(subject)).endswith(tail):
            return None
        tx.frame.captures = (subject, subject[: len(subject) - len(tail)])
        return item

    return ending


def _expression(item: str, where: Where, caseful: bool) -> Matcher:
    pattern = _pattern(item, where, caseful)

    def expression(tx: Transaction, subject: str) -> str | None:
        found = pattern.search(subject)
        if found is None:
            return None
        tx.frame.captures = found
        return item

    return expression


def _pattern(item: str, where: Where, caseful: bool) -> Pattern:
    try:
        return Pattern(item, caseless=not caseful)
    except ValueError as error:
        raise PolicyError.at(where, str(error)) from None


# -- addresses


@list_kind("address")
def _address(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """``local@domain`` with patterns on both sides, a domain pattern alone, or a pattern for the whole address.

    An empty item is the null sender.
    """
    if item == "":
        return lambda _, subject: "" if subject == "" else None
    if item == "*":
        return lambda _, subject: "*" if subject else None
    if item.startswith("^"):
        return _expression(item, where, caseful)
    found = lookup_matcher(item, where, compiler)
    if found is not None:
        return lambda tx, subject: found(tx, subject) if subject else None
    local, at, domain = item.rpartition("@")
    return _two_sided(local if at else "*", domain, where, compiler, caseful)


def _two_sided(local: str, domain: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    domain_item = compile_item("domain", domain, where, compiler)
    local_matcher = None if local == "*" else text_matcher(local, where, compiler, caseful)

    def match(tx: Transaction, subject: str) -> str | None:
        subject_local, at, subject_domain = subject.rpartition("@")
        if not at:
            return None
        if local_matcher is not None and local_matcher(tx, subject_local) is None:
            return None
        value = domain_item.match(tx, lower(subject_domain))
        if (value is None) is not domain_item.negated:
            return None
        return f"{local}@{domain if value is None else value}"

    return match


# -- hosts


@list_kind("host")
def _host(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """An address, a network, a host name, a pattern for the client's name, or a lookup; an empty item: no client."""
    if item == "":
        return lambda _, subject: "" if subject is None else None
    if item == "*":
        return lambda _, __: "*"
    if item in ("@", "@[]"):
        return _local_address
    network = _network(item, where)
    if network is not None:
        return _in_network(item, network)
    return _named_host(item, where, compiler)


def _local_address(tx: Transaction, subject: Address | None) -> str | None:
    local = tx.connection.client.local_address
    return local if subject is not None and str(subject) == local else None


def _network(item: str, where: Where) -> Network | None:
    """The network an item spells; None when it does not look like one. Raises for one that is malformed."""
    looks_like_one = set(item) <= set("0123456789./") or (":" in item and set(item) <= set("0123456789abcdefABCDEF:./"))
    if not looks_like_one:
        return None
    try:
        return ip_network(item.strip("[]"), strict=False)
    except ValueError as error:
        raise PolicyError.at(where, f"malformed IP address or address mask: {item}", str(error)) from None


def _in_network(item: str, network: Network) -> Matcher:
    version, mask, wanted = network.version, int(network.netmask), int(network.network_address)

    def match(_: Transaction, subject: Address | None) -> str | None:
        if subject is None or subject.version != version:
            return None
        return item if int(subject) & mask == wanted else None

    return match


def _named_host(item: str, where: Where, compiler: Compiler) -> Matcher:
    by_address = _net_lookup(item, where, compiler)
    if by_address is not None:
        return by_address
    by_name = lookup_matcher(item, where, compiler)
    if by_name is not None:
        return lambda tx, _: by_name(tx, client_name(tx))
    if item.startswith(("^", "*")):
        pattern = text_matcher(item, where, compiler, caseful=False)
        return lambda tx, _: pattern(tx, client_name(tx))
    return _resolved(item)


def client_name(tx: Transaction) -> str:
    """The client's name, as the MTA has verified it. Raises `Unknown` when there is none."""
    name = tx.connection.client.name
    if not name:
        raise Unknown(f"failed to find host name for {tx.connection.client.address}")
    return name


def _resolved(name: str) -> Matcher:
    """A plain host name: does it resolve to the client's address?"""

    def match(tx: Transaction, subject: Address | None) -> str | None:
        if subject is None:
            return None
        rtype = "A" if subject.version == 4 else "AAAA"
        answer = tx.resolver.lookup(rtype, name)
        if str(subject) in answer.records:
            return name
        if not answer.records and not tx.resolver.lookup("AAAA" if rtype == "A" else "A", name).records:
            raise Unknown(f"failed to find IP address for {name}")
        return None

    return _deferring(match)


def _deferring(match: Callable[[Transaction, Address | None], str | None]) -> Matcher:
    def guarded(tx: Transaction, subject: Address | None) -> str | None:
        try:
            return match(tx, subject)
        except DnsTemporary as error:
            raise Defer(f"DNS lookup failed: {error}") from None

    return guarded


def _net_lookup(item: str, where: Where, compiler: Compiler) -> Matcher | None:
    """``net-type;file`` and ``netNN-type;file``: the key is the client's address, or its network."""
    prefix, dash, rest = item.partition("-")
    digits = prefix.removeprefix("net")
    if not dash or not prefix.startswith("net") or not (digits == "" or digits.isdigit()):
        return None
    found = lookup_matcher(rest, where, compiler)
    if found is None:
        return None
    separator = ":" if rest.startswith("iplsearch") else "."

    def match(tx: Transaction, subject: Address | None) -> str | None:
        return None if subject is None else found(tx, _key(subject, digits, separator))

    return match


@lru_cache(maxsize=1000)
def _key(address: Address, digits: str, separator: str) -> str:
    if digits:
        network = ip_network(f"{address}/{min(int(digits), address.max_prefixlen)}", strict=False)
        return f"{_spelled(network.network_address, separator)}/{digits}"
    return _spelled(address, separator)


def _spelled(address: Address, separator: str) -> str:
    """Dotted for IPv4; for IPv6 all eight groups, as lookup files have them: a colon would end the key."""
    return str(address) if address.version == 4 else address.exploded.replace(":", separator)
