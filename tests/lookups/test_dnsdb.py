"""``dnsdb``: every type and option, against zone files. A live Exim on the same zones: tests/oracle/test_dns.py."""

from __future__ import annotations

import time

import pytest
from parts.dns_world import FAILING, ZONE

from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.zone import ZoneResolver


@pytest.fixture
def dns(looking, tmp_path):
    (tmp_path / "zone").write_text(ZONE)
    return looking(resolver=ZoneResolver([tmp_path / "zone"], failing=[FAILING]))


@pytest.mark.parametrize(
    "query, want",
    [
        ("a=a.test", "192.0.2.1\n192.0.2.2"),
        ("A = A.test.", "192.0.2.1\n192.0.2.2"),
        ("aaaa=a.test", "2001:db8::1"),
        ("a+=a.test", "2001:db8::1\n192.0.2.1\n192.0.2.2"),
        ("mx=mx.test", "10 mx1.test\n5 mx2.test"),
        ("mxh=mx.test", "mx1.test\nmx2.test"),
        ("mx=nullmx.test", "0 "),
        ("mxh=nullmx.test", None),
        ("cname=c.test", "a.test"),
        ("a=cc.test", "192.0.2.1\n192.0.2.2"),
        ("a=dangling.test", None),
        ("txt.test", "one\nsecond;x"),
        ("txt=txt.test", "one\nsecond;x"),
        (">x txt=txt.test", "onexsecond;x"),
        (">x, txt=txt.test", "one twoxsecond;x"),
        (">x,y txt=txt.test", "oneytwoxsecond;x"),
        (">x; txt=txt.test", "onetwoxsecond;x"),
        ("spf=spf.test", None),
        ("spf=spf99.test", "abcd"),
        ("srv=srv.test", "10 20 25 host.test\n5 1 465 other.test"),
        (">:,/ srv=srv.test", "10/20/25/host.test:5/1/465/other.test"),
        ("tlsa=_25._tcp.test", "3 1 2 " + "0123456789abcdef" * 8),
        (">:,/ tlsa=_25._tcp.test", "3/1/2/" + "0123456789abcdef" * 8),
        ("ptr=192.0.2.1", "a.test\nb.test"),
        ("ptr=2001:db8::1", "v6.test"),
        ("ptr=<; 2001:db8::1 ; 192.0.2.1", "v6.test\na.test\nb.test"),
        ("ptr=ptr.test", "target.test"),
        ("ns=nstop.test", "ns1.nstop.test\nns2.nstop.test"),
        ("zns=d.e.nstop.test", "ns1.nstop.test\nns2.nstop.test"),
        ("zns=x.y.a.test", None),
        ("soa=soa.test", "ns.soa.test"),
        ("soa=x.y.soa.test", "ns.soa.test"),
        ("soa=a.test", None),
        (">:, soa=soa.test", "ns.soa.test host\\.master.soa.test 5 3600 600 86400 61"),
        (">:; soa=soa.test", "ns.soa.test"),
        ("csa=ok.csa.test", "Y ok.csa.test"),
        ("csa=no.csa.test", "N no.csa.test"),
        ("csa=unk.csa.test", "? unk.csa.test"),
        ("csa=odd.csa.test", None),
        ("csa=v2.csa.test", None),
        ("csa=192.0.2.1", None),
        ("a=nosuch.test : empty.nonterm.test", "192.0.2.9"),
        (">, a=<;a.test;empty.nonterm.test", "192.0.2.1,192.0.2.2,192.0.2.9"),
        ("a=nonterm.test", None),
        ("a=.", None),
        ("a=", None),
        ("a=not valid.test", None),
        ("a=a..test", None),
        ("retrans_1s,retry_1,a=a.test", "192.0.2.1\n192.0.2.2"),
        ("defer_strict,dnssec_lax,a=a.test", "192.0.2.1\n192.0.2.2"),
        ("DEFER_Strict , A=a.test", "192.0.2.1\n192.0.2.2"),
        ("a=a.test : {failing}", "192.0.2.1\n192.0.2.2"),
        ("defer_lax,a={failing} : a.test", "192.0.2.1\n192.0.2.2"),
        ("defer_never,a={failing}", None),
    ],
)
def test_query(dns, query, want):
    found = dns(f"${{lookup dnsdb{{{query.replace('{failing}', FAILING)}}}{{[$value]}}{{none}}}}")
    assert found == ("none" if want is None else f"[{want}]")


@pytest.mark.parametrize(
    "query, want",
    [
        ("bogus=a.test", "unsupported DNS record type"),
        ("any=a.test", "unsupported DNS record type"),
        ("txt=a.test:txt.test=x", None),
        ("defer_bogus,a=a.test", "unsupported dnsdb defer behaviour"),
        ("dnssec_bogus,a=a.test", "unsupported dnsdb dnssec behaviour"),
        ("defer_strict a=a.test", "dnsdb modifier syntax error"),
        ("retrans_1,a=a.test", "unsupported dnsdb timeout value"),
        ("retrans_0s,a=a.test", "unsupported dnsdb timeout value"),
        ("retry_x,a=a.test", "unsupported dnsdb retry count"),
        ("dnssec_strict,a=a.test", "a.test: the answer is not secure"),
        ("a={failing}", "marked as failing"),
        ("defer_strict,a=a.test : {failing}", "marked as failing"),
    ],
)
def test_failure(dns, query, want):
    text = f"${{lookup dnsdb{{{query.replace('{failing}', FAILING)}}}{{found}}{{none}}}}"
    if want is None:
        assert dns(text) == "none"
    else:
        assert dns.failure(text).endswith(want)


class Scripted:
    """Answers everything, and remembers the deadlines it was given: zone files know no DNSSEC, and no time."""

    def __init__(self, secure=True):
        self.secure = secure
        self.deadlines = []

    def lookup(self, rtype, name):
        if name.startswith("fail"):
            raise DnsTemporary("no reply in time")
        return Answer(("192.0.2.1",), ttl=60, secure=self.secure)

    def until(self, deadline):
        self.deadlines.append(deadline - time.monotonic())
        return self


@pytest.mark.parametrize(
    "mode, secure, want",
    [
        ("never", True, "192.0.2.1/"),
        ("lax", True, "192.0.2.1/yes"),
        ("lax", False, "192.0.2.1/no"),
        ("strict", True, "192.0.2.1/yes"),
        ("strict,defer_never", False, "none/no"),
    ],
)
def test_dnssec(looking, mode, secure, want):
    look = looking(resolver=Scripted(secure))
    text = f"${{lookup dnsdb{{dnssec_{mode},a=a.test}}{{$value}}{{none}}}}/$lookup_dnssec_authenticated"
    assert look(text) == want


def test_dnssec_is_told_of_the_last_lookup(looking):
    look = looking(resolver=Scripted())
    assert look("${lookup dnsdb{dnssec_lax,a=a.test}}${lookup dnsdb{a=a.test}}$lookup_dnssec_authenticated") == (
        "192.0.2.1192.0.2.1"
    )


@pytest.mark.parametrize(
    "options, want", [("retrans_2s,retry_3,", 6), ("retrans_1m,", 120), ("retry_1,", 5), ("retrans_2s,retry_0,", 4)]
)
def test_time(looking, options, want):
    resolver = Scripted()
    looking(resolver=resolver)(f"${{lookup dnsdb{{{options}a=a.test}}}}")
    assert resolver.deadlines[-1] == pytest.approx(want, abs=0.5)
