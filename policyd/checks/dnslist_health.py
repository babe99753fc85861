"""Whether a DNS list of addresses does what it is for.  RFC 5782 5."""

from __future__ import annotations

from policyd.resolver import DnsTemporary, Resolver

LISTED, UNLISTED = "2.0.0.127", "1.0.0.127"
"""127.0.0.2, which every list of addresses lists, and 127.0.0.1, which none may."""

REFUSAL = "127.255.255."
"""How the answer begins of a list that does not serve us."""


def is_healthy(resolver: Resolver, zone: str) -> bool:
    """Whether *zone* answers, lists what it must, and does not list everybody."""
    try:
        listed = resolver.lookup("A", f"{LISTED}.{zone}").records
        unlisted = resolver.lookup("A", f"{UNLISTED}.{zone}").records
    except DnsTemporary:
        return False
    return bool(listed) and not unlisted and not any(str(address).startswith(REFUSAL) for address in listed)
