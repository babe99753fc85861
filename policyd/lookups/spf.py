"""``spf``: the SPF result of any address and sender."""

from __future__ import annotations

from ipaddress import ip_address

from policyd.checks.spf import check_host
from policyd.checks.spf_identity import Identity
from policyd.language.registry import lookup
from policyd.transaction import Transaction


@lookup("spf", style="single")
def _spf(tx: Transaction, source: str, key: str, _: tuple[str, ...]) -> str | None:
    """``${lookup{user@domain}spf{192.0.2.1}}``: pass, fail, softfail, neutral, none, permerror or temperror.

    What RFC 7208 says of a mail from this sender that comes from this address.
    """
    try:
        address = ip_address(source)
    except ValueError:
        return None
    outcome = check_host(tx.resolver, Identity(address, tx.connection.helo, key), tx.settings.primary_hostname)
    return str(outcome.result)
