"""Reverse DNS and back, RFC 8601 section 3."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from policyd.checks.iprev import MAX_NAMES, addresses, iprev
from policyd.resolver.zone import ZoneResolver

ZONE = """\
1.2.0.192.in-addr.arpa PTR mx.example.org.
mx.example.org         A   192.0.2.1
2.2.0.192.in-addr.arpa PTR other.example.org.
other.example.org      A   192.0.2.99
4.2.0.192.in-addr.arpa PTR wrong.example.org.
4.2.0.192.in-addr.arpa PTR mx4.example.org.
mx4.example.org        A   192.0.2.4
mx4.example.org        A   192.0.2.44
5.2.0.192.in-addr.arpa PTR failing.example.org.
6.2.0.192.in-addr.arpa PTR failing.example.org.
6.2.0.192.in-addr.arpa PTR mx6.example.org.
mx6.example.org        A   192.0.2.6
7.2.0.192.in-addr.arpa PTR failing.example.org.
7.2.0.192.in-addr.arpa PTR other.example.org.
8.2.0.192.in-addr.arpa PTR nowhere.example.org.
9.2.0.192.in-addr.arpa PTR two.example.org.
9.2.0.192.in-addr.arpa PTR one.example.org.
one.example.org        A   192.0.2.9
two.example.org        CNAME one.example.org.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.example.org.
six.example.org        AAAA 2001:db8::1
six.example.org        A    192.0.2.66
66.2.0.192.in-addr.arpa PTR six.example.org.
"""


@pytest.fixture
def resolver(tmp_path):
    file = tmp_path / "zone"
    file.write_text(ZONE)
    return ZoneResolver([file], failing=["3.2.0.192.in-addr.arpa", "failing.example.org"])


@pytest.mark.parametrize(
    ("address", "result", "names"),
    [
        ("192.0.2.1", "pass", {"mx.example.org"}),
        ("192.0.2.2", "fail", set()),
        ("192.0.2.3", "temperror", set()),  # the PTR lookup fails
        ("192.0.2.4", "pass", {"mx4.example.org"}),  # one name does not confirm, another does
        ("192.0.2.5", "temperror", set()),  # the only name cannot be looked up
        ("192.0.2.6", "pass", {"mx6.example.org"}),  # one cannot, another confirms
        ("192.0.2.7", "temperror", set()),  # one cannot, another does not confirm
        ("192.0.2.8", "fail", set()),
        ("192.0.2.9", "pass", {"one.example.org", "two.example.org"}),
        ("192.0.2.10", "permerror", set()),
        ("2001:db8::1", "pass", {"six.example.org"}),
        ("2001:db8::2", "permerror", set()),
        ("192.0.2.66", "pass", {"six.example.org"}),
    ],
)
def test_results(resolver, address, result, names):
    found = iprev(resolver, ip_address(address))
    assert (found.result, set(found.names)) == (result, names)
    assert bool(found.reason) is (result != "pass")


class Secure:
    """A resolver whose answers about some names are vouched for."""

    def __init__(self, resolver, *names):
        self._resolver = resolver
        self._names = names

    def lookup(self, rtype, name):
        return replace(self._resolver.lookup(rtype, name), secure=name in self._names)


REVERSE, FORWARD = "1.2.0.192.in-addr.arpa", "mx.example.org"


@pytest.mark.parametrize(
    ("names", "secure"), [((REVERSE, FORWARD), True), ((REVERSE,), False), ((FORWARD,), False), ((), False)]
)
def test_both_ways_have_to_be_secure(resolver, names, secure):
    assert iprev(Secure(resolver, *names), ip_address("192.0.2.1")).secure is secure


def test_what_is_not_confirmed_is_not_secure(resolver):
    found = iprev(Secure(resolver, "2.2.0.192.in-addr.arpa", "other.example.org"), ip_address("192.0.2.2"))
    assert not found.secure


def test_not_every_name_is_looked_at(tmp_path):
    """RFC 7208 4.6.4 has the number."""
    names = [f"h{number:02}.example.org" for number in range(MAX_NAMES + 5)]
    file = tmp_path / "zone"
    file.write_text("".join(f"1.2.0.192.in-addr.arpa PTR {name}.\n{name} A 192.0.2.1\n" for name in names))
    assert len(iprev(ZoneResolver([file]), ip_address("192.0.2.1")).names) == MAX_NAMES


@pytest.mark.parametrize(
    ("versions", "found"),
    [((), {"192.0.2.66", "2001:db8::1"}), ((4,), {"192.0.2.66"}), ((6,), {"2001:db8::1"})],
)
def test_addresses(resolver, versions, found):
    assert addresses(resolver, "six.example.org", *versions) == set(map(ip_address, found))
