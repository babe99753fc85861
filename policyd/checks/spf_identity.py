"""What SPF is asked, and what comes of it: whom a client claims to be, and what a domain's record says of that."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from policyd.resolver.names import ascii_name
from policyd.values import value_class

MAX_TEXT = 4096  # characters; RFC 7208 3.4 asks for 512, and some records are written to keep us busy
MACRO = re.compile(r"%(?:[%_-]|\{[slodiphcrtv](?:0*[1-9]\d{0,2})?r?[.+,/_=-]*\})", re.IGNORECASE | re.ASCII)

Address = IPv4Address | IPv6Address


class SpfResult(StrEnum):
    """RFC 8601 2.7.2."""

    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    PERMERROR = "permerror"
    TEMPERROR = "temperror"


@dataclass(slots=True)
class Identity:
    """Whom a client claims to be. *address*: None for a local submission.

    *sender*: empty for the null sender. *client*: the address, IPv4 where IPv6
    only wraps it (RFC 7208 section 5), and without a scope. *mailbox*: local
    part and domain, ``postmaster`` and the HELO name where there are none (RFC
    7208 2.4, 4.3); the domain is in A-labels and lower case, or as it came when
    it can be no domain. *flaw*: why there is nothing to ask for (RFC 7208 4.3);
    empty: there is. *client_text*: the client as text, empty without one; who has
    that of an IPv4 address saves spelling it.
    """

    address: Address | None
    helo: str
    sender: str = ""
    client_text: str = ""
    client: Address | None = field(init=False)
    mailbox: tuple[str, str] = field(init=False)
    flaw: str = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.address
        if isinstance(self.address, IPv6Address):
            self.client = self.address.ipv4_mapped or IPv6Address(int(self.address))
            self.client_text = str(self.client)
        elif not self.client_text:
            self.client_text = str(self.address or "")
        local_part, _, domain = self.sender.rpartition("@") if self.sender else ("", "", self.helo)
        name = ascii_name(domain)
        self.mailbox = local_part or "postmaster", name or domain
        if self.address is None:
            self.flaw = "no client address"
        elif name is None or "." not in name[1:] or name.startswith("["):
            self.flaw = f"{name or domain} is not a domain name" if domain else "no domain name"
        else:
            self.flaw = ""

    @property
    def kind(self) -> str:
        """``mailfrom``, or ``helo`` where there is no sender."""
        return "mailfrom" if self.sender else "helo"


@value_class
class Evaluation:
    """What a record says. *explanation*: its own. *problem*: why there is no better result."""

    result: SpfResult
    explanation: str = ""
    mechanism: str = ""
    problem: str = ""
    lookups: int = 0
    guessed: bool = False


def is_macro_string(text: str) -> bool:
    """Whether *text* is not too long, and every macro in it is one (RFC 7208 7.1)."""
    return len(text) <= MAX_TEXT and "%" not in MACRO.sub("", text)
