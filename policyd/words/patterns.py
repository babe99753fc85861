"""What an item of a string, domain, local part or address list matches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address

from policyd.errors import ExpansionError, PolicyError, Where
from policyd.language.compiler import Compiler
from policyd.language.cutting import cut
from policyd.language.lists import MAX_COMPILED, compile_item, lookup_matcher
from policyd.language.patterns import Pattern
from policyd.language.registry import list_kind
from policyd.language.scanning import Matcher, scan
from policyd.language.source import BLANKS
from policyd.mail.octets import lower
from policyd.transaction import Transaction
from policyd.words.exchangers import exchanger_matcher, is_local
from policyd.words.pattern_keys import address_key, text_key

OWN_DOMAIN = re.compile(r"@@(?:|\[\]|mx_(?:any|primary|secondary))\Z")  # of this host: behind a local part
MAX_CHAIN = 50  # keys that an @@ lookup follows
LITERAL = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]", re.IGNORECASE)
PARTIAL = re.compile(r"partial[0-9]*(?:-|\([^)]*\))")


# -- text


@list_kind("string", key=text_key)
def _string(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """A text, ``*`` and the end of one, ``^`` and a regular expression, or a lookup; case does not matter."""
    return text_matcher(item, where, compiler, caseful)


@list_kind("local_part", key=text_key)
def _local_part(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """Like a string list; ``+caseful`` makes later items distinguish case."""
    return text_matcher(item, where, compiler, caseful)


@list_kind("domain", key=text_key)
def _domain(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """Like a string list, and ``@``, ``@[]``, ``@mx_any``, ``@mx_primary``, ``@mx_secondary``.

    ``@`` is the primary host name, ``@[]`` an address of this host as a domain
    literal; the others are domains whose MX records (all, the first, or all but
    the first) name this host. ``/ignore=`` and a host list after them leaves
    out mail exchangers with these addresses.
    """
    if item == "@":
        return _primary_hostname
    if item == "@[]":
        return _local_literal
    if item.startswith("@mx_"):
        return exchanger_matcher(item, where, compiler)
    return text_matcher(item, where, compiler, caseful)


def _primary_hostname(tx: Transaction, subject: str) -> str | None:
    name = tx.settings.primary_hostname
    return _whole(tx, name, subject) if lower(subject) == lower(name) else None


def _local_literal(tx: Transaction, subject: str) -> str | None:
    found = LITERAL.fullmatch(subject)
    try:
        address = ip_address(found[1]) if found else None
    except ValueError:
        return None
    return _whole(tx, "@[]", subject) if address and is_local(tx, address) else None


def _whole(tx: Transaction, value: str, subject: str) -> str:
    tx.frame.captures = (subject,)
    return value


def text_matcher(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """The patterns that all lists of text share. The value of a match is the pattern, or what a lookup found.

    ``$0`` is the subject, ``$1`` what ``*`` stands for, or the first group of a
    regular expression.
    """
    if item.startswith("^"):
        return _expression(item, where, caseful)
    if item.startswith("*"):
        return _ending(item, caseful)
    found = lookup_matcher(item, where, compiler)
    if found is None:
        return _same(item, caseful)
    match = _looked_up(found)
    return match if caseful else lambda tx, subject: match(tx, lower(subject))


def _same(item: str, caseful: bool) -> Matcher:
    wanted = item if caseful else lower(item)

    def same(tx: Transaction, subject: str) -> str | None:
        if (subject if caseful else lower(subject)) != wanted:
            return None
        return _whole(tx, item, wanted)

    return same


def _ending(item: str, caseful: bool) -> Matcher:
    tail = item[1:] if caseful else lower(item[1:])

    def ending(tx: Transaction, subject: str) -> str | None:
        whole = subject if caseful else lower(subject)
        if not whole.endswith(tail):
            return None
        tx.frame.captures = (whole, whole[: len(whole) - len(tail)])
        return item

    return ending


def _expression(item: str, where: Where, caseful: bool) -> Matcher:
    try:
        pattern = Pattern(item, caseless=not caseful)
    except ValueError as error:
        raise PolicyError.at(where, str(error)) from None

    def expression(tx: Transaction, subject: str) -> str | None:
        found = pattern.search(subject)
        if found is None:
            return None
        tx.frame.captures = (subject, *found[1:])
        return item

    return expression


def _looked_up(found: Callable[[Transaction, str], str | None]) -> Matcher:
    def match(tx: Transaction, subject: str) -> str | None:
        whole: tuple[str, ...] = (subject,)
        saved, tx.frame.captures = tx.frame.captures, whole
        value = found(tx, subject)
        if value is None:
            tx.frame.captures = saved
        elif not tx.frame.captures:  # ``wildlsearch`` forgets them
            tx.frame.captures = whole
        return value

    return match


# -- addresses


@list_kind("address", key=address_key)
def _address(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """``local@domain`` with patterns on both sides, a domain pattern alone, or a pattern for the whole address.

    An empty item is the null sender. ``^`` and a regular expression, or a
    lookup, is for the whole address. ``@@`` and a lookup finds a list of
    patterns for local parts under the domain; ``>`` and a key as its last item
    is where the search goes on. ``+caseful`` makes later items distinguish
    case, but the subject's domain is in lower case all the same.
    """
    match = _whole_address(item, where, compiler, caseful)

    def uncaptured(tx: Transaction, subject: str) -> str | None:
        if subject and "@" not in subject:
            return None  # a local part is no address
        saved = tx.frame.captures
        try:
            return match(tx, subject)
        finally:
            tx.frame.captures = saved  # an address list leaves $0, $1 … alone

    return uncaptured


def _whole_address(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    if item == "":
        return lambda _, subject: "" if subject == "" else None
    if item == "*":
        return lambda _, subject: "@*" if subject else None
    if item.startswith("^"):
        expression = text_matcher(item, where, compiler, caseful)
        return lambda tx, subject: None if expression(tx, subject) is None else ""
    if item.startswith("@@"):
        return _chained(item[2:], where, compiler, caseful)
    type_text, semicolon, _ = item.partition(";")
    if semicolon and ("@" not in type_text or type_text.rstrip(BLANKS).endswith("*@")):
        return _address_lookup(item, where, compiler, caseful)
    local, domain = _halves(item)
    return _two_sided(local, domain, where, compiler, caseful)


def _halves(item: str) -> tuple[str | None, str]:
    """The patterns for the local part, None for any, and for the domain, which may be ``@`` or ``@mx_any``, too."""
    own = OWN_DOMAIN.search(item)
    if own is not None:
        return item[: own.start()], item[own.start() + 1 :]
    local, at, domain = item.rpartition("@")
    return local if at else None, domain


def _address_lookup(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """The whole address is the key; a single-key lookup is not tried for the null sender."""
    partial = PARTIAL.match(item)
    if partial is not None:
        compiler.warn(where, f'partial matching has no meaning for whole addresses: "partial" in "{item}" is ignored')
        item = item[partial.end() :]
    found = lookup_matcher(item, where, compiler)
    assert found is not None  # a semicolon is there
    return found if caseful else lambda tx, subject: found(tx, lower(subject))


def _two_sided(local: str | None, domain: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    domain_item = compile_item("domain", domain, where, compiler, caseful)
    local_matcher = None if local is None or local == "*" else text_matcher(local, where, compiler, caseful)

    def match(tx: Transaction, subject: str) -> str | None:
        subject_local, at, subject_domain = subject.rpartition("@")
        if not at or (local_matcher is not None and local_matcher(tx, subject_local) is None):
            return None
        value = scan((domain_item,), tx, lower(subject_domain))
        return None if value is None else f"{local or ''}@{value or domain}"

    return match


def _chained(item: str, where: Where, compiler: Compiler, caseful: bool) -> Matcher:
    """``@@type;data``: the local parts that count are listed under the domain."""
    found = lookup_matcher(item, where, compiler)
    if found is None:
        raise PolicyError.at(where, f'a lookup is missing after "@@": "{item}"', "@@lsearch;/path/of/a/file")
    patterns: dict[str, ListOfLocalParts] = {}

    def match(tx: Transaction, subject: str) -> str | None:
        local, at, domain = subject.rpartition("@")
        key = lower(domain) if at else ""
        for _ in range(MAX_CHAIN):
            text = found(tx, key) if key else None
            if text is None:
                return None
            local_parts = patterns.get(text)
            if local_parts is None:
                if len(patterns) >= MAX_COMPILED:
                    patterns.clear()
                local_parts = patterns[text] = ListOfLocalParts(text, where, compiler.fresh(), caseful)
            decided, value = local_parts.verdict(tx, local)
            if decided:
                return value
            key = local_parts.next_key
        raise ExpansionError(f'loop in the lookup of the local parts of "{subject}"')

    return match


class ListOfLocalParts:
    """What an ``@@`` lookup found under one key."""

    def __init__(self, text: str, where: Where, compiler: Compiler, caseful: bool) -> None:
        """Compile it. Raises `ExpansionError` for a pattern that is none."""
        items = [item for _, item in cut(text)]
        self.next_key = items[-1][1:].lstrip(BLANKS) if items and items[-1].startswith(">") else ""
        try:
            self._items = list(_local_parts(items, where, compiler, caseful))
        except PolicyError as error:
            raise ExpansionError(error.problems[0].message) from None

    def verdict(self, tx: Transaction, local_part: str) -> tuple[bool, str | None]:
        """Whether an item matches, and then what is left behind: nothing, if the item is negated."""
        for matches, negated in self._items:
            value = matches(tx, local_part)
            if value is not None:
                tx.frame.matched = value
                return True, None if negated else value
        return False, None


def _local_parts(items: list[str], where: Where, compiler: Compiler, caseful: bool) -> Iterator[tuple[Matcher, bool]]:
    for item in items:
        negated = item.startswith("!")
        yield text_matcher(item[1:].lstrip(BLANKS) if negated else item, where, compiler, caseful), negated
