"""What an SPF check will ask, told before it is made: all terms of a record at once; the check takes them in turn.

A guess, and no more: only the check decides what a record means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

from policyd.checks.spf_identity import Address, Identity
from policyd.resolver import Answer, Question

MAX_TERMS = 10  # RFC 7208 4.6.4: a check asks no more, and neither do we
MAX_HOSTS = 10  # likewise, of one mx
MAX_TEXT = 4096  # characters of a record: what is longer is not evaluated either

TERM = re.compile(r"[+?~-]?(?P<name>[a-z0-9]+)(?:[:=](?P<domain>[^/%]+))?(?P<length>(?:/+[0-9]+)*)", re.IGNORECASE)
TYPES = {4: "A", 6: "AAAA"}


@dataclass(slots=True)
class Outlook:
    """One check to come. *terms*: those that it may still ask for."""

    client: Address
    terms: Iterator[int] = field(default_factory=lambda: iter(range(MAX_TERMS)))

    def record(self, domain: str) -> Question:
        """The record of a domain, then what its terms ask."""
        return Question("TXT", domain, lambda answer: self._terms(domain, answer))

    def _terms(self, domain: str, answer: Answer) -> Iterator[Question]:
        """Up to the term that decides, as far as that can be seen; what has a macro is not foreseen."""
        for text in _record(answer).split(" ")[1:]:
            term = TERM.fullmatch(text)
            if term is None:
                continue
            name, at = term["name"].lower(), term["domain"] or domain
            if name == "all" or (name in ("ip4", "ip6") and self._decides(at + term["length"])):
                return
            if name in ASKED and next(self.terms, None) is not None:
                yield ASKED[name](self, at)

    def _decides(self, network: str) -> bool:
        try:
            return self.client in ip_network(network, strict=False)
        except ValueError:
            return False

    def _addresses(self, name: str) -> Question:
        return Question(TYPES[self.client.version], name)

    def _exchangers(self, name: str) -> Question:
        return Question("MX", name, lambda answer: [self._addresses(host) for _, host in answer.records[:MAX_HOSTS]])


def _any(_: Outlook, name: str) -> Question:
    return Question("A", name)  # whatever the client has, RFC 7208 5.7


ASKED: dict[str, Callable[[Outlook, str], Question]] = {
    "include": Outlook.record,
    "redirect": Outlook.record,
    "a": Outlook._addresses,
    "mx": Outlook._exchangers,
    "exists": _any,
}


def questions(identity: Identity) -> Iterable[Question]:
    """What the check of an identity will ask first, and then."""
    client = identity.client
    return () if identity.flaw or client is None else (_first(client, identity.mailbox[1]),)


def _first(client: Address, domain: str) -> Question:
    """The record of a domain. Mostly it is known, and nobody looks further."""
    return Question("TXT", domain, lambda answer: Outlook(client)._terms(domain, answer))


def _record(answer: Answer) -> str:
    """The first SPF record; nothing where there is none."""
    texts = (b"".join(strings).decode("latin-1") for strings in answer.records)
    return next((text for text in texts if text[:7].lower() == "v=spf1 " and len(text) <= MAX_TEXT), "")
