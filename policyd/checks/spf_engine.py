"""pyspf, asking our resolver, and held to RFC 7208 where it differs.

Loaded by the first check: pyspf is slow to import. The names of overriding
methods, and of attributes of one letter (the macros), are pyspf's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from ipaddress import ip_network
from typing import Any

import spf

from policyd.checks.spf_identity import MACRO, MAX_TEXT, Evaluation, Identity, SpfResult, is_macro_string
from policyd.resolver import Answer, DnsTemporary, Resolver
from policyd.resolver.names import MAX_NAME, ascii_name

MAX_TERMS = 10  # RFC 7208 4.6.4: terms that ask DNS
MAX_VOID = 2  # likewise: of them, those that find nothing
MAX_HOSTS = 10  # likewise: names that one mx or ptr may have

_LITERALS = {"%%": "%", "%_": " ", "%-": "%20"}
_TOP_LABEL = r"\.(?=[a-z0-9-]*[a-z-])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.?"
_DOMAIN_END = re.compile(rf"(?:{_TOP_LABEL}|{MACRO.pattern})\Z", re.IGNORECASE | re.ASCII)  # RFC 7208 7.1
_NAME = re.compile(r"[a-z][a-z0-9._-]*", re.IGNORECASE | re.ASCII)
_PRINTABLE = re.compile(r"[ -~]*")
_OTHER_FAMILY = {"A": "AAAA", "AAAA": "A"}
_NO_LABEL = "\xff"  # in no name that is ever asked for


def evaluate(
    resolver: Resolver, identity: Identity, receiver: str, guess_record: str = "", template: str = ""
) -> Evaluation:
    """As `policyd.checks.spf.check_host`. Never raises."""
    query = Query(resolver, identity, receiver)
    guessed = False
    try:
        result, _, text = query.check()
        if result == "none" and guess_record:
            guessed = True
            result, _, text = query.check(guess_record)
        explanation = query.explanation(text) or query.expanded(template) if result == "fail" else ""
        return Evaluation(SpfResult(result), explanation, query.mechanism or "", query.problem, query.lookups, guessed)
    except Exception as error:  # a record that breaks pyspf is wrong, whatever is wrong with it
        return Evaluation(SpfResult.PERMERROR, problem=f"internal {type(error).__name__}", lookups=query.lookups)


class Query(spf.query):  # type: ignore[misc]
    """One evaluation of one identity: `check`, and what it leaves behind."""

    def __init__(self, resolver: Resolver, identity: Identity, receiver: str) -> None:
        mailbox = identity.mailbox
        super().__init__(i=str(identity.client), s="@".join(mailbox), h=identity.helo, receiver=receiver)
        self.l, self.o = mailbox
        self.d = self.o
        self.prob = ""
        self.mech: list[str] = []
        self._resolver = resolver
        self._in_term = False
        self._void = False  # whether this term has found something void

    @property
    def problem(self) -> str:
        """Why the result is an error, with the term at fault."""
        return ": ".join(filter(None, (self.prob, *self.mech)))

    # -- DNS

    def dns(self, name: str, qtype: str, cnames: Any = None, ignore_void: bool = False) -> list[Any]:
        """Every question of pyspf. What cannot be a name is not asked for (RFC 7208 4.8, RFC 8616 section 4)."""
        if not name.isascii() or ascii_name(name) is None:
            return []
        answer = self._answer(qtype, name)
        if not answer.records and not ignore_void:
            self._note_void(qtype, name, answer.exists)
        return list(answer.records)

    def _answer(self, qtype: str, name: str) -> Answer:
        try:
            return self._resolver.lookup(qtype, name)
        except DnsTemporary:
            raise spf.TempError(f"{qtype} lookup of {name} failed") from None

    def _note_void(self, qtype: str, name: str, exists: bool) -> None:
        """RFC 7208 4.6.4 counts terms: a term is void once, however many of its questions are."""
        if not self._in_term or self._void or (exists and self._has_other_addresses(qtype, name)):
            return
        self._void = True
        self.void_lookups += 1
        if self.void_lookups > MAX_VOID:
            raise spf.PermError(f"more than {MAX_VOID} void lookups")

    def _has_other_addresses(self, qtype: str, name: str) -> bool:
        """A host that only the other IP version reaches is no void lookup: there is an answer, but not for us."""
        if qtype not in _OTHER_FAMILY:
            return False
        try:
            return bool(self._answer(_OTHER_FAMILY[qtype], name).records)
        except spf.TempError:
            return True

    # -- terms: each is counted when it asks. pyspf counts a redirect= that is never followed.

    def _begin_term(self) -> None:
        self._in_term, self._void = True, False
        self.lookups += 1
        if self.lookups > MAX_TERMS:
            raise spf.PermError(f"more than {MAX_TERMS} DNS lookups")

    def check_lookups(self) -> None:
        """Nothing: see `_begin_term`."""

    def check(self, record: str | None = None) -> tuple[str, int, str]:
        """Evaluate *record*, or the one of the domain, which belongs to no term."""
        self._top, self._in_term = record is None, False
        result: tuple[str, int, str] = super().check(record)
        return result

    def dns_spf(self, domain: str) -> str | None:
        """The record of the domain itself, then those of ``include`` and ``redirect``."""
        if not self._top:
            self._begin_term()
        self._top = False
        record: str | None = super().dns_spf(domain)
        if record and not (len(record) <= MAX_TEXT and _PRINTABLE.fullmatch(record)):
            raise spf.PermError("record too long or not plain text", domain)
        return record and _with_known_modifiers(record)

    def dns_a(self, domainname: str, A: str = "A") -> list[str]:  # noqa: N803
        """The addresses of an ``a`` or ``exists``."""
        self._begin_term()
        return self.dns(domainname, A)

    def dns_mx(self, domainname: str) -> Iterator[str]:
        """The addresses of an ``mx``, asked for one host after the other: the first may do."""
        self._begin_term()
        hosts = sorted(self.dns(domainname, "MX"))
        if len(hosts) > MAX_HOSTS:
            raise spf.PermError(f"more than {MAX_HOSTS} MX records", domainname)
        return (address for _, host in hosts for address in self.dns(host, self.A))

    def validated_ptrs(self) -> list[str]:
        """The names of the client, for a ``ptr``."""
        self._begin_term()
        return self._client_names

    @cached_property
    def _client_names(self) -> list[str]:
        """RFC 7208 5.5: those that resolve back to the client. What DNS cannot say now is left out."""
        names = self._found(self.ipaddr.reverse_pointer, "PTR")[:MAX_HOSTS]
        return [name.lower() for name in names if self.cidrmatch(self._found(name, self.A), self.cidrmax)]

    def _found(self, name: str, qtype: str) -> list[str]:
        try:
            return self.dns(name, qtype)
        except spf.TempError:
            return []

    def cidrmatch(self, ipaddrs: Iterable[str], n: int) -> bool:
        """Whether the client is in the network of length *n* around one of these addresses."""
        return any(self.ipaddr in ip_network((address, n), strict=False) for address in ipaddrs)

    # -- macros: RFC 7208 section 7

    def getp(self) -> None:
        """``%{p}``: the domain itself, else a subdomain, else any name of the client."""
        domain = self.d.lower()
        within = [name for name in self._client_names if name == domain or name.endswith(f".{domain}")]
        self.p = domain if domain in within else next(iter(within + self._client_names), "unknown")

    def expand_domain(self, arg: str) -> str:
        """A domain-spec. Where a term has none, *arg* is the domain itself, and no macro string."""
        if arg == self.d:
            return arg
        if not _DOMAIN_END.search(arg[-100:]):
            raise spf.PermError("not a domain name", arg)
        return self.expand(arg)

    def expand(self, s: str, stripdot: bool = True) -> str:
        """A macro string: of a domain-spec, shortened to what fits into DNS, unless not *stripdot*."""
        _check_macros(s)
        text = MACRO.sub(lambda macro: self._expanded(macro.group(), stripdot), s)
        if not stripdot:
            return text
        text = text.removesuffix(".")
        while len(text) > MAX_NAME and "." in text:
            text = text.partition(".")[2]
        return text

    def _expanded(self, macro: str, in_domain: bool) -> str:
        if macro in _LITERALS:
            return _LITERALS[macro]
        if in_domain and macro[2] in "slSL" and not self.l.isascii():
            return _NO_LABEL  # RFC 8616 section 4: such a term never matches
        text: str = super().expand(macro[:3] + macro[3:].lower(), in_domain)  # to pyspf, R is no transformer
        return text

    # -- exp=: RFC 7208 6.2

    def get_explanation(self, spec: str) -> tuple[str, str]:
        """Only where the explanation is, and which domain says so: most messages need none."""
        return spec, self.d

    def explanation(self, found: str | tuple[str, str]) -> str:
        """The text there; empty when it is of no use, or *found* is only pyspf's own text."""
        if isinstance(found, str):
            return ""
        spec, self.d = found
        self._in_term = False
        try:
            return super().get_explanation(spec) or ""
        except spf.TempError:
            return ""

    def expanded(self, template: str) -> str:
        """An explanation of this host's, a macro string."""
        self.d, self._in_term = self.o, False
        return self.expand(template, stripdot=False)


def _check_macros(text: str) -> None:
    if not is_macro_string(text):
        raise spf.PermError("invalid macro", text[:MAX_NAME])


def _with_known_modifiers(record: str) -> str:
    """The record with what pyspf knows: names in any case, unknown ones as often as they like (RFC 7208 section 6)."""
    version, _, text = record.partition(" ")
    terms = [version]
    for term in text.split(" "):
        name, equals, value = term.partition("=")
        if not equals or not _NAME.fullmatch(name):
            terms.append(term)
        elif name.lower() in ("exp", "redirect"):
            terms.append(f"{name.lower()}={value}")
        else:
            _check_macros(value)
    return " ".join(terms)
