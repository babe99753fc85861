"""A small DNS: records of every kind, a few DNS lists, and a name that fails. The world of more than one test."""

from __future__ import annotations

FAILING = "down.test"

RECORDS = """\
a.test. 60 A 192.0.2.1
a.test. 60 A 192.0.2.2
a.test. 60 AAAA 2001:db8::1
mx.test. 60 MX 10 mx1.test.
mx.test. 60 MX 5 mx2.test.
nullmx.test. 60 MX 0 .
c.test. 60 CNAME a.test.
cc.test. 60 CNAME c.test.
dangling.test. 60 CNAME nosuch.test.
txt.test. 60 TXT "one" "two"
txt.test. 60 TXT "second;x"
spf.test. 60 TXT "v=spf1 -all"
spf99.test. 60 TYPE99 \\# 5 0461626364
srv.test. 60 SRV 10 20 25 host.test.
srv.test. 60 SRV 5 1 465 other.test.
_443._tcp.test. 60 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
_25._tcp.test. 60 TLSA ( 3 1 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef )
ptr.test. 60 PTR target.test.
1.2.0.192.in-addr.arpa. 60 PTR a.test.
1.2.0.192.in-addr.arpa. 60 PTR b.test.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 60 PTR v6.test.
empty.nonterm.test. 60 A 192.0.2.9
_client._smtp.ok.csa.test. 60 SRV 1 2 0 ok.csa.test.
_client._smtp.no.csa.test. 60 SRV 1 1 0 no.csa.test.
_client._smtp.unk.csa.test. 60 SRV 1 3 0 unk.csa.test.
_client._smtp.odd.csa.test. 60 SRV 1 7 0 odd.csa.test.
_client._smtp.v2.csa.test. 60 SRV 2 2 0 v2.csa.test.
2.2.0.192.bl.test. 60 A 127.0.0.2
2.2.0.192.bl.test. 60 TXT "listed because" "of something"
2.2.0.192.bl.test. 60 TXT "second text"
3.2.0.192.bl.test. 60 A 127.0.0.2
3.2.0.192.bl.test. 60 A 127.0.0.4
4.2.0.192.bl.test. 60 A 192.0.2.99
5.2.0.192.bl.test. 60 A 127.255.255.254
6.2.0.192.bl.test. 60 A 127.0.0.1
7.2.0.192.bl.test. 60 A 127.0.0.2
7.2.0.192.bl.test. 60 A 10.0.0.1
8.2.0.192.bl.test. 60 CNAME nosuch.test.
9.2.0.192.bl.test. 60 TXT "a text alone"
10.2.0.192.bl.test. 60 CNAME listing.bl.test.
11.2.0.192.bl.test. 60 A 127.255.255.255
11.2.0.192.bl.test. 60 A 127.0.0.2
listing.bl.test. 60 A 127.0.0.9
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test. 60 A 127.0.0.6
bad.example.rhs.test. 60 A 127.0.0.2
bad.example.rhs.test. 60 TXT "a bad domain"
2.2.0.192.merged.test. 60 A 127.0.0.6
2.2.0.192.sub.test. 60 A 127.0.0.2
2.2.0.192.sub.test. 60 TXT "from sub"
"""

SUBZONES = {
    "soa.test": "@ 60 SOA ns host\\.master 5 3600 600 86400 61\n@ 60 NS ns\n",
    "nstop.test": "@ 60 SOA ns hm 5 3600 600 86400 61\n@ 60 NS ns1\n@ 60 NS ns2\nd.e 60 A 192.0.2.10\n",
}
"""Zones of their own, for a server; their names are relative."""

ZONE = RECORDS + "".join(f"$ORIGIN {name}.\n{text}" for name, text in SUBZONES.items())
"""All of it, for a `ZoneResolver`."""
