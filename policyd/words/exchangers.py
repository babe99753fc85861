"""``@mx_any`` and its like: domains whose mail exchanger this host is."""

from __future__ import annotations

import re

from policyd.checks.iprev import Address, addresses
from policyd.errors import Defer, PolicyError, Where
from policyd.language.compiler import Compiler
from policyd.language.scanning import Matcher
from policyd.language.source import BLANKS
from policyd.mail.octets import lower
from policyd.resolver import DnsTemporary
from policyd.transaction import Transaction

ITEM = re.compile(r"@mx_(any|primary|secondary)(?:/ignore=(.*))?", re.DOTALL)


def exchanger_matcher(item: str, where: Where, compiler: Compiler) -> Matcher:
    """The matcher of an ``@mx_…`` item. Raises `PolicyError` for one that does not exist."""
    found = ITEM.fullmatch(item)
    if found is None:
        raise PolicyError.at(where, f'unknown item "{item}"', "@mx_any, @mx_primary, @mx_secondary, each with /ignore=")
    which = found[1]
    ignored = compiler.matcher("ip", (found[2] or "").strip(BLANKS), where)

    def match(tx: Transaction, subject: str) -> str | None:
        try:
            is_one = _is_exchanger(tx, subject, which, ignored)
        except DnsTemporary:
            raise Defer(f'DNS lookup of "{subject}" deferred') from None
        if not is_one:
            return None
        tx.frame.captures = (subject,)
        return item

    return match


def _is_exchanger(tx: Transaction, domain: str, which: str, ignored: Matcher) -> bool:
    """Whether this host is a mail exchanger of *domain*, and whether it is one of the first. Raises `DnsTemporary`.

    Without MX records nobody is: the domain's own address would do for
    delivery (RFC 5321 5.1), but says nothing about who relays.
    """
    first: int | None = None
    is_first = is_any = False
    for preference, host in sorted(tx.resolver.lookup("MX", domain).records):
        found = {address for address in addresses(tx.resolver, host) if ignored(tx, address) is None}
        if not found:
            continue
        first = preference if first is None else first
        if any(is_local(tx, address) for address in found):
            is_any = True
            is_first = is_first or preference == first
    return {"any": is_any, "primary": is_first, "secondary": is_any and not is_first}[which]


def is_local(tx: Transaction, address: Address) -> bool:
    """Whether an address is this host's: loopback, what the client connected to, or one of the primary host name's.

    Raises `Defer`.
    """
    if address.is_loopback or str(address) == tx.connection.client.local_address:
        return True
    name = lower(tx.settings.primary_hostname)
    try:
        return name not in ("", "localhost") and address in addresses(tx.resolver, name)
    except DnsTemporary:
        raise Defer(f'DNS lookup of "{name}" deferred') from None
