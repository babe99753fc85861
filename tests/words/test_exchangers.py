"""``@mx_any`` and its like."""

from __future__ import annotations

import pytest
from parts.exchange import World, exchange

ZONE = """\
mx.example.org.     A    198.51.100.25
other.example.org.  A    203.0.113.1
other.example.org.  AAAA 2001:db8::99
local.example.org.  A    127.0.0.1
primary.test.       MX   10 mx.example.org.
primary.test.       MX   20 other.example.org.
secondary.test.     MX   10 other.example.org.
secondary.test.     MX   20 mx.example.org.
equal.test.         MX   10 other.example.org.
equal.test.         MX   10 mx.example.org.
equal.test.         MX   20 other.example.org.
foreign.test.       MX   10 other.example.org.
loopback.test.      MX   10 local.example.org.
address.test.       A    198.51.100.25
dead.test.          MX   10 nowhere.example.org.
dead.test.          MX   20 mx.example.org.
broken.test.        MX   10 failing.example.org.
"""


def is_in(domains, domain, **details):
    body = f"accept domains = {domains}\n    logwrite = $domain_data $0"
    policy = f"primary_hostname = mx.example.org\nbegin acl\nacl_check_rcpt:\n  {body}\n"
    world = World(ZONE, ["failing.example.org", "failing.test"])
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", f"RCPT TO:<b@{domain}>", world=world, **details)
    return {"250": True, "550": False, "451": None}[session.replies[-1][:3]], session.log


@pytest.mark.parametrize(
    "domain, is_any, is_primary, is_secondary",
    [
        ("primary.test", True, True, False),
        ("secondary.test", True, False, True),
        ("equal.test", True, True, False),
        ("foreign.test", False, False, False),
        ("loopback.test", True, True, False),
        ("address.test", False, False, False),  # no MX records, no exchangers
        ("nowhere.test", False, False, False),
        ("dead.test", True, True, False),  # an exchanger without address is none
        ("broken.test", None, None, None),
        ("failing.test", None, None, None),
    ],
)
def test_exchangers(domain, is_any, is_primary, is_secondary):
    kinds = ("@mx_any", "@mx_primary", "@mx_secondary")
    assert [is_in(kind, domain)[0] for kind in kinds] == [is_any, is_primary, is_secondary]


@pytest.mark.parametrize(
    "item, domain, answer",
    [
        ("@mx_any/ignore=198.51.100.25", "primary.test", False),
        ("@mx_any/ignore=127.0.0.1", "primary.test", True),
        ("@mx_primary/ignore=203.0.113.0/24", "secondary.test", False),  # its IPv6 address is left
        ("<; @mx_primary/ignore=<, 203.0.113.0/24, 2001:db8::/32", "secondary.test", True),
        ("!@mx_any", "foreign.test", True),
        ("!@mx_any", "primary.test", False),
    ],
)
def test_ignored_addresses(item, domain, answer):
    assert is_in(item, domain)[0] is answer


def test_what_is_left_behind():
    assert is_in("@mx_any", "primary.test")[1] == ["@mx_any primary.test"]


def test_the_servers_own_address_is_local():
    assert is_in("@mx_any", "foreign.test", local_address="203.0.113.1")[0] is True
    assert is_in("@[]", "[203.0.113.1]", local_address="203.0.113.1")[0] is True
    assert is_in("@[]", "[IPv6:2001:db8::1]", local_address="2001:db8::1")[0] is True
    assert is_in("@[]", "[203.0.113.1]", local_address="203.0.113.2")[0] is False
    assert is_in("@", "MX.example.org")[0] is True


@pytest.mark.parametrize(
    "literal, answer",
    [
        ("[127.0.0.1]", True),
        ("[IPv6:::1]", True),
        ("[198.51.100.25]", True),  # the primary host name's
        ("[203.0.113.9]", False),
        ("[ipv6:::9]", False),
        ("127.0.0.1", False),
        ("[300.0.0.1]", False),
        ("[]", False),
    ],
)
def test_literals_of_this_host(literal, answer):
    assert is_in("@[]", literal)[0] is answer


def test_nobody_knows_where_this_host_is():
    policy = "primary_hostname = failing.test\nbegin acl\nacl_check_rcpt:\n  accept domains = @[]\n"
    world = World(ZONE, ["failing.test"])
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<b@[203.0.113.9]>", world=world)
    assert session.replies[-1][:3] == "451"
