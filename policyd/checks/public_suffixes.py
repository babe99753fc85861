"""Under which names people register domains: the public suffix list, publicsuffix.org."""

from __future__ import annotations

from functools import cache
from typing import Any

from policyd.checks.dmarc_discovery import RegisteredDomain


def suffix_list(text: str) -> RegisteredDomain:
    """The registered domain of a name in A-labels, one label more than its suffix, by a list's *text*, in octets.

    Only the list's own rules count, as in Exim: a suffix that it does not name
    is none.
    """
    return _registered(text.encode("latin-1").splitlines())


@cache
def library() -> RegisteredDomain:
    """The same, by the list that comes with the library."""
    return _registered(None)


def _registered(lines: list[bytes] | None) -> RegisteredDomain:
    from publicsuffixlist import PublicSuffixList  # reads thousands of rules, and few policies want them

    suffixes: Any = PublicSuffixList(lines, accept_unknown=False)
    return lambda domain: suffixes.privatesuffix(domain) or ""
