"""DMARC: discovery, organizational domains, alignment and verdicts. Each row names the section of the RFC it is about.

Sections are those of RFC 9989, unless another RFC is named. A zone is written
as ``domain: tags``, one record each; ``domain: -`` is a name without one.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.checks.dmarc import (
    MAX_AUTHORS,
    MAX_SPELLINGS,
    MAX_TEXT,
    Evidence,
    Identifier,
    Rules,
    SeveralAuthors,
    authors_of,
    evaluate,
    organization,
)
from policyd.checks.dmarc_discovery import Method, Records, TreeWalk, exists, steps
from policyd.checks.public_suffixes import library, suffix_list
from policyd.resolver import DnsTemporary
from policyd.resolver.zone import ZoneResolver


class Asked:
    """A resolver that remembers what it was asked."""

    def __init__(self, resolver):
        self._resolver = resolver
        self.names = []

    def lookup(self, rtype, name):
        self.names.append((rtype, name))
        return self._resolver.lookup(rtype, name)

    def until(self, deadline):
        return self


@pytest.fixture
def dns(tmp_path: Path):
    """From a zone as it is written here to a resolver."""

    def resolver(zone: str, failing: str = "", more: str = "") -> Asked:
        lines = [more]
        for item in filter(None, map(str.strip, zone.split("|"))):
            domain, _, tags = item.partition(": ")
            record = "A 192.0.2.1" if tags == "-" else f'TXT "v=DMARC1; {tags}"'
            lines.append(f"{domain if tags == '-' else f'_dmarc.{domain}'} {record}")
        file = tmp_path / "zone"
        file.write_text("\n".join(lines) + "\n")
        return Asked(ZoneResolver([file], failing=failing.split()))

    return resolver


def judged(resolver, author="example.com", spf="", dkim="", rules=None):
    """The outcome for one author. *spf* and *dkim*: domains that passed, or ``domain=result``."""
    identifiers = [Identifier(*(text.split("=") if "=" in text else (text, "pass"))) for text in dkim.split()]
    spf_result = Identifier(*(spf.split("=") if "=" in spf else (spf, "pass"))) if spf else None
    return evaluate(resolver, [f"user@{author}"], Evidence(spf_result, identifiers), rules or Rules())


# -- 4.10: the walk

LONG = "a.b.c.d.e.f.g.h.i.j.mail.example.com"


@pytest.mark.parametrize(
    ("start", "names"),
    [
        ("com", "com"),
        ("example.com", "example.com com"),
        ("a.mail.example.com", "a.mail.example.com mail.example.com example.com com"),
        ("a.b.c.d.e.f.g", "a.b.c.d.e.f.g b.c.d.e.f.g c.d.e.f.g d.e.f.g e.f.g f.g g"),
        ("a.b.c.d.e.f.g.h", "a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h"),
        ("0.a.b.c.d.e.f.g.h", "0.a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h"),
        (
            LONG,
            f"{LONG} g.h.i.j.mail.example.com h.i.j.mail.example.com i.j.mail.example.com j.mail.example.com"
            " mail.example.com example.com com",
        ),
    ],
)
def test_the_names_of_a_walk(start, names):
    """4.10, steps 3, 4 and 7."""
    assert [*steps(start)] == names.split()


@pytest.mark.parametrize("labels", range(1, 60))
def test_a_walk_never_asks_more_than_eight_times(dns, labels):
    """4.10: the shortcut. Discovery and both identifiers together, where they are the same names."""
    author = ".".join(["x"] * labels)
    resolver = dns("")
    outcome = judged(resolver, author, spf=author, dkim=author)
    assert outcome.queries == len(resolver.names) == min(labels, 8)


@pytest.mark.parametrize(
    ("section", "zone", "author", "asked"),
    [
        ("4.10.1 the author's own record ends it", "example.com: p=none", "example.com", "example.com"),
        ("4.10.1 and so does one without a usable policy", "example.com: p=x", "example.com", "example.com"),
        ("4.10 no record: up to the top", "", "a.example.com", "a.example.com example.com com"),
        ("4.10 psd=n ends it", "example.com: psd=n", "a.b.example.com", "a.b.example.com b.example.com example.com"),
        ("4.10 psd=y ends it", "example.com: psd=y", "a.b.example.com", "a.b.example.com b.example.com example.com"),
        ("4.10 psd=u does not", "example.com: psd=u", "a.example.com", "a.example.com example.com com"),
        ("4.10.1 eight labels: the parent is next", "", "a.b.c.d.e.f.g.h", " ".join(steps("a.b.c.d.e.f.g.h"))),
        ("4.10.1 nine: the last seven are", "", "0.a.b.c.d.e.f.g.h", " ".join(steps("0.a.b.c.d.e.f.g.h"))),
    ],
)
def test_what_is_asked(dns, section, zone, author, asked):
    resolver = dns(zone)
    judged(resolver, author)
    assert [name for rtype, name in resolver.names if rtype == "TXT"] == [f"_dmarc.{name}" for name in asked.split()]


# -- 4.10.1: which record, which policy

NINE = "0.a.b.c.d.e.f.g.h"


@pytest.mark.parametrize(
    ("section", "zone", "author", "used", "published"),
    [
        ("4.10.1 own record", "example.com: p=reject", "example.com", "example.com", "reject"),
        ("4.10.1 own: p, not sp", "example.com: p=reject; sp=none", "example.com", "example.com", "reject"),
        ("4.10.1 own: p, not np", "example.com: p=none; np=reject", "example.com", "example.com", "none"),
        ("4.7 own without p", "example.com: sp=reject; np=reject", "example.com", "example.com", "none"),
        ("4.10.1 own before organization's", "a.b.c: p=none | b.c: p=reject", "a.b.c", "a.b.c", "none"),
        ("4.10.1 own before suffix's", "b.c: p=none | c: p=reject; psd=y", "b.c", "b.c", "none"),
        ("4.10.1 own with psd=y: p", "b.c: p=quarantine; sp=reject; psd=y", "b.c", "b.c", "quarantine"),
        ("4.10.1 own with psd=n: p", "b.c: p=quarantine; sp=reject; psd=n", "b.c", "b.c", "quarantine"),
        ("4.10.1 own of more than eight labels", f"{NINE}: p=reject", NINE, NINE, "reject"),
        ("4.10.1 organization's p", "b.c: p=reject", "a.b.c", "b.c", "reject"),
        ("4.10.1 organization's sp", "b.c: p=reject; sp=quarantine | a.b.c: -", "a.b.c", "b.c", "quarantine"),
        ("4.10.1 organization's np: no such name", "b.c: p=reject; np=none", "a.b.c", "b.c", "none"),
        ("4.10.1 organization's np before sp", "b.c: p=none; sp=reject; np=quarantine", "a.b.c", "b.c", "quarantine"),
        ("4.7 no np: sp", "b.c: p=none; sp=reject", "a.b.c", "b.c", "reject"),
        ("4.7 np says nothing about what exists", "b.c: p=reject; np=none | a.b.c: -", "a.b.c", "b.c", "reject"),
        ("4.7 sp before p, for what exists", "b.c: p=none; sp=reject; np=none | a.b.c: -", "a.b.c", "b.c", "reject"),
        ("3.2.13 an empty name exists", "b.c: p=none; sp=reject; np=none | x.a.b.c: -", "a.b.c", "b.c", "reject"),
        ("3.2.13 below a missing name", "b.c: p=none; sp=reject; np=quarantine", "x.a.b.c", "b.c", "quarantine"),
        ("4.10.2 the topmost of several", "b.c: p=reject | a.b.c: p=none", "x.a.b.c", "b.c", "reject"),
        ("4.10.1 one in between is not used", "c: p=none | a.b.c: p=reject", "x.a.b.c", "c", "none"),
        ("4.10.2 psd=n before what is above", "b.c: p=reject | a.b.c: p=none; psd=n", "x.a.b.c", "a.b.c", "none"),
        ("4.10.2 psd=n on the top", "c: p=quarantine; psd=n | b.c: p=none", "a.b.c", "c", "quarantine"),
        ("4.10.1 the suffix's: author is below it", "c: p=reject; psd=y", "b.c", "c", "reject"),
        ("4.10.1 the suffix's: sp", "c: p=none; sp=reject; np=none; psd=y | b.c: -", "b.c", "c", "reject"),
        ("4.10.1 the suffix's: np", "c: p=none; sp=none; np=reject; psd=y", "b.c", "c", "reject"),
        ("4.10.1 the suffix's: further below", "c: p=reject; psd=y", "x.a.b.c", "c", "reject"),
        ("4.10.1 never for one with a record", "c: p=reject; psd=y | b.c: p=none", "a.b.c", "b.c", "none"),
        ("4.10.1 not even a useless one", "c: p=reject; psd=y | b.c: p=x", "a.b.c", "", None),
        ("4.10.1 one in between, and a suffix", "c: p=reject; psd=y | a.b.c: p=none", "x.a.b.c", "c", "reject"),
        ("4.10.1 a suffix of two labels", "b.c: p=reject; psd=y", "x.a.b.c", "b.c", "reject"),
        ("4.10 psd=y ends the walk", "c: p=none | b.c: p=reject; psd=y", "x.a.b.c", "b.c", "reject"),
        ("4.10 a suffix above a suffix", "c: p=none; psd=y | b.c: p=reject; psd=y", "a.b.c", "b.c", "reject"),
        ("4.10 long: nothing between is seen", "a.b.c.d.e.f.g.h: p=reject", NINE, "", None),
        ("4.10 long: the last seven are", "b.c.d.e.f.g.h: p=reject", NINE, "b.c.d.e.f.g.h", "reject"),
        ("5.1.8 the example", "c.x.f.g.example.com: p=none; psd=n | example.com: p=reject",
         "m.a.b.c.x.f.g.example.com", "c.x.f.g.example.com", "none"),
        ("5.1.8 too deep to be seen", "b.c.d.e.f.g.example.com: p=none; psd=n | example.com: p=reject",
         "mail.a.b.c.d.e.f.g.example.com", "example.com", "reject"),
        ("4.10.1 none at all", "", "a.b.c", "", None),
        ("4.10.1 none above", "x.b.c: p=reject", "b.c", "", None),
        ("4.10.1 a sibling's is nothing", "x.b.c: p=reject", "a.b.c", "", None),
        ("4.10.1 wrong p", "b.c: p=rejct", "b.c", "", None),
        ("4.10.1 wrong p: not looked further", "a.b.c: p=rejct | b.c: p=reject", "a.b.c", "", None),
        ("4.10.1 wrong sp", "b.c: p=reject; sp=x", "b.c", "", None),
        ("4.10.1 wrong np", "b.c: p=reject; np=x", "b.c", "", None),
        ("4.10.1 wrong p, but a rua", "b.c: p=rejct; rua=mailto:a@b.c", "b.c", "b.c", "none"),
        ("4.10.1 wrong sp, but a rua", "b.c: p=reject; sp=x; rua=mailto:a@b.c", "b.c", "b.c", "none"),
        ("4.10.1 wrong sp, a rua, a subdomain", "b.c: p=reject; sp=x; rua=mailto:a@b.c", "a.b.c", "b.c", "none"),
        ("4.10.1 wrong p keeps its psd", "b.c: p=x; psd=n; rua=mailto:a@b.c | c: p=reject", "a.b.c", "b.c", "none"),
        ("4.10 two records are none", "b.c: p=reject | b.c: p=none", "b.c", "", None),
        ("4.10 two above, one on the top", "b.c: p=reject | b.c: p=none | c: p=reject", "a.b.c", "c", "reject"),
        ("4.10 two equal ones are one in DNS", "b.c: p=reject | b.c: p=reject", "b.c", "b.c", "reject"),
        ("4.3.1 of RFC 4343: case", "Example.COM: p=reject", "EXAMPLE.com", "example.com", "reject"),
        ("5.3.1 U-labels", "xn--bcher-kva.c: p=reject", "b\xc3\xbccher.c", "xn--bcher-kva.c", "reject"),
        ("4.10 a single label", "c: p=reject", "c", "c", "reject"),
    ],
)  # fmt: skip
def test_discovery(dns, section, zone, author, used, published):
    outcome = judged(dns(zone), author)
    assert (outcome.used, outcome.published) == (used, published)
    assert (outcome.status == "norecord") is (published is None)


@pytest.mark.parametrize(
    ("section", "records", "published"),
    [
        ("4.5 strings are joined", '"v=DMARC1; p=re" "ject"', "reject"),
        ("4.5 and the version, too", '"v=DMA" "RC1; p=reject"', "reject"),
        ("4.10 others are left out", '"v=spf1 -all"', None),
        ("4.10 another version is, too", '"v=DMARC2; p=none"', None),
    ],
)
def test_the_texts_of_a_record(dns, section, records, published):
    resolver = dns("", more=f'_dmarc.example.com TXT {records}\n_dmarc.example.com TXT "x"')
    assert judged(resolver).published == published


def test_aliases_are_followed(dns):
    resolver = dns("there.test: p=reject", more="_dmarc.example.com CNAME _dmarc.there.test")
    assert judged(resolver).published == "reject"


@pytest.mark.parametrize(
    ("zone", "author", "asked"),
    [
        ("b.c: p=reject", "a.b.c", []),
        ("b.c: p=reject; sp=none", "a.b.c", []),  # np would be the same
        ("b.c: p=reject; np=reject", "a.b.c", []),
        ("b.c: p=reject; np=none", "b.c", []),
        ("b.c: p=reject; np=none", "a.b.c", ["A", "AAAA", "MX"]),
        ("b.c: p=reject; np=none | a.b.c: -", "a.b.c", ["A"]),
    ],
)
def test_whether_a_name_exists_is_asked_only_if_it_matters(dns, zone, author, asked):
    """3.2.13, 4.7."""
    resolver = dns(zone)
    judged(resolver, author)
    assert [rtype for rtype, _ in resolver.names if rtype != "TXT"] == asked


def test_an_empty_answer_is_existence(dns):
    """3.2.13: an MX alone, or a name below."""
    resolver = dns("", more="a.test MX 10 mx.test\nx.b.test A 192.0.2.1")
    assert [exists(name, resolver) for name in ("a.test", "b.test", "c.test")] == [True, True, False]


# -- 4.10.2: organizational domains


@pytest.mark.parametrize(
    ("section", "zone", "domain", "expected"),
    [
        ("4.10.2 example 1", "mail.example.com: p=none | example.com: p=none", "a.mail.example.com", "example.com"),
        ("4.10.2 example 2", "mail.example.com: psd=n", "a.mail.example.com", "mail.example.com"),
        ("4.10.2 example 3", "com: psd=y", "a.mail.example.com", "example.com"),
        ("4.10.2 rule 2, the example", "example.com: psd=y", "mail.example.com", "mail.example.com"),
        ("4.10.2 nothing: the start itself", "", "a.mail.example.com", "a.mail.example.com"),
        ("4.10.2 one record at the start", "a.b.c: p=none", "a.b.c", "a.b.c"),
        ("4.10.2 one above", "b.c: p=none", "a.b.c", "b.c"),
        ("4.10.2 the fewest labels", "a.b.c: p=none | b.c: p=none | c: p=none", "a.b.c", "c"),
        ("4.10.2 rule 1 at the start", "a.b.c: psd=n | b.c: p=none", "a.b.c", "a.b.c"),
        ("4.10.2 rule 1 in the middle", "a.b.c: p=none | b.c: psd=n | c: p=none", "a.b.c", "b.c"),
        ("4.10.2 rule 1 on the top", "c: psd=n", "a.b.c", "c"),
        ("4.10.2 rule 1 before rule 2 above", "b.c: psd=n | c: psd=y", "a.b.c", "b.c"),
        ("4.10.2 rule 2 at the start is none", "b.c: psd=y", "b.c", "b.c"),
        ("4.10.2 rule 2 at the start ends it", "b.c: psd=y | c: p=none", "b.c", "b.c"),
        ("4.10.2 rule 2, one below", "c: psd=y", "b.c", "b.c"),
        ("4.10.2 rule 2, one below with a record", "b.c: p=none | c: psd=y", "a.b.c", "b.c"),
        ("4.10.2 rule 2, the start has a record", "x.a.b.c: p=none | c: psd=y", "x.a.b.c", "b.c"),
        ("4.10.2 rule 2, in the middle", "b.c: psd=y | c: p=none", "x.a.b.c", "a.b.c"),
        ("4.10.2 psd=u is nothing", "b.c: psd=u | c: psd=u", "a.b.c", "c"),
        ("4.10.2 a wrong psd is u", "b.c: psd=x | c: p=none", "a.b.c", "c"),
        ("4.10 two records are none", "b.c: p=none | b.c: p=reject", "a.b.c", "a.b.c"),
        ("4.10 long: the last seven", "b.c.d.e.f.g.h: psd=y", NINE, "a.b.c.d.e.f.g.h"),
        ("4.10 long: between is not seen", "a.b.c.d.e.f.g.h: psd=n", NINE, NINE),
        ("4.10 long: nothing", "", NINE, NINE),
        ("4.10.1 a useless record counts here", "b.c: p=x", "a.b.c", "b.c"),
        ("B.4.1", "example.com: p=none", "a.mail.example.com", "example.com"),
        ("B.4.2", "a.b.c: p=none | b.c: p=none; psd=n | c: p=none", "x.a.b.c", "b.c"),
        ("B.4.3", "giant.bank.test: p=reject | bank.test: psd=y", "mail.giant.bank.test", "giant.bank.test"),
        ("B.4.3 sibling", "giant.bank.test: p=reject | bank.test: psd=y", "mail.mega.bank.test", "mega.bank.test"),
        ("4.10 a single label", "", "c", "c"),
    ],
)  # fmt: skip
def test_organization(dns, section, zone, domain, expected):
    assert organization(dns(zone), domain, Rules()) == expected


# -- 4.10.2: alignment

ORG = "example.com: p=reject"
STRICT = "example.com: p=reject; adkim=s; aspf=s"
PSD = "com: p=reject; psd=y"
TWO = "example.com: p=reject | mail.example.com: p=reject; psd=n"


@pytest.mark.parametrize(
    ("section", "zone", "author", "identifier", "aligned"),
    [
        ("4.10.2 equal", ORG, "example.com", "example.com", True),
        ("4.10.2 equal, case", ORG, "example.com", "EXAMPLE.com", True),
        ("4.10.2 equal, without a record there", ORG, "a.example.com", "a.example.com", True),
        ("5.3.1 equal, U-labels", "xn--bcher-kva.c: p=reject", "b\xc3\xbccher.c", "xn--bcher-kva.c", True),
        ("5.3.1 equal, the other way", "xn--bcher-kva.c: p=reject", "xn--bcher-kva.c", "b\xc3\xbccher.c", True),
        ("3.2.10.1 author above", ORG, "example.com", "mail.example.com", True),
        ("3.2.10.1 author below", ORG, "mail.example.com", "example.com", True),
        ("3.2.10.1 siblings", ORG, "news.example.com", "foo.example.com", True),
        ("3.2.10.1 cousins", ORG, "a.news.example.com", "b.foo.example.com", True),
        ("4.4 table 1, none", ORG, "news.example.com", "foo.example.net", False),
        ("4.4 another domain", ORG, "example.com", "example.org", False),
        ("4.4 the same ending only", ORG, "example.com", "notexample.com", False),
        ("4.4 the same beginning only", ORG, "example.com", "example.com.evil.test", False),
        ("4.4 the top", ORG, "example.com", "com", False),
        ("3.2.10.2 strict, equal", STRICT, "example.com", "example.com", True),
        ("3.2.10.2 strict, below", STRICT, "example.com", "mail.example.com", False),
        ("3.2.10.2 strict, above", STRICT, "mail.example.com", "example.com", False),
        ("3.2.10.2 strict, siblings", STRICT, "a.example.com", "b.example.com", False),
        ("3.2.10.2 strict, subdomains equal", STRICT, "a.example.com", "a.example.com", True),
        ("4.10.2 own record", TWO + " | a.example.com: p=none", "a.example.com", "example.com", True),
        ("4.10.2 psd=n parts them", TWO, "mail.example.com", "example.com", False),
        ("4.10.2 psd=n parts them, author above", TWO, "example.com", "mail.example.com", False),
        ("4.10.2 psd=n, both below", TWO, "a.mail.example.com", "b.mail.example.com", True),
        ("4.10.2 psd=n, one below", TWO, "mail.example.com", "b.mail.example.com", True),
        ("4.10.2 psd=n, sibling of it", TWO, "other.example.com", "mail.example.com", False),
        ("4.10.2 psd=n, sibling of it, to the organization", TWO, "other.example.com", "example.com", True),
        ("4.10.2 psd=y: one below is the organization", PSD, "example.com", "mail.example.com", True),
        ("4.10.2 psd=y: siblings below it", PSD, "a.example.com", "b.example.com", True),
        ("4.10.2 psd=y: different registrants", PSD, "example.com", "evil.com", False),
        ("4.10.2 psd=y: the suffix itself", PSD, "example.com", "com", False),
        ("4.10.2 psd=y: author is the suffix", PSD, "com", "example.com", False),
        ("4.10.2 psd=y: author is the suffix, equal", PSD, "com", "com", True),
        ("4.10.2 no psd on a suffix: all below are one", "com: p=reject", "example.com", "evil.com", True),
        ("4.10.2 unless they have psd=n", "c: p=reject | b.c: p=reject; psd=n", "b.c", "evil.c", False),
        ("4.10.2 only the subdomain publishes", "a.example.com: p=reject", "a.example.com", "example.com", False),
        ("4.10.2 only the subdomain publishes: below it", "a.b.c: p=reject", "a.b.c", "x.a.b.c", True),
        ("4.10.2 only the subdomain publishes: sibling", "a.b.c: p=reject", "a.b.c", "x.b.c", False),
        ("4.10 long author", "b.c.d.e.f.g.h: p=reject", NINE, "b.c.d.e.f.g.h", True),
        ("4.10 long identifier", "b.c.d.e.f.g.h: p=reject", "b.c.d.e.f.g.h", NINE, True),
        ("4.10 long: a record that is not seen", "g.h: p=reject | a.b.c.d.e.f.g.h: psd=n", NINE, "g.h", True),
        ("4.4.1 no domain", ORG, "example.com", "[192.0.2.1]", False),
        ("4.4.1 strange octets", ORG, "example.com", "exam\0ple.com", False),
        ("4.4.1 the final dot", ORG, "example.com", "example.com.", True),
        ("4.4.1 underscores are no matter", ORG, "example.com", "_x.example.com", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("check", ["spf", "dkim"])
def test_alignment(dns, check, section, zone, author, identifier, aligned):
    outcome = judged(dns(zone), author, **{check: identifier})
    assert getattr(outcome, f"{check}_aligned") is aligned
    assert (outcome.result == "pass") is aligned
    assert not (outcome.spf_aligned and outcome.dkim_aligned)


@pytest.mark.parametrize(
    ("tags", "spf", "dkim", "spf_aligned", "dkim_aligned"),
    [
        ("adkim=s", "a.example.com", "a.example.com", True, False),
        ("aspf=s", "a.example.com", "a.example.com", False, True),
        ("adkim=s", "evil.test", "example.com", False, True),
        ("", "evil.test", "evil.test", False, False),
        ("", "evil.test", "evil.test other.test a.example.com", False, True),
        ("", "evil.test", "evil.test a.example.com=fail", False, False),
        ("", "a.example.com=fail", "example.com", False, True),
        ("", "example.com=softfail", "", False, False),
        ("", "example.com=neutral", "", False, False),
        ("", "example.com=none", "", False, False),
        ("", "example.com=permerror", "", False, False),
        ("", "", "example.com=policy", False, False),
        ("", "", "example.com=neutral", False, False),
        ("", "", "example.com=permerror", False, False),
        ("", "", "example.com=fail example.com", False, True),
        ("", "", "", False, False),
        ("", "example.com", "example.com", True, True),
    ],
)
def test_each_check_has_its_own_alignment(dns, tags, spf, dkim, spf_aligned, dkim_aligned):
    """4.7 adkim and aspf; 4.4.1 any signature; 5.3.5 any of both."""
    outcome = judged(dns(f"example.com: p=reject; {tags}"), spf=spf, dkim=dkim)
    assert (outcome.spf_aligned, outcome.dkim_aligned) == (spf_aligned, dkim_aligned)
    assert outcome.status == ("accept" if spf_aligned or dkim_aligned else "reject")


@pytest.mark.parametrize(
    ("section", "zone", "author", "identifier", "asked"),
    [
        ("4.10.2 equal, and a record there", ORG, "example.com", "example.com", "example.com"),
        ("4.10.2 no policy", "", "example.com", "mail.example.com", "example.com com"),
        ("4.10.2 strict", STRICT, "example.com", "mail.example.com", "example.com"),
        ("4.10.2 nothing passed", ORG, "example.com", "mail.example.com=fail", "example.com"),
        ("4.10.2 not below the organization", ORG, "example.com", "a.evil.test", "example.com com"),
        ("4.10.2 a walk for both", ORG, "example.com", "mail.example.com", "example.com com mail.example.com"),
        (
            "4.10.2 what is known is not asked again",
            ORG,
            "a.example.com",
            "example.com",
            "a.example.com example.com com",
        ),
    ],
)
def test_the_shortcuts_of_alignment(dns, section, zone, author, identifier, asked):
    resolver = dns(zone)
    outcome = judged(resolver, author, dkim=identifier)
    assert [name for _, name in resolver.names] == [f"_dmarc.{name}" for name in asked.split()]
    assert outcome.queries == len(asked.split())


# -- 5.3: verdicts


@pytest.mark.parametrize(
    ("section", "tags", "dkim", "status", "result", "published", "applied"),
    [
        ("5.3.5 pass", "p=reject", "example.com", "accept", "pass", "reject", "reject"),
        ("5.3.5 pass, no policy", "p=none", "example.com", "accept", "pass", "none", "none"),
        ("5.3.5 fail", "p=reject", "", "reject", "fail", "reject", "reject"),
        ("5.3.5 fail, quarantine", "p=quarantine", "", "quarantine", "fail", "quarantine", "quarantine"),
        ("5.3.5 fail, none", "p=none", "", "none", "fail", "none", "none"),
        ("4.7 t=y: one level less", "p=reject; t=y", "", "quarantine", "fail", "reject", "quarantine"),
        ("4.7 t=y: quarantine", "p=quarantine; t=y", "", "none", "fail", "quarantine", "none"),
        ("4.7 t=y: none", "p=none; t=y", "", "none", "fail", "none", "none"),
        ("4.7 t=n", "p=reject; t=n", "", "reject", "fail", "reject", "reject"),
        ("4.7 t=y, pass", "p=reject; t=y", "example.com", "accept", "pass", "reject", "quarantine"),
        ("A.6 pct is nothing", "p=reject; pct=0", "", "reject", "fail", "reject", "reject"),
    ],
)
def test_verdict(dns, section, tags, dkim, status, result, published, applied):
    outcome = judged(dns(f"example.com: {tags}"), dkim=dkim)
    assert (outcome.status, outcome.result) == (status, result)
    assert (outcome.published, outcome.applied) == (published, applied)


def test_an_outcome_says_everything(dns):
    outcome = judged(dns(ORG), "a.example.com", spf="x.test", dkim="b.example.com")
    assert (outcome.author, outcome.authors, outcome.used) == ("a.example.com", ("a.example.com",), "example.com")
    assert (outcome.organization, outcome.method, outcome.queries) == ("example.com", "rfc9989", 4)
    assert outcome.record.text == "v=DMARC1; p=reject"


# -- 5.3.6: when DNS does not answer


@pytest.mark.parametrize(
    ("section", "zone", "failing", "author", "dkim", "status"),
    [
        ("5.3.6 the author's record", ORG, "_dmarc.example.com", "example.com", "example.com", "temperror"),
        ("5.3.6 no matter what passed", "", "_dmarc.example.com", "example.com", "", "temperror"),
        ("5.3.6 on the way up", ORG, "_dmarc.example.com", "a.example.com", "a.example.com", "temperror"),
        ("5.3.6 on the way up, above the record", ORG, "_dmarc.com", "a.example.com", "a.example.com", "temperror"),
        ("5.3.6 not asked: own record", ORG, "_dmarc.com", "example.com", "", "reject"),
        ("5.3.6 not asked: equal", ORG, "_dmarc.com", "example.com", "example.com", "accept"),
        ("5.3.6 not asked: strict", STRICT, "_dmarc.com", "example.com", "mail.example.com", "reject"),
        ("5.3.6 the author's organization", ORG, "_dmarc.com", "example.com", "mail.example.com", "temperror"),
        ("5.3.6 the signer's walk", ORG, "_dmarc.mail.example.com", "example.com", "mail.example.com", "temperror"),
        ("5.3.6 one of two signers", ORG, "_dmarc.a.example.com", "example.com", "a.example.com example.com", "accept"),
        ("5.3.6 the other of two", ORG, "_dmarc.a.example.com", "example.com", "example.com a.example.com", "accept"),
        ("5.3.6 not asked: another domain", ORG, "_dmarc.evil.test", "example.com", "evil.test", "reject"),
        ("5.3.6 a key, aligned", ORG, "", "example.com", "example.com=temperror", "temperror"),
        ("5.3.6 a key, and another passed", ORG, "", "example.com", "example.com=temperror example.com", "accept"),
        ("5.3.6 a key of somebody else", ORG, "", "example.com", "evil.test=temperror", "reject"),
        ("5.3.6 a key, policy none", "example.com: p=none", "", "example.com", "example.com=temperror", "temperror"),
        ("3.2.13 whether it exists", "b.c: p=reject; np=none", "a.b.c", "a.b.c", "", "temperror"),
        ("3.2.13 not asked", "b.c: p=reject", "a.b.c", "a.b.c", "", "reject"),
    ],
)  # fmt: skip
def test_trouble_with_dns(dns, section, zone, failing, author, dkim, status):
    outcome = judged(dns(zone, failing), author, dkim=dkim)
    assert outcome.status == status
    assert (outcome.result == "temperror") is (status == "temperror")


@pytest.mark.parametrize(
    ("spf", "dkim", "status"),
    [
        ("example.com=temperror", "", "temperror"),
        ("example.com=temperror", "example.com", "accept"),
        ("a.example.com=temperror", "", "temperror"),
        ("evil.test=temperror", "", "reject"),
        ("evil.test=temperror", "example.com=fail", "reject"),
    ],
)
def test_trouble_with_spf(dns, spf, dkim, status):
    """5.3.6."""
    assert judged(dns(ORG), spf=spf, dkim=dkim).status == status


def test_a_failing_name_is_asked_for_once(dns):
    resolver = dns("", failing="_dmarc.example.com")
    judged(resolver, "example.com", spf="mail.example.com", dkim="a.example.com b.example.com")
    assert [name for _, name in resolver.names] == ["_dmarc.example.com"]


def test_what_failed_fails_again(dns):
    records = Records(dns("", failing="_dmarc.example.com"))
    for _ in range(2):
        with pytest.raises(DnsTemporary, match="marked as failing"):
            TreeWalk(records).organization("example.com")
    assert records.queries == 1


# -- RFC 7489

SUFFIXES = "com\nco.uk\n*.ck\n!www.ck\nb.c\n"
OLD = Rules(Method.RFC7489, registered=suffix_list(SUFFIXES))
MIXED = Rules(Method.PSL, registered=suffix_list(SUFFIXES))


@pytest.mark.parametrize(
    ("section", "zone", "author", "old", "mixed"),
    [
        ("RFC 7489 6.6.3 own", ORG, "example.com", "reject", "reject"),
        ("RFC 7489 6.6.3 organization's", ORG, "a.b.example.com", "reject", "reject"),
        ("RFC 7489 6.6.3 sp", "example.com: p=reject; sp=none", "a.example.com", "none", "none"),
        ("RFC 7489 6.6.3 own: not sp", "example.com: p=reject; sp=none", "example.com", "reject", "reject"),
        ("RFC 7489 6.6.3 in between is not asked", "b.example.com: p=reject", "a.b.example.com", None, None),
        ("RFC 7489 6.6.3 the suffix is not asked", "com: p=reject; psd=y", "example.com", None, None),
        ("RFC 7489 6.6.3 own record of a suffix", "com: p=reject", "com", "reject", "reject"),
        ("RFC 7489 6.3 np is unknown", "example.com: p=reject; np=none", "a.example.com", "reject", "none"),
        ("RFC 7489 6.3 psd is unknown", "x.co.uk: p=reject | b.x.co.uk: psd=n", "a.b.x.co.uk", "reject", "reject"),
        ("RFC 7489 6.3 p is required", "example.com: sp=reject", "example.com", None, "none"),
        ("RFC 7489 6.6.3 no p, a rua", "example.com: sp=reject; rua=mailto:a@b.c", "a.example.com", "none", "reject"),
        ("RFC 7489 3.2 a suffix of two labels", "x.co.uk: p=reject", "a.x.co.uk", "reject", "reject"),
        ("RFC 7489 3.2 a wildcard", "x.y.ck: p=reject", "a.x.y.ck", "reject", "reject"),
        ("RFC 7489 3.2 an exception", "www.ck: p=reject", "a.www.ck", "reject", "reject"),
        ("RFC 7489 6.6.3 two records: no further", f"a.example.com: p=none | a.example.com: sp=none | {ORG}",
         "a.example.com", None, "reject"),
        ("RFC 7489 6.3 a wrong np is unknown", "example.com: p=reject; np=x", "example.com", "reject", None),
        ("RFC 7489 3.2 unknown to the list", "x.test: p=reject", "a.x.test", None, None),
        ("RFC 7489 3.2 unknown to the list, own", "a.x.test: p=reject", "a.x.test", "reject", "reject"),
    ],
)  # fmt: skip
def test_discovery_with_a_suffix_list(dns, section, zone, author, old, mixed):
    assert judged(dns(zone), author, rules=OLD).published == old
    assert judged(dns(zone), author, rules=MIXED).published == mixed


@pytest.mark.parametrize(
    ("section", "zone", "author", "identifier", "aligned"),
    [
        ("RFC 7489 3.1 equal", ORG, "example.com", "example.com", True),
        ("RFC 7489 3.1.1 relaxed", ORG, "example.com", "a.example.com", True),
        ("RFC 7489 3.1.1 siblings without records", ORG, "b.example.com", "a.example.com", True),
        ("RFC 7489 3.1.1 only below", "a.example.com: p=reject", "a.example.com", "example.com", True),
        ("RFC 7489 3.1.1 strict", STRICT, "example.com", "a.example.com", False),
        ("RFC 7489 3.2 other registrants", "x.co.uk: p=reject", "x.co.uk", "y.co.uk", False),
        ("RFC 7489 3.2 the suffix", "x.co.uk: p=reject", "x.co.uk", "co.uk", False),
        ("RFC 7489 3.2 unknown to the list", "x.test: p=reject", "x.test", "a.x.test", False),
        ("RFC 7489 6.3 psd=n is unknown", TWO, "mail.example.com", "example.com", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rules", [OLD, MIXED], ids=["rfc7489", "psl"])
def test_alignment_with_a_suffix_list(dns, rules, section, zone, author, identifier, aligned):
    assert judged(dns(zone), author, dkim=identifier, rules=rules).dkim_aligned is aligned


def test_the_old_rfc_knows_no_test_mode(dns):
    """RFC 7489 6.3."""
    zone = "example.com: p=reject; t=y"
    assert judged(dns(zone), rules=OLD).status == "reject"
    assert judged(dns(zone), rules=MIXED).status == "quarantine"


@pytest.mark.parametrize(
    ("domain", "registered"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("com", ""),
        ("co.uk", ""),
        ("x.co.uk", "x.co.uk"),
        ("a.b.y.ck", "b.y.ck"),
        ("y.ck", ""),
        ("www.ck", "www.ck"),
        ("a.www.ck", "www.ck"),
        ("test", ""),
        ("a.test", ""),
    ],
)
def test_a_suffix_list_of_ones_own(domain, registered):
    """Exim's reading of the file: rules, ``*`` for one label, ``!`` for exceptions; no rule, no result."""
    assert suffix_list(SUFFIXES)(domain) == registered


@pytest.mark.parametrize(
    ("domain", "registered"),
    [("a.example.com", "example.com"), ("a.x.co.uk", "x.co.uk"), ("com", ""), ("a.b.invalid", "")],
)
def test_the_suffix_list_of_the_library(domain, registered):
    assert library()(domain) == registered


def test_a_suffix_list_in_unicode():
    assert suffix_list("// \xe5\x85\xac\n\xe5\x85\xac\xe5\x8f\xb8.cn // x\n")("a.b.xn--55qx5d.cn") == "b.xn--55qx5d.cn"


# -- 5.3.1, 11.5: who the author is

ZONES = "reject.test: p=reject | quarantine.test: p=quarantine | none.test: p=none | other.test: p=none"


@pytest.mark.parametrize(
    ("fields", "status", "author"),
    [
        ([], "nofrom", ""),
        ([""], "nofrom", ""),
        (["root"], "nofrom", ""),
        (["undisclosed-recipients:;"], "nofrom", ""),
        (["user@[192.0.2.1]"], "nofrom", ""),
        (["user@exam\0ple.com"], "nofrom", ""),
        (["user@=?utf-8?q?reject?=.test"], "nofrom", ""),
        (["user@\xff\xfe.test"], "nofrom", ""),
        (["user@reject..test"], "nofrom", ""),
        (["user@."], "nofrom", ""),
        ([f"user@{'a' * 64}.test"], "nofrom", ""),
        ([f"user@{'a.' * 200}test"], "nofrom", ""),
        (["user@reject.test"], "reject", "reject.test"),
        (["user@reject.test."], "reject", "reject.test"),
        (["user@none.test, root"], "none", "none.test"),
        (["a@none.test, b@none.test"], "none", "none.test"),
        (["a@none.test", "b@NONE.test"], "none", "none.test"),
        (["a@none.test, b@reject.test"], "reject", "reject.test"),
        (["a@reject.test, b@none.test"], "reject", "reject.test"),
        (["a@none.test", "b@quarantine.test"], "quarantine", "quarantine.test"),
        (["a@quarantine.test, b@reject.test"], "reject", "reject.test"),
        (["a@pass.test, b@reject.test"], "reject", "reject.test"),
        (["a@pass.test, b@none.test"], "none", "none.test"),
        (["a@pass.test, b@norecord.test"], "norecord", "norecord.test"),
        (["a@pass.test, b@failing.test"], "temperror", "failing.test"),
        (["a@reject.test, b@failing.test"], "reject", "reject.test"),
        (["a@norecord.test, b@none.test"], "none", "none.test"),
        (["a@pass.test"], "accept", "pass.test"),
    ],
)
def test_the_strictest_author_decides(dns, fields, status, author):
    """RFC 9989 5.3.1 allows to go on, RFC 7489 6.6.1 says how."""
    resolver = dns(ZONES + " | pass.test: p=reject", failing="_dmarc.failing.test")
    outcome = evaluate(resolver, fields, Evidence(dkim=[Identifier("pass.test", "pass")]), Rules())
    assert (outcome.status, outcome.author) == (status, author)
    assert (outcome.result == "permerror") is (status in ("nofrom", "permerror"))


@pytest.mark.parametrize(
    ("fields", "permerror", "exim"),
    [
        ([], "nofrom", "nofrom"),
        (["a@reject.test"], "reject", "reject"),
        (["a@none.test, b@reject.test"], "permerror", "none"),
        (["a@reject.test, b@none.test"], "permerror", "reject"),
        (["a@reject.test", "b@none.test"], "permerror", "none"),
        (["a@none.test, b@none.test"], "none", "none"),
        (["root, b@reject.test"], "reject", "nofrom"),
        (["Group: a@none.test, b@reject.test;"], "permerror", "none"),
    ],
)
def test_other_ways_with_several_authors(dns, fields, permerror, exim):
    for several, status in ((SeveralAuthors.PERMERROR, permerror), (SeveralAuthors.EXIM, exim)):
        assert evaluate(dns(ZONES), fields, Evidence(), Rules(several=several)).status == status


@pytest.mark.parametrize("many", [MAX_AUTHORS + 1, 1000])
def test_too_many_authors(dns, many):
    """11.5: a message does not make us ask for as many records as it likes."""
    resolver = dns("")
    outcome = evaluate(resolver, [", ".join(f"a@d{n}.test" for n in range(many))], Evidence(), Rules())
    assert (outcome.status, outcome.result, len(outcome.authors)) == ("permerror", "permerror", MAX_AUTHORS)
    assert not resolver.names


def test_too_many_domains_that_are_none(dns):
    fields = [", ".join(f"a@\xff{n}.test" for n in range(MAX_SPELLINGS + 1)) + ", b@reject.test"]
    assert evaluate(dns(ZONES), fields, Evidence(), Rules()).status == "permerror"


@pytest.mark.parametrize("several", list(SeveralAuthors))
def test_a_field_without_end_is_not_read(dns, several):
    fields = ["a@none.test", "(" * MAX_TEXT]
    assert evaluate(dns(ZONES), fields, Evidence(), Rules(several=several)).status == "permerror"


def test_authors_are_those_that_were_looked_at(dns):
    outcome = evaluate(dns(ZONES), ["a@none.test, b@reject.test, c@None.test"], Evidence(), Rules())
    assert outcome.authors == ("none.test", "reject.test")
    assert outcome.queries == 2


# -- anything

DOMAINS = st.lists(st.sampled_from("abc"), min_size=1, max_size=10).map(".".join)
TAGS = st.sampled_from(["p=reject", "p=none; psd=n", "p=none; psd=y", "p=x", "p=reject; adkim=s", "sp=reject; np=none"])


class Published:
    """Records by domain; every other name does not exist."""

    def __init__(self, records):
        self._records = records

    def lookup(self, rtype, name):
        from policyd.resolver import Answer

        tags = self._records.get(name.removeprefix("_dmarc.")) if rtype == "TXT" else None
        return Answer((), exists=False) if tags is None else Answer(((f"v=DMARC1; {tags}".encode(),),))

    def until(self, deadline):
        return self


@given(st.dictionaries(DOMAINS, TAGS, max_size=4), DOMAINS, DOMAINS)
def test_an_organization_is_above_or_at_the_domain(records, one, other):
    resolver = Published(records)
    for domain in (one, other):
        found = organization(resolver, domain, Rules())
        assert f".{domain}".endswith(f".{found}")


@given(st.dictionaries(DOMAINS, TAGS, max_size=4), DOMAINS, DOMAINS)
def test_relaxed_alignment_is_the_same_organization(records, author, signer):
    """3.2.10.1, whatever the shortcuts do; and equal names are always aligned."""
    resolver = Published(records)
    outcome = evaluate(resolver, [f"x@{author}"], Evidence(dkim=[Identifier(signer, "pass")]), Rules())
    if outcome.record is not None and not outcome.record.strict_dkim:
        same = organization(resolver, author, Rules()) == organization(resolver, signer, Rules())
        assert outcome.dkim_aligned is (same or author == signer)


@given(st.lists(st.text(st.characters(max_codepoint=255)), max_size=3))
def test_any_from_fields_have_an_outcome(fields):
    for several in SeveralAuthors:
        assert len(authors_of(fields, several).domains) <= MAX_AUTHORS
        assert evaluate(Published({}), fields, Evidence(), Rules(several=several)).status in (
            "nofrom",
            "norecord",
            "permerror",
        )
