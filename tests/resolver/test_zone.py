from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from policyd.errors import PolicyError
from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.zone import ZoneResolver

ZONE = """\
; no $ORIGIN yet: names are absolute
absolute.example 60 A 192.0.2.1
$ORIGIN example.org.
$TTL 1h
@       SOA ns hostmaster (
            1 3600 600 86400 60 )
        NS  ns
        MX  10 mx
        MX  5 Mx2.Example.NET.
        TXT "v=spf1 " "-all"
        TXT "other"
UPPER   A   192.0.2.2
        AAAA 2001:DB8:0::2
b.c.d   TXT "deep"
*.w     TXT "wild"
*.w     MX  1 wild
x.w     A   192.0.2.3
*.alias CNAME UPPER
one     300 CNAME two
two     30 CNAME far.example.net.
dangling CNAME nowhere
loop1   CNAME loop2
loop2   CNAME loop1
tofail  CNAME failing.example.
srv     SRV 0 5 25 mx
caa     CAA 0 issue "ca.example"
new     TYPE65280 \\# 3 010203
octets  TXT "\\000\\255\\"é"
s\\032p  A   192.0.2.4
"""
OTHER = """\
$ORIGIN example.net.
@ SOA ns.example.org. hostmaster 1 2 3 4 5
far  10 A 192.0.2.5
$ORIGIN sub.example.net.
far 20 A 192.0.2.6
"""


@pytest.fixture
def resolver(tmp_path: Path) -> ZoneResolver:
    (tmp_path / "org.zone").write_text(ZONE)
    (tmp_path / "net.zone").write_text(OTHER)
    return ZoneResolver([tmp_path / "org.zone", str(tmp_path / "net.zone")], failing=["Failing.example."])


@pytest.mark.parametrize(
    ("rtype", "name", "records", "ttl"),
    [
        ("A", "absolute.example", ["192.0.2.1"], 60),
        ("A", "Absolute.EXAMPLE.", ["192.0.2.1"], 60),
        ("A", "upper.example.org", ["192.0.2.2"], 3600),
        ("AAAA", "upper.example.org", ["2001:db8::2"], 3600),
        ("MX", "example.org", [(10, "mx.example.org"), (5, "Mx2.Example.NET")], 3600),
        ("TXT", "example.org", [(b"v=spf1 ", b"-all"), (b"other",)], 3600),
        ("NS", "example.org", ["ns.example.org"], 3600),
        ("SOA", "example.org", ["ns.example.org. hostmaster.example.org. 1 3600 600 86400 60"], 3600),
        ("TXT", "b.c.d.example.org", [(b"deep",)], 3600),
        ("TXT", "any.w.example.org", [(b"wild",)], 3600),
        ("TXT", "a.b.w.example.org", [(b"wild",)], 3600),
        ("MX", "*.w.example.org", [(1, "wild.example.org")], 3600),
        ("AAAA", "any.alias.example.org", ["2001:db8::2"], 3600),
        ("A", "one.example.org", ["192.0.2.5"], 10),
        ("CNAME", "one.example.org", ["two.example.org"], 300),
        ("A", "far.sub.example.net", ["192.0.2.6"], 20),
        ("SRV", "srv.example.org", ["0 5 25 mx.example.org."], 3600),
        ("CAA", "caa.example.org", ['0 issue "ca.example"'], 3600),
        ("TYPE65280", "new.example.org", ["\\# 3 010203"], 3600),
        ("TXT", "octets.example.org", [(b'\0\xff"\xc3\xa9',)], 3600),
        ("A", "s p.example.org", ["192.0.2.4"], 3600),
    ],
)
def test_found(resolver: ZoneResolver, rtype: str, name: str, records: list[Any], ttl: float) -> None:
    assert resolver.lookup(rtype, name) == Answer(tuple(records), ttl=ttl)


@pytest.mark.parametrize(
    ("rtype", "name", "exists"),
    [
        ("TXT", "upper.example.org", True),
        ("TXT", "c.d.example.org", True),  # empty non-terminals: RFC 4592 2.2.2
        ("A", "d.example.org", True),
        ("A", "org", True),
        ("A", ".", True),
        ("TXT", "w.example.org", True),  # a wildcard is not its own parent
        ("TXT", "x.w.example.org", True),  # nor anything for names that exist
        ("A", "any.w.example.org", True),
        ("TXT", "y.x.w.example.org", False),  # the closest encloser has no wildcard
        ("TXT", "y.b.c.d.example.org", False),
        ("A", "dangling.example.org", False),
        ("A", "nothing.example.org", False),
        ("A", "example.com", False),
        ("A", "", False),
        ("A", "a..example.org", False),
        ("A", "x" * 64 + ".w.example.org", False),
        ("A", "a\0.w.example.org", False),
        ("A", "\xff.w.example.org", False),
    ],
)
def test_not_found(resolver: ZoneResolver, rtype: str, name: str, exists: bool) -> None:
    assert resolver.lookup(rtype, name) == Answer(exists=exists)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("failing.example", "failing.example: marked as failing"),
        ("FAILING.example.", "marked as failing"),
        ("tofail.example.org", "marked as failing"),
        ("loop1.example.org", "more than 10 CNAMEs"),
    ],
)
def test_temporary(resolver: ZoneResolver, name: str, reason: str) -> None:
    for rtype in ("A", "TXT"):
        with pytest.raises(DnsTemporary, match=reason):
            resolver.lookup(rtype, name)


@pytest.mark.parametrize("rtype", ["FOO", "", "ANY", "AXFR"])
def test_what_is_no_record_type(resolver: ZoneResolver, rtype: str) -> None:
    with pytest.raises(ValueError, match="record type"):
        resolver.lookup(rtype, "example.org")


def test_chain(tmp_path: Path) -> None:
    """Ten CNAMEs are followed, eleven are not."""
    zone = "".join(f"c{number} CNAME c{number + 1}\n" for number in range(11)) + "c11 A 192.0.2.1\n"
    (tmp_path / "zone").write_text(zone)
    resolver = ZoneResolver([tmp_path / "zone"])
    assert resolver.lookup("A", "c1").records == ("192.0.2.1",)
    with pytest.raises(DnsTemporary):
        resolver.lookup("A", "c0")


def test_no_files() -> None:
    resolver = ZoneResolver()
    assert resolver.lookup("A", "example.org") == Answer(exists=False)
    assert resolver.until(0).lookup("A", ".") == Answer()


@pytest.mark.parametrize(
    ("entry", "line", "message"),
    [
        ("a A 192.0.2", 3, "malformed"),
        ("a FOO x", 3, "unknown rdatatype 'FOO'"),
        ("a", 3, "malformed"),
        ('a TXT "open', 3, "newline in quoted string"),
        ("a CH TXT x", 3, "class"),
        ("a..b A 192.0.2.1", 3, "empty"),
        ("$TTL soon", 3, "TTL"),
        ("$INCLUDE other", 3, "not allowed"),
        ("a SOA ns hostmaster (\n 1 2\n 3 x 5 )", 3, "not well-formed"),
        ("ok CNAME other", 3, "stands alone"),
        ("a CNAME b\na CNAME c", 4, "stands alone"),
        ("a CNAME b\na A 192.0.2.1", 4, "stands alone"),
        ("\n; comment\na A x", 5, "malformed"),
        ("x" * 64 + " A 192.0.2.1", 3, "63"),
    ],
)
def test_a_broken_file_says_where(tmp_path: Path, entry: str, line: int, message: str) -> None:
    path = tmp_path / "broken.zone"
    path.write_text(f"\nok A 192.0.2.1\n{entry}\n")
    with pytest.raises(PolicyError, match=message) as error:
        ZoneResolver([path])
    assert str(error.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("octets", "message"), [(None, "cannot read the zone file: No such file"), (b"a TXT \xff\n", "not UTF-8")]
)
def test_a_file_that_cannot_be_read(tmp_path: Path, octets: bytes | None, message: str) -> None:
    path = tmp_path / "zone"
    if octets is not None:
        path.write_bytes(octets)
    with pytest.raises(PolicyError, match=message) as error:
        ZoneResolver([path])
    assert str(error.value).startswith(f"{path}: ")


def test_signatures_stand_beside_a_cname(tmp_path: Path) -> None:
    """RFC 4035 2.5."""
    path = tmp_path / "zone"
    path.write_text("a CNAME b.\na NSEC c. CNAME\nb A 192.0.2.1\nb A 192.0.2.1\n")
    assert ZoneResolver([path]).lookup("A", "a").records == ("192.0.2.1",)


def test_a_thousand_records_are_read_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text("".join(f"h{number} A 192.0.2.1\n" for number in range(1000)))
    start = time.perf_counter()
    ZoneResolver([path])
    assert time.perf_counter() - start < 1


def test_it_loads_without_what_only_the_network_needs() -> None:
    code = "import sys, policyd.resolver.zone; print({'dns.query', 'dns.resolver', 'ssl'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
