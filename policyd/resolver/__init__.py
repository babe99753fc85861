"""DNS: one port for everything that asks, with a cache or with zone files behind it.

`policyd.resolver.cached` asks name servers, `policyd.resolver.zone` reads master
files. Both load dnspython, so they are imported by whoever makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from policyd.values import value_class


class DnsTemporary(Exception):  # noqa: N818 - a state of the world
    """No answer for now: a timeout, SERVFAIL, REFUSED, or a reply that cannot be read."""


@value_class
class Answer:
    """What DNS says about one name and type.

    *records* by type: A, AAAA, PTR, NS, CNAME: text without a final dot; MX:
    ``(preference, host)``; TXT: a tuple of octet strings; others: their
    presentation text. *exists* is False for NXDOMAIN. *ttl* in seconds.
    *secure*: the server vouched for DNSSEC (AD).
    """

    records: tuple[Any, ...] = ()
    exists: bool = True
    ttl: float = 0.0
    secure: bool = False


@value_class
class Question:
    """Something that will be asked about a message. *then*: what the answer will make the asker ask next."""

    rtype: str
    name: str
    then: Callable[[Answer], Iterable[Question]] | None = None


Prefetch = Callable[[Iterable[Question]], None]
"""Begins to ask what is not known yet, and returns at once: whoever needs an answer asks for it as if nobody had."""


def no_prefetch(_: Iterable[Question]) -> None:
    """Where asking ahead gains nothing: the questions are not even made."""


class Resolver(Protocol):
    """The one thing a check may ask about the world."""

    def lookup(self, rtype: str, name: str) -> Answer:
        """The records of *name*; CNAMEs are followed. Raises `DnsTemporary`; never for what DNS says.

        Every character of *name* is an octet, every dot ends a label: there are
        no escapes. Octets that are UTF-8 are asked for as A-labels. What cannot
        be a name does not exist. Raises ValueError for a type that is none.
        """

    def until(self, deadline: float) -> Resolver:
        """The same resolver, giving up (with `DnsTemporary`) at *deadline*, a ``time.monotonic()`` value."""
