"""SPF over zones of our own: one line per case, RFC 7208 sections where a rule is not obvious."""

from __future__ import annotations

import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policyd.checks.spf import SpfOutcome, check_host
from policyd.checks.spf_identity import Identity
from policyd.resolver import Answer, DnsTemporary, Resolver
from policyd.resolver.zone import ZoneResolver

ZONE = """\
; hosts
host.test        A     192.0.2.10
host.test        AAAA  2001:db8::10
v4.test          A     192.0.2.20
v4b.test         A     192.0.2.21
v4c.test         A     192.0.2.22
v4d.test         A     192.0.2.23
v6.test          AAAA  2001:db8::20
v6b.test         AAAA  2001:db8::21
v6c.test         AAAA  2001:db8::22
alias.test       CNAME host.test.
loop.test        CNAME loop.test.
txtonly.test     TXT   "hello"
; exchangers
mail.test        MX    10 v4.test.
mail.test        MX    20 host.test.
nullmx.test      MX    0 .
voidmx.test      MX    10 void1.test.
voidmx.test      MX    20 void2.test.
voidmx.test      MX    30 void3.test.
voidmx.test      MX    40 host.test.
failmx.test      MX    10 host.test.
failmx.test      MX    20 failing.test.
; reverse
10.2.0.192.in-addr.arpa. PTR host.test.
20.2.0.192.in-addr.arpa. PTR host.test.
20.2.0.192.in-addr.arpa. PTR nothing.test.
30.2.0.192.in-addr.arpa. PTR failing.test.
30.2.0.192.in-addr.arpa. PTR Client.Sub.v.test.
client.sub.v.test A    192.0.2.30
40.2.0.192.in-addr.arpa. CNAME 40.rev.test.
40.rev.test      PTR   forty.other.test.
forty.other.test A     192.0.2.40
0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR host.test.
; records
pass.test        TXT   "v=spf1 +all"
fail.test        TXT   "v=spf1 -all"
softfail.test    TXT   "v=spf1 ~all"
neutral.test     TXT   "v=spf1 ?all"
empty.test       TXT   "v=spf1"
broken.test      TXT   "v=spf1 foo"
two.test         TXT   "v=spf1 -all"
two.test         TXT   "v=spf1 +all"
mixed.test       TXT   "v=spf10 -all"
mixed.test       TXT   "something else"
mixed.test       TXT   "V=SPF1 +all"
split.test       TXT   "v=spf1 ip4:192.0." "2.10 -a" "ll"
aliased.test     CNAME pass.test.
*.wild.test      TXT   "v=spf1 +all"
redirfail.test   TXT   "v=spf1 redirect=fail.test exp=none.test"
selfinc.test     TXT   "v=spf1 include:selfinc2.test -all"
selfinc2.test    TXT   "v=spf1 include:selfinc.test -all"
selfred.test     TXT   "v=spf1 redirect=selfred.test"
inctemp.test     TXT   "v=spf1 include:failing.test -all"
incabsent.test   TXT   "v=spf1 include:txtonly.test ?all"
a3.test          TXT   "v=spf1 a:host.test a:host.test a:host.test"
xn--bcher-kva.test TXT "v=spf1 +all"
; what macros lead to
user.l.test      A     127.0.0.2
bar.foo.l.test   A     127.0.0.2
foo.l.test       A     127.0.0.2
user.at.v.test.s.test A 127.0.0.2
v.test.d.test    A     127.0.0.2
test.v.d.test    A     127.0.0.2
test.d1.test     A     127.0.0.2
mx.client.example.h.test A 127.0.0.2
10.2.0.192.in-addr.i.test A 127.0.0.2
0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.i.test A 127.0.0.2
host.test.p.test A     127.0.0.2
unknown.p.test   A     127.0.0.2
client.sub.v.test.p.test A 127.0.0.2
a%b.%20c.x.test  A     127.0.0.2
user%40v.test.u.test A 127.0.0.2
v6only.l.test    AAAA  2001:db8::1
"""
FAILING = ["failing.test"]

V4, V6 = "192.0.2.10", "2001:db8::10"


def quoted(octets: bytes) -> str:
    """Octets as the data of a TXT record."""
    pieces = [octets[start : start + 200] for start in range(0, len(octets), 200)] or [b""]
    return " ".join('"' + "".join(f"\\{octet:03}" for octet in piece) + '"' for piece in pieces)


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    path = tmp_path / "test.zone"
    path.write_text(ZONE)
    return path


def resolver(zone: Path, *records: str | bytes) -> ZoneResolver:
    """The zone, with these TXT records at v.test."""
    with zone.open("a") as file:
        for record in records:
            octets = record if isinstance(record, bytes) else record.encode("latin-1")
            file.write(f"v.test TXT {quoted(octets)}\n")
    return ZoneResolver([zone], FAILING)


def outcome(
    dns: Resolver, address: str = V4, sender: str = "user@v.test", helo: str = "mx.client.example", guess: str = ""
) -> SpfOutcome:
    return check_host(dns, Identity(ip_address(address), helo, sender), "mx.here.test", guess)


# -- mechanisms and qualifiers


@pytest.mark.parametrize(
    ("record", "address", "result"),
    [
        # all, qualifiers, defaults
        ("v=spf1 all", V4, "pass"),
        ("v=spf1 +all", V4, "pass"),
        ("v=spf1 -all", V4, "fail"),
        ("v=spf1 ~all", V4, "softfail"),
        ("v=spf1 ?all", V4, "neutral"),
        ("v=spf1", V4, "neutral"),  # 4.7
        ("v=spf1 ", V4, "neutral"),
        ("V=SPF1 -ALL", V4, "fail"),
        ("v=spf1   ip4:192.0.2.10    -all   ", V4, "pass"),
        ("v=spf1 -all +all", V4, "fail"),
        ("v=spf1 -all ip4:192.0.2.10", V4, "fail"),  # what follows all is not reached
        # ip4, ip6
        ("v=spf1 ip4:192.0.2.10 -all", V4, "pass"),
        ("v=spf1 ip4:192.0.2.11 -all", V4, "fail"),
        ("v=spf1 ip4:192.0.2.8/29 -all", V4, "pass"),
        ("v=spf1 ip4:192.0.2.15/29 -all", V4, "pass"),  # host bits do not matter
        ("v=spf1 ip4:192.0.2.16/29 -all", V4, "fail"),
        ("v=spf1 ip4:10.0.0.0/0 -all", V4, "pass"),
        ("v=spf1 ~ip4:192.0.2.0/24 -all", V4, "softfail"),
        ("v=spf1 ip6:2001:db8::/32 -all", V4, "fail"),
        ("v=spf1 ip6:2001:db8::/32 -all", V6, "pass"),
        ("v=spf1 ip6:2001:DB8:0:0::10 -all", V6, "pass"),
        ("v=spf1 ip6:2001:db9::/32 -all", V6, "fail"),
        ("v=spf1 ip6:::/0 -all", V6, "pass"),
        ("v=spf1 ip4:0.0.0.0/0 -all", V6, "fail"),
        ("v=spf1 ip4:192.0.2.10 -all", "::ffff:192.0.2.10", "pass"),  # section 5: a mapped address is IPv4
        ("v=spf1 ip6:::ffff:192.0.2.10 -all", "::ffff:192.0.2.10", "fail"),
        ("v=spf1 ip6:fe80::/10 -all", "fe80::1%eth0", "pass"),
        ("v=spf1 a:host.test -all", "::ffff:192.0.2.10", "pass"),
        # a
        ("v=spf1 a:host.test -all", V4, "pass"),
        ("v=spf1 a:host.test -all", V6, "pass"),
        ("v=spf1 A:HOST.Test. -all", V4, "pass"),
        ("v=spf1 a:host.test/24 -all", "192.0.2.200", "pass"),
        ("v=spf1 a:host.test/24 -all", "192.0.3.1", "fail"),
        ("v=spf1 a:host.test/24//64 -all", "2001:db8::ffff", "pass"),
        ("v=spf1 a:host.test//64 -all", "2001:db8:1::1", "fail"),
        ("v=spf1 a:host.test//64 -all", "192.0.2.11", "fail"),
        ("v=spf1 a:alias.test -all", V4, "pass"),
        ("v=spf1 a:v6.test -all", V4, "fail"),
        ("v=spf1 a -all", V4, "fail"),
        ("v=spf1 ?a:host.test -all", V4, "neutral"),
        # mx
        ("v=spf1 mx:mail.test -all", V4, "pass"),
        ("v=spf1 mx:mail.test -all", "192.0.2.20", "pass"),
        ("v=spf1 mx:mail.test -all", V6, "pass"),
        ("v=spf1 mx:mail.test/24 -all", "192.0.2.99", "pass"),
        ("v=spf1 mx:mail.test//32 -all", "2001:db8:99::", "pass"),
        ("v=spf1 mx:host.test -all", V4, "fail"),  # 5.4: no MX record, no implicit one
        ("v=spf1 mx:nullmx.test -all", V4, "fail"),
        ("v=spf1 mx:failmx.test -all", V4, "pass"),  # matches before the failing host is asked for
        # ptr
        ("v=spf1 ptr:host.test -all", V4, "pass"),
        ("v=spf1 ptr:HOST.test -all", V6, "pass"),
        ("v=spf1 ptr:test -all", V4, "permerror"),  # not a multi-label name
        ("v=spf1 ptr:host.test -all", "192.0.2.20", "fail"),  # the name does not resolve back
        ("v=spf1 ptr:st.test -all", V4, "fail"),  # a label is matched as a whole
        ("v=spf1 ptr -all", "192.0.2.30", "pass"),  # a failing name is left out: 5.5
        ("v=spf1 ptr:other.test -all", "192.0.2.40", "pass"),
        ("v=spf1 ptr:host.test -all", "198.51.100.1", "fail"),
        # exists
        ("v=spf1 exists:host.test -all", V4, "pass"),
        ("v=spf1 exists:host.test -all", V6, "pass"),
        ("v=spf1 exists:v4.test -all", V6, "pass"),  # 5.7: always an A record
        ("v=spf1 exists:v6.test -all", V6, "fail"),
        ("v=spf1 exists:nothing.test -all", V4, "fail"),
        # include: 5.2
        ("v=spf1 include:pass.test -all", V4, "pass"),
        ("v=spf1 -include:pass.test +all", V4, "fail"),
        ("v=spf1 ?include:pass.test +all", V4, "neutral"),
        ("v=spf1 include:fail.test ?all", V4, "neutral"),
        ("v=spf1 include:softfail.test ?all", V4, "neutral"),
        ("v=spf1 include:neutral.test -all", V4, "fail"),
        ("v=spf1 include:empty.test -all", V4, "fail"),
        ("v=spf1 include:redirfail.test ~all", V4, "softfail"),
        ("v=spf1 include:aliased.test -all", V4, "pass"),
        ("v=spf1 include:host.test +all", V4, "permerror"),  # none
        ("v=spf1 include:nothing.test +all", V4, "permerror"),
        ("v=spf1 include:broken.test +all", V4, "permerror"),
        ("v=spf1 include:two.test +all", V4, "permerror"),
        ("v=spf1 include:selfinc.test +all", V4, "permerror"),
        ("v=spf1 include:incabsent.test +all", V4, "permerror"),
        ("v=spf1 ip4:192.0.2.10 include:nothing.test", V4, "pass"),  # not reached
        # redirect: 6.1
        ("v=spf1 redirect=pass.test", V4, "pass"),
        ("v=spf1 redirect=softfail.test", V4, "softfail"),
        ("v=spf1 Redirect=SOFTFAIL.test", V4, "softfail"),
        ("v=spf1 moo=x REDIRECT=softfail.test moo=x", V4, "softfail"),
        ("v=spf1 redirect=pass.test -all", V4, "fail"),
        ("v=spf1 redirect=pass.test ip4:192.0.2.10 -ip4:192.0.2.10", V4, "pass"),
        ("v=spf1 redirect=redirfail.test", V4, "fail"),
        ("v=spf1 redirect=nothing.test", V4, "permerror"),
        ("v=spf1 redirect=txtonly.test", V4, "permerror"),
        ("v=spf1 redirect=broken.test", V4, "permerror"),
        ("v=spf1 redirect=selfred.test", V4, "permerror"),
        ("v=spf1 redirect=%{d2}", V4, "permerror"),  # itself
        # the world fails
        ("v=spf1 a:failing.test -all", V4, "temperror"),
        ("v=spf1 mx:failing.test -all", V4, "temperror"),
        ("v=spf1 mx:failmx.test -all", "192.0.2.99", "temperror"),
        ("v=spf1 exists:failing.test -all", V4, "temperror"),
        ("v=spf1 include:failing.test -all", V4, "temperror"),
        ("v=spf1 include:inctemp.test -all", V4, "temperror"),
        ("v=spf1 redirect=failing.test", V4, "temperror"),
        ("v=spf1 a:loop.test -all", V4, "temperror"),
        ("v=spf1 ip4:192.0.2.10 a:failing.test", V4, "pass"),
        ("v=spf1 exp=failing.test -all", V4, "fail"),  # 6.2
    ],
)
def test_evaluation(zone: Path, record: str, address: str, result: str) -> None:
    assert outcome(resolver(zone, record), address).result == result


@pytest.mark.parametrize(
    "terms",
    [
        "foo", "foo:bar.test", "-", "+", "=", ":", "al", "all.", "all:x.test", "all/8", "-all,", "!all", "a?", "++all",
        "ip4", "ip4:", "ip4:1.2.3", "ip4:1.2.3.4.5", "ip4:1.2.3.256", "ip4:01.2.3.4", "ip4:1.2.3.4/33", "ip4:1.2.3.4/",
        "ip4:1.2.3.4/08", "ip4:1.2.3.4//32", "ip4:::1", "ip4:1.2.3.4:25", "ip4:host.test",
        "ip6", "ip6:", "ip6:1.2.3.4", "ip6:::1/129", "ip6:::1::", "ip6:g::", "ip6:::1//64",
        "a:", "a:/24", "a:host", "a:host.test:25", "a:host.test/33", "a:host.test//129", "a:host.test/24/24",
        "a:1.2.3.4", "a:host.te_st", "a:host.-test", "a:host.123", "a:host..", "a/", "mx:", "mx:host", "mx:a.test/-1",
        "ptr:", "ptr/24", "ptr:host.test/24", "exists", "exists:", "exists:host.test/24",
        "include", "include:", "include:v.test",
        "redirect=", "redirect=host", "redirect=pass.test redirect=pass.test", "redirect=pass.test/24",
        "redirect=a.test Redirect=b.test",
        "exp=", "exp=host", "exp=host.test exp=host.test",
        "a:%", "a:%x.test", "a:%{d", "a:%{}.test", "a:%{x}.test", "a:%{d0}.test", "a:%{d00r}.test", "a:%{dr2}.test",
        "a:%{d2rr}.test", "a:%{d!}.test", "a:%{c}.test", "a:%{r}.test", "a:%{t}.test", "a:%(d).test", "a:%{d}}.test%",
        "moo=%{x}", "moo=%", "default=%", "op=%{d", "exp=%{c}.test", "a:host.test\t-all", "a:host.test\n", "\x01",
        "a:h\xf6st.test", "m\xf6o=x",
    ],
)  # fmt: skip
def test_syntax_error(zone: Path, terms: str) -> None:
    """RFC 7208 4.6: an error anywhere spoils the record, matched or not."""
    assert outcome(resolver(zone, f"v=spf1 ip4:192.0.2.10 {terms}")).result == "permerror"


@pytest.mark.parametrize(
    "terms",
    ["moo=", "moo=cow", "ip4=1.2.3.4=", "moo.a-b_c=%{d}%%%_%-", "MOO=x moo=y", "moo=x moo=y", "default=-", "op=x",
     "a:host.test%%x.%{d}", "mx:x%{d2r.-+,/_=}", "a:x._y.test",
     "a:a.b-c", "exists:%{i}._spf.%{d2}", "exp=exp.test", "redirect=x.test", "a:x.%%", "include:%{l}.pass.test"],
)  # fmt: skip
def test_no_syntax_error(zone: Path, terms: str) -> None:
    assert outcome(resolver(zone, f"v=spf1 ip4:192.0.2.10 {terms}")).result == "pass"


# -- which record: 4.3 to 4.5


@pytest.mark.parametrize(
    ("sender", "result"),
    [
        ("user@pass.test", "pass"),
        ("user@PASS.test.", "pass"),
        ("user@two.test", "permerror"),
        ("user@mixed.test", "pass"),  # others are no SPF records; the version is matched in any case
        ("user@split.test", "pass"),  # strings are joined without blanks
        ("user@aliased.test", "pass"),
        ("user@any.wild.test", "pass"),
        ("user@txtonly.test", "none"),
        ("user@host.test", "none"),
        ("user@nothing.test", "none"),
        ("user@failing.test", "temperror"),
        ("user@loop.test", "temperror"),
        ("user@localhost", "none"),
        ("user@localhost.", "none"),
        ("user@[192.0.2.10]", "none"),
        ("user@192.0.2.10", "none"),
        ("user@", "none"),
        ("user", "none"),
        ("@", "none"),
        ("@pass.test", "pass"),
        ("user@a..test", "none"),
        ("user@.pass.test", "none"),
        ("user@" + "x" * 64 + ".wild.test", "none"),
        ("user@" + "x." * 125 + "wild.test", "none"),
        ("user@pa\0ss.test", "none"),
        ("user@pass.test\n", "none"),
        ('"a@b"@pass.test', "pass"),  # the last @ counts
        ("user@b\xc3\xbccher.test", "pass"),  # an IDN in UTF-8
        ("user@b\xfccher.test", "none"),
        ("us\xc3\xa9r@pass.test", "pass"),
    ],
)
def test_domain(zone: Path, sender: str, result: str) -> None:
    assert outcome(ZoneResolver([zone], FAILING), sender=sender).result == result


@pytest.mark.parametrize(
    ("helo", "result", "domain"),
    [
        ("pass.test", "pass", "pass.test"),
        ("FAIL.test", "fail", "fail.test"),
        ("fail.test.", "fail", "fail.test"),
        ("b\xc3\xbccher.test", "pass", "xn--bcher-kva.test"),
        ("failing.test", "temperror", "failing.test"),
        ("broken.test", "permerror", "broken.test"),
        ("localhost", "none", "localhost"),
        ("[192.0.2.10]", "none", "[192.0.2.10]"),
        ("[IPv6:2001:db8::1.2.3.4]", "none", "[ipv6:2001:db8::1.2.3.4]"),
        ("", "none", ""),
        ("\r\n.test", "none", "\r\n.test"),
    ],
)
def test_helo(zone: Path, helo: str, result: str, domain: str) -> None:
    got = outcome(ZoneResolver([zone], FAILING), sender="", helo=helo)
    assert (got.result, got.identity, got.domain) == (result, "helo", domain)


def test_mail_from_does_not_look_at_helo(zone: Path) -> None:
    got = outcome(ZoneResolver([zone]), sender="user@Pass.test", helo="fail.test")
    assert (got.result, got.identity, got.domain) == ("pass", "mailfrom", "pass.test")


def test_no_client(zone: Path) -> None:
    got = check_host(ZoneResolver([zone]), Identity(None, "pass.test", "user@pass.test"), "mx.here.test")
    assert (got.result, got.comment) == ("none", "mx.here.test: no client address")
    assert got.received == (
        "Received-SPF: none (mx.here.test: no client address) "
        'envelope-from="user@pass.test"; helo=pass.test; identity=mailfrom; receiver=mx.here.test'
    )


# -- limits: 4.6.4


def many(count: int, term: str = "a:host.test") -> str:
    return " ".join([term] * count)


@pytest.mark.parametrize(
    ("record", "address", "result", "lookups"),
    [
        (f"v=spf1 {many(10)} -all", "192.0.2.99", "fail", 10),
        (f"v=spf1 {many(11)} -all", "192.0.2.99", "permerror", 11),
        (f"v=spf1 {many(11)} -all", V4, "pass", 1),  # never gets there
        (f"v=spf1 {many(9)} redirect=fail.test", "192.0.2.99", "fail", 10),
        (f"v=spf1 {many(10)} redirect=fail.test", "192.0.2.99", "permerror", 11),
        (f"v=spf1 {many(9)} a:v4.test redirect=fail.test", "192.0.2.20", "pass", 10),  # a redirect that is not followed
        (f"v=spf1 {many(7)} include:a3.test -all", "192.0.2.99", "permerror", 11),
        (f"v=spf1 {many(6)} include:a3.test -all", "192.0.2.99", "fail", 10),
        (f"v=spf1 {many(20, 'ip4:192.0.2.1')} -all", "192.0.2.99", "fail", 0),
        (f"v=spf1 {many(5, 'mx:mail.test')} {many(5, 'ptr:x.test')} -all", "192.0.2.99", "fail", 10),
        (f"v=spf1 {many(4, 'ptr:x.test')} {many(7, 'exists:%{p}.p.test')} -all", V4, "pass", 5),  # %{p} is no term
        ("v=spf1 exp=exp.test -all", V4, "fail", 0),
        # void lookups
        ("v=spf1 a:void1.test a:void2.test -all", V4, "fail", 2),
        ("v=spf1 a:void1.test a:void2.test a:void3.test -all", V4, "permerror", 3),
        ("v=spf1 a:void1.test mx:void2.test exists:void3.test -all", V4, "permerror", 3),
        ("v=spf1 a:txtonly.test mx:txtonly.test exists:txtonly.test -all", V4, "permerror", 3),  # no data is void, too
        ("v=spf1 ptr:x.test a:void1.test a:void2.test -all", "192.0.2.99", "permerror", 3),
        ("v=spf1 a:void1.test a:void2.test exists:void.%{p}.p.test -all", "192.0.2.99", "permerror", 3),
        ("v=spf1 a:void1.test a:void2.test a:host.test a:void3.test -all", V4, "pass", 3),
        (f"v=spf1 {many(3, 'a:' + 'x' * 64 + '.test')} -all", V4, "fail", 3),  # what is no name is not asked for
        ("v=spf1 mx:voidmx.test -all", V4, "pass", 1),  # one term is void once
        ("v=spf1 mx:voidmx.test mx:voidmx.test mx:voidmx.test -all", "192.0.2.99", "permerror", 3),
        ("v=spf1 mx:nullmx.test mx:nullmx.test mx:nullmx.test -all", V4, "fail", 3),  # an answer it is
        ("v=spf1 exp=void.test a:void1.test a:void2.test -all", V4, "fail", 2),
        # a host of the other IP version is an answer
        ("v=spf1 a:v4.test a:v4b.test a:v4c.test a:v4d.test -all", V6, "fail", 4),
        ("v=spf1 a:v6.test a:v6b.test a:v6c.test -all", V4, "fail", 3),
        ("v=spf1 mx:mail.test a:v4.test a:v4b.test a:v4c.test -all", "2001:db8::99", "fail", 4),
        ("v=spf1 a:v4.test a:void1.test a:void2.test -all", V6, "fail", 3),
        ("v=spf1 a:v4.test a:void1.test a:void2.test a:void3.test -all", V6, "permerror", 4),
    ],
)
def test_limits(zone: Path, record: str, address: str, result: str, lookups: int) -> None:
    got = outcome(resolver(zone, record), address)
    assert (got.result, got.lookups) == (result, lookups)


@pytest.mark.parametrize(("hosts", "result"), [(10, "pass"), (11, "permerror")])
def test_exchangers(zone: Path, hosts: int, result: str) -> None:
    with zone.open("a") as file:
        file.writelines(f"v.test MX {n} h{n}.test.\nh{n}.test A 192.0.2.{100 + n}\n" for n in range(hosts))
    assert outcome(resolver(zone, "v=spf1 mx -all"), "192.0.2.109").result == result


@pytest.mark.parametrize(("number", "result"), [(9, "pass"), (10, "fail")])
def test_only_ten_names_of_a_client_are_looked_at(zone: Path, number: int, result: str) -> None:
    with zone.open("a") as file:
        file.writelines(f"99.2.0.192.in-addr.arpa. PTR h{name}.test.\n" for name in range(11))
        file.write(f"h{number}.test A 192.0.2.99\n")
    assert outcome(resolver(zone, f"v=spf1 ptr:h{number}.test -all"), "192.0.2.99").result == result


@pytest.mark.parametrize(("length", "result"), [(4096, "fail"), (4097, "permerror")])
def test_a_record_that_is_too_long(zone: Path, length: int, result: str) -> None:
    record = "v=spf1 -all x=".ljust(length, "y")
    assert outcome(resolver(zone, record)).result == result


@pytest.mark.parametrize(
    ("terms", "result"),
    [
        ("a:." + "a" * 4000 + "!", "permerror"),
        ("a:" + "%{" * 2000, "permerror"),
        ("a:." + "a-" * 2000 + "!", "permerror"),
        ("a " * 2000, "permerror"),
        (" ".join(f"x{number}=" for number in range(600)), "neutral"),
        ("exists:" + "%{s}" * 1000 + ".test", "neutral"),
    ],
)
def test_a_record_made_to_keep_us_busy(zone: Path, terms: str, result: str) -> None:
    dns = resolver(zone, f"v=spf1 {terms}")
    outcome(dns, sender="user@pass.test")  # pyspf is loaded
    start = time.process_time()
    assert outcome(dns).result == result
    assert time.process_time() - start < 0.3


# -- macros: section 7


@pytest.mark.parametrize(
    ("spec", "sender", "address", "result"),
    [
        ("%{l}.l.test", "user@v.test", V4, "pass"),
        ("%{L}.l.test", "user@v.test", V4, "pass"),
        ("%{l}.l.test", "USER@v.test", V4, "pass"),
        ("%{l}.l.test", "other@v.test", V4, "fail"),
        ("%{lr-}.l.test", "foo-bar@v.test", V4, "pass"),
        ("%{l1r-}.l.test", "foo-bar@v.test", V4, "pass"),  # reversed first, then cut
        ("%{l1r+-}.l.test", "foo+x-bar@v.test", V4, "pass"),
        ("%{l}.l.test", "v6only@v.test", V6, "fail"),
        ("%{lr}.v.test.s.test", "user@v.test", V4, "fail"),
        ("%{l}.at.%{o}.s.test", "user@v.test", V4, "pass"),
        ("%{d}.d.test", "user@v.test", V4, "pass"),
        ("%{D}.d.test", "user@V.Test", V4, "pass"),
        ("%{dr}.d.test", "user@v.test", V4, "pass"),
        ("%{dR}.d.test", "user@v.test", V4, "pass"),
        ("%{d1}.d1.test", "user@v.test", V4, "pass"),
        ("%{d9}.d.test", "user@v.test", V4, "pass"),
        ("%{d001}.d1.test", "user@v.test", V4, "pass"),
        ("%{h}.h.test", "user@v.test", V4, "pass"),
        ("%{ir}.%{v}.i.test", "user@v.test", V4, "pass"),
        ("%{ir}.%{v}.i.test", "user@v.test", V6, "pass"),
        ("%{p}.p.test", "user@v.test", V4, "pass"),
        ("%{p}.p.test", "user@v.test", "192.0.2.20", "pass"),  # unknown
        ("%{p}.p.test", "user@v.test", "192.0.2.30", "pass"),  # a subdomain of the domain
        ("a%%b.%-c.x.test", "user@v.test", V4, "pass"),
        ("a%_b.x.test", "user@v.test", V4, "fail"),
        ("%{S}.u.test", "user@v.test", V4, "pass"),
        ("%{s}.u.test", "user@v.test", V4, "fail"),
        ("%{l}.l.test", "\xc3\xa9@v.test", V4, "fail"),  # RFC 8616 section 4
        ("%{S}.wild.test", "\xc3\xa9@v.test", V4, "fail"),
        ("%{l}.l.test", "a b@v.test", V4, "fail"),
        ("%{l}.l.test", "user..@v.test", V4, "fail"),
        ("%{l}.%{l}.%{l}.%{l}.user.l.test", f"{'x.' * 50}y@v.test", V4, "pass"),  # shortened from the left: 7.3
        ("%{l}.l.test", f"{'x' * 64}@v.test", V4, "fail"),
    ],
)
def test_macros(zone: Path, spec: str, sender: str, address: str, result: str) -> None:
    with zone.open("a") as file:
        file.write("x." * 18 + "y." + ("x." * 50 + "y.") * 2 + "user.l.test A 127.0.0.2\n")
    assert outcome(resolver(zone, f"v=spf1 exists:{spec} -all"), address, sender).result == result


def test_a_domain_is_not_a_macro_string(zone: Path) -> None:
    """The domain of the sender is only data, even where a term has no domain of its own."""
    with zone.open("a") as file:
        file.write('%{i}.test TXT "v=spf1 a -all"\n%{i}.test A 192.0.2.10\n')
    assert outcome(ZoneResolver([zone]), sender="user@%{i}.test").result == "pass"


# -- what is told: exp=, comments, Received-SPF


DEFAULT = "Please send mail from v.test through a server that v.test designates"


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        ("No mail from here.", "No mail from here."),
        ("%{i} is not one of %{d}'s: %{l} via %{h}", "192.0.2.10 is not one of v.test's: user via mx.client.example"),
        ("%{c} %{r} %{p} %{o}", "192.0.2.10 mx.here.test host.test v.test"),
        ("see http://%{d}/why?s=%{S}%_100%%", "see http://v.test/why?s=user%40v.test 100%"),
        ("100%%", "100%"),
        ("ends with a dot.", "ends with a dot."),
        ("bad %{x}", None),
        ("bad %", None),
        ("bad %{d", None),
        ("", None),
        ("Rejected\r\n250 OK\x00\x07\x7f\t!", "Rejected??250 OK????!"),
        ("caf\xe9", None),  # 6.2: US-ASCII
        ("x" * 500, "x" * 400),
        ("%{d}." * 100 + "end", ("v.test." * 100)[:400]),
        ("x" * 5000, None),
        ("%%{i}", "%{i}"),
    ],
)
def test_explanation(zone: Path, text: str, explanation: str | None) -> None:
    with zone.open("a") as file:
        file.write(f"why.test TXT {quoted(text.encode('latin-1'))}\n")
    got = outcome(resolver(zone, "v=spf1 exp=why.test -all"))
    assert got.result == "fail"
    assert got.explanation == (explanation or DEFAULT)


@pytest.mark.parametrize(
    ("record", "explanation"),
    [
        ("v=spf1 -all", DEFAULT),
        ("v=spf1 exp=%{d1}.exp.test -all", "test of v.test"),
        ("v=spf1 Exp=test.exp.test -all", "test of v.test"),
        ("v=spf1 exp=nothing.test -all", DEFAULT),
        ("v=spf1 exp=two.exp.test -all", DEFAULT),
        ("v=spf1 exp=why.test redirect=fail.test", DEFAULT),
        ("v=spf1 redirect=explains.exp.test", "test of explains.exp.test"),  # that of the record which decides
        ("v=spf1 -include:includes.exp.test exp=test.exp.test", "test of v.test"),  # not that of an include
        ("v=spf1 exp=test.exp.test ~all", "domain of user@v.test does not expect mail from 192.0.2.10"),
        ("v=spf1 exp=test.exp.test ?all", "192.0.2.10 is neither permitted nor denied by domain of user@v.test"),
        ("v=spf1 exp=test.exp.test +all", "domain of user@v.test designates 192.0.2.10 as permitted sender"),
        ("v=spf1 foo", "error in the SPF record of domain of user@v.test: Unknown mechanism found: foo"),
        ("v=spf1 a:failing.test", "DNS error while checking domain of user@v.test: A lookup of failing.test failed"),
        ("other", "domain of user@v.test has no SPF record"),
    ],
)
def test_which_explanation(zone: Path, record: str, explanation: str) -> None:
    with zone.open("a") as file:
        file.write('test.exp.test TXT "test of %{d}"\ntwo.exp.test TXT "1"\ntwo.exp.test TXT "2"\n')
        file.write('explains.exp.test TXT "v=spf1 exp=test.exp.test -all"\n')
        file.write('includes.exp.test TXT "v=spf1 exp=test.exp.test +all"\n')
    got = outcome(resolver(zone, record))
    assert got.explanation == explanation


class Recorded:
    """A resolver that tells what it was asked."""

    def __init__(self, resolver: ZoneResolver) -> None:
        self.asked: list[tuple[str, str]] = []
        self._resolver = resolver

    def lookup(self, rtype: str, name: str) -> Answer:
        self.asked.append((rtype, name))
        return self._resolver.lookup(rtype, name)

    def until(self, deadline: float) -> Recorded:
        return self


@pytest.mark.parametrize(
    ("record", "address", "asked"),
    [
        ("v=spf1 exp=why.test ip4:192.0.2.10 -all", V4, []),  # nobody asks for an explanation of a pass
        ("v=spf1 exp=why.test -all", V4, [("TXT", "why.test")]),
        ("v=spf1 mx:mail.test -all", "192.0.2.20", [("MX", "mail.test"), ("A", "v4.test")]),
        ("v=spf1 a:host.test -all", V6, [("AAAA", "host.test")]),
        ("v=spf1 a:v4.test -all", V6, [("AAAA", "v4.test"), ("A", "v4.test")]),
        ("v=spf1 a:void.test -all", V6, [("AAAA", "void.test")]),
        (
            "v=spf1 ptr:a.test ptr:b.test -all",
            V4,
            [("PTR", "10.2.0.192.in-addr.arpa"), ("A", "host.test")],
        ),
        ("v=spf1 a:" + "x" * 64 + ".test exists:%{l}\x7f.test -all", V4, []),
    ],
)
def test_what_is_asked(zone: Path, record: str, address: str, asked: list[tuple[str, str]]) -> None:
    dns = Recorded(resolver(zone, record))
    check_host(dns, Identity(ip_address(address), "mx.client.example", "user@v.test"), "mx.here.test")
    assert dns.asked == [("TXT", "v.test"), *asked]


def test_an_answer_carries_everything(zone: Path) -> None:
    got = outcome(resolver(zone, "v=spf1 a:v4.test ip6:2001:db8::/32 -all"), V6)
    comment = "mx.here.test: domain of user@v.test designates 2001:db8::10 as permitted sender"
    assert got == SpfOutcome(
        result="pass",  # type: ignore[arg-type]
        identity="mailfrom",
        domain="v.test",
        explanation="domain of user@v.test designates 2001:db8::10 as permitted sender",
        comment=comment,
        received=f"Received-SPF: pass ({comment}) "
        'client-ip="2001:db8::10"; envelope-from="user@v.test"; helo=mx.client.example; '
        'identity=mailfrom; receiver=mx.here.test; mechanism="ip6:2001:db8::/32"',
        lookups=1,
    )


@pytest.mark.parametrize(
    ("record", "sender", "helo", "received"),
    [
        (
            "v=spf1 -all",
            "",
            "v.test",
            "Received-SPF: fail (mx.here.test: domain of postmaster@v.test does not designate 192.0.2.10 as permitted"
            " sender) client-ip=192.0.2.10; helo=v.test; identity=helo; receiver=mx.here.test; mechanism=-all",
        ),
        (
            "v=spf1 foo",
            'a"b\\c\r\n) x=y;@v.test',
            'h"; identity=x',
            'Received-SPF: permerror (mx.here.test: error in the SPF record of domain of a"b?c???'
            " x=y;@v.test: Unknown mechanism found: foo) client-ip=192.0.2.10; "
            'envelope-from="a\\"b\\\\c??) x=y;@v.test"; helo="h\\"; identity=x"; '
            'identity=mailfrom; receiver=mx.here.test; problem="Unknown mechanism found: foo"',
        ),
        (
            'v=spf1 exists:")%{l}(\\.v.test a:host.test -all',
            "\xc3\xa9@v.test",
            "",
            "Received-SPF: pass (mx.here.test: domain of ??@v.test designates 192.0.2.10 as permitted sender) "
            'client-ip=192.0.2.10; envelope-from="??@v.test"; identity=mailfrom; receiver=mx.here.test; '
            'mechanism="a:host.test"',
        ),
    ],
)
def test_received_spf(zone: Path, record: str, sender: str, helo: str, received: str) -> None:
    assert outcome(resolver(zone, record), sender=sender, helo=helo).received == received


def test_received_spf_fits_into_a_line(zone: Path) -> None:
    got = outcome(resolver(zone, f"v=spf1 exists:{'x' * 300}.test"), sender='"' * 400 + "@v.test", helo='"' * 600)
    assert len(got.received) <= 998
    assert got.received.endswith('\\""; identity=mailfrom')


# -- best guess


@pytest.mark.parametrize(
    ("sender", "guess", "result", "guessed"),
    [
        ("user@host.test", "v=spf1 a/24 mx/24 ptr ?all", "pass", True),
        ("user@host.test", "v=spf1 mx ?all", "neutral", True),
        ("user@host.test", "", "none", False),
        ("user@nothing.test", "v=spf1 a/24 mx/24 ptr ?all", "neutral", True),
        ("user@pass.test", "v=spf1 -all", "pass", False),
        ("user@broken.test", "v=spf1 -all", "permerror", False),
        ("user@failing.test", "v=spf1 -all", "temperror", False),
        ("user@localhost", "v=spf1 -all", "none", False),
        ("user@host.test", "v=spf1 foo", "permerror", True),
    ],
)
def test_guess(zone: Path, sender: str, guess: str, result: str, guessed: bool) -> None:
    got = outcome(ZoneResolver([zone], FAILING), sender=sender, guess=guess)
    assert (got.result, got.guessed) == (result, guessed)
    assert ("best guess: " in got.comment) is guessed


# -- no time, no luck


class Exhausted:
    """A resolver whose time is over after some lookups."""

    def __init__(self, resolver: ZoneResolver, lookups: int) -> None:
        self._resolver = resolver
        self._left = lookups

    def lookup(self, rtype: str, name: str) -> Answer:
        self._left -= 1
        if self._left < 0:
            raise DnsTemporary("no time left")
        return self._resolver.lookup(rtype, name)

    def until(self, deadline: float) -> Exhausted:
        return self


@pytest.mark.parametrize(("lookups", "result"), [(0, "temperror"), (1, "temperror"), (2, "temperror"), (3, "pass")])
def test_when_the_resolver_gives_up_it_is_a_temporary_error(zone: Path, lookups: int, result: str) -> None:
    dns = Exhausted(resolver(zone, "v=spf1 mx:mail.test -all"), lookups)
    got = check_host(dns, Identity(ip_address("192.0.2.20"), "mx.client.example", "user@v.test"), "mx.here.test")
    assert got.result == result


class HalfBroken:
    """No host has an IPv6 address, and nothing can be learned about IPv4."""

    def lookup(self, rtype: str, name: str) -> Answer:
        if rtype == "A":
            raise DnsTemporary("no time left")
        return Answer(((b"v=spf1 a:1.test a:2.test a:3.test -all",),) if rtype == "TXT" else ())

    def until(self, deadline: float) -> HalfBroken:
        return self


def test_whether_a_lookup_is_void_is_not_worth_a_temporary_error() -> None:
    assert outcome(HalfBroken(), V6).result == "fail"


class Broken:
    """A resolver with a defect."""

    def lookup(self, rtype: str, name: str) -> Answer:
        raise RuntimeError("defect")

    def until(self, deadline: float) -> Broken:
        return self


def test_a_defect_is_a_permanent_error() -> None:
    got = check_host(Broken(), Identity(ip_address(V4), "mx.client.example", "user@v.test"), "mx.here.test")
    assert (got.result, got.explanation) == (
        "permerror",
        "error in the SPF record of domain of user@v.test: internal RuntimeError",
    )


RESULTS = {"pass", "fail", "softfail", "neutral", "none", "permerror", "temperror"}
TERM = st.text(st.sampled_from("-+?~alipxmexncudrts46:/.=%{}0129 _")) | st.sampled_from(
    ["a", "mx", "ptr", "exists:", "include:", "redirect=", "exp=", "ip4:", "ip6:", "%{", "}", "v.test", "/", "-all"]
)
OCTETS = st.text(st.characters(max_codepoint=255))


class Fixed:
    """Every name has this TXT record, and addresses."""

    def __init__(self, record: bytes) -> None:
        self._records = {"TXT": ((record,),), "A": ("192.0.2.1",), "MX": ((1, "host.test"),), "PTR": ("host.test",)}

    def lookup(self, rtype: str, name: str) -> Answer:
        return Answer(self._records.get(rtype, ()))

    def until(self, deadline: float) -> Fixed:
        return self


def is_well_formed(got: SpfOutcome) -> bool:
    texts = (got.explanation, got.comment, got.received)
    return got.result in RESULTS and all(text.isascii() and text.isprintable() for text in texts)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(record=st.binary(max_size=300) | st.lists(TERM).map(lambda terms: ("v=spf1 " + "".join(terms)).encode()))
@pytest.mark.parametrize("address", [V4, V6])
def test_any_record_gives_an_outcome(address: str, record: bytes) -> None:
    got = check_host(Fixed(record), Identity(ip_address(address), "mx.client.example", "user@v.test"), "mx.here.test")
    assert is_well_formed(got)
    assert "internal" not in got.comment


@settings(max_examples=300, deadline=None)
@given(sender=OCTETS, helo=OCTETS, explanation=OCTETS)
def test_any_client_gives_an_outcome(sender: str, helo: str, explanation: str) -> None:
    dns = Fixed(b"v=spf1 exists:%{s}.%{h}.%{L}%{d} exp=%{l}.%{h} -all")
    for identity in (Identity(ip_address(V4), helo, sender), Identity(ip_address(V6), helo, f"{sender}@v.test")):
        assert is_well_formed(check_host(dns, identity, "mx.here.test"))
