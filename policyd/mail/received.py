"""The ``Received:`` field (RFC 5321 4.4) as Postfix, Sendmail, Exim and Exchange write it: who handed a message over.

Read strictly. What such a field tells comes in part from the client: its HELO
name, its certificate, its ident. So a field that could be read in two ways is
`Unreadable`, and never the way that somebody may have wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NoReturn

from policyd.mail.octets import lower

Address = IPv4Address | IPv6Address

LONGEST = 4096  # octets of one field
SHOWN = 100  # octets of one that cannot be read

TOKEN = re.compile(r'[^\s()";\\]+|"(?:[^"\\]|\\.)*"|[();\\]|"|\s+', re.DOTALL)
IN_COMMENT = re.compile(r"\\.|[()]|[^()\\]+|\\", re.DOTALL)

LITERAL = r"\[(?:IPv6:)?(?P<address>[0-9A-Fa-f:.]+)(?:%[0-9A-Za-z]+)?\]"
BARE = re.compile(LITERAL + r"(?::[0-9]+)?", re.IGNORECASE)  # Exim, of a client without a name
PEER = re.compile(rf"(?:[^\s\[\]()=]+ )?{LITERAL}(?: \(may be forged\))?", re.IGNORECASE)  # Postfix, Sendmail
NAMED = re.compile(rf"{LITERAL}(?::[0-9]+)?(?: helo=(?P<helo>\S+))?(?: ident=.*)?", re.IGNORECASE)  # Exim
PLAIN = re.compile(r"(?P<address>[0-9A-Fa-f:.]+)(?:%[0-9A-Za-z]+)?")  # Exchange
REMARK = re.compile(r"(?:port=[0-9]+(?: |$))?(?:helo=(?P<helo>\S+)(?: |$))?(?:ident=.*)?")  # Exim, after `BARE`
ANY_LITERAL = re.compile(r"\[[0-9A-Fa-f:.]+\]|\[IPv6:", re.IGNORECASE)
DATE = re.compile(r"[^()\[\]\\\";]*(?:\([A-Za-z0-9 +-]*\))?\s*")  # a comment may name the zone
SUBMITTED = re.compile(r"Postfix, from userid [0-9]+")


class Unreadable(ValueError):  # noqa: N818 - it says something about the field
    """A field from which nobody can tell who handed the message over."""


@dataclass(frozen=True, slots=True)
class Hop:
    """Who handed a message over, as the next server has written it. *address*: None where it was submitted there."""

    address: Address | None
    helo: str = ""


def origin(fields: Iterable[str], trusted: Callable[[Address], bool]) -> Hop | None:
    """The first one from the top that is not *trusted*: what is below, it may have written itself.

    The last trusted one, if the message began there; None: the one that handed
    it to us has made it. *fields*: all after ``Received:``. Raises `Unreadable`.
    """
    last = None
    for field in fields:
        hop = parse(field)
        if hop.address is None:
            return last
        last = hop
        if not trusted(hop.address):
            return hop
    return last


def parse(field: str) -> Hop:
    """Who handed the message over, by all after ``Received:``. Raises `Unreadable`."""
    if len(field) > LONGEST:
        _unreadable(field)
    try:
        return _hop(_tokens(field))
    except (ValueError, IndexError):
        _unreadable(field)


def _unreadable(field: str) -> NoReturn:
    shown = " ".join(field[:SHOWN].split())
    raise Unreadable(f'unknown form of Received: "{shown}"') from None


def _tokens(field: str) -> list[str]:
    """Words and comments up to the date; a comment begins with its bracket. Raises ValueError."""
    tokens: list[str] = []
    at = 0
    while at < len(field):
        if field[at] == "(":
            end = _comment_end(field, at)
            tokens.append(" ".join(field[at:end].split()))
            at = end
            continue
        found = TOKEN.match(field, at)
        if found is None or found[0] in (")", '"', "\\"):
            raise ValueError(field)
        if found[0] == ";":
            if not DATE.fullmatch(field, found.end()):
                raise ValueError(field)
            break
        if not found[0].isspace():
            tokens.append(found[0])
        at = found.end()
    return tokens


def _comment_end(field: str, start: int) -> int:
    """Where the comment ends that begins at *start*; it may have others in it. Raises ValueError."""
    depth = 0
    for piece in IN_COMMENT.finditer(field, start):
        depth += (piece[0] == "(") - (piece[0] == ")")
        if not depth:
            return piece.end()
    raise ValueError(field)


def _hop(tokens: list[str]) -> Hop:
    if _is_submission(tokens):
        return Hop(None)
    words = [lower(token) for token in tokens if not token.startswith("(")]
    if words[0] != "from" or words.count("from") != 1 or words.count("by") != 1 or words[2] != "by":
        raise ValueError(tokens)
    comments = [token[1:-1] for token in tokens[2 : [*map(lower, tokens)].index("by")]]
    if any(ANY_LITERAL.search(comment) for comment in comments[1:]):
        raise ValueError(tokens)
    return _peer(tokens[1], comments[0] if comments else "")


def _is_submission(tokens: list[str]) -> bool:
    """Whether a user of that host has made the message there."""
    words = [lower(token) for token in tokens]
    if words[0].startswith("(from ") and words[1] == "by":  # Sendmail
        return "/submit)" in words[3]
    if words[0] == "by":  # Postfix
        return SUBMITTED.fullmatch(tokens[2][1:-1]) is not None
    return words[0] == "from" and words[2] == "by" and words[4:6] == ["with", "local"]  # Exim


def _peer(helo: str, comment: str) -> Hop:
    """Who it is by the word after ``from`` and the first comment after it."""
    remark = REMARK.fullmatch(comment)
    if remark and (bare := BARE.fullmatch(helo)):
        return Hop(_address(bare["address"]), remark["helo"] or "")
    if found := PEER.fullmatch(comment):
        return Hop(_address(found["address"]), helo)
    if found := NAMED.fullmatch(comment):
        return Hop(_address(found["address"]), found["helo"] or helo)
    if found := PLAIN.fullmatch(comment):
        return Hop(_address(found["address"]), helo)
    raise ValueError(comment)


def _address(text: str) -> Address:
    address = ip_address(text)
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
