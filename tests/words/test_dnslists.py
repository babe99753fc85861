"""``dnslists`` in policies: how its argument is read, what it leaves behind, what is counted."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from parts.dns_world import RECORDS

from policyd import words
from policyd.checks.dnslists import Entry, Test, Unknown
from policyd.config import load
from policyd.conversation import Conversation
from policyd.errors import PolicyError
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services
from policyd.words.dnslists import parse


class Log(list):
    """The lines of the main log."""

    def write(self, target, text):
        if target == "main":
            self.append(text)


class Counts(list):
    """What was counted."""

    def count(self, name, *labels, amount=1):
        if name == "dnsbl_lookups_total":
            self.append(labels)

    def observe(self, name, value, *labels):
        pass


class World:
    def __init__(self, directory):
        words.load()
        self.file = directory / "policy.conf"
        zone = directory / "zone"
        zone.write_text(RECORDS)
        self.log, self.metrics = Log(), Counts()
        resolver = ZoneResolver([zone], failing=["2.2.0.192.down.test"])
        self.services = Services(resolver, MemoryStore(), self.metrics, self.log)

    def talk(self, policy, client="192.0.2.2"):
        self.file.write_text(policy)
        talk = Conversation(load(self.file), self.services)
        return talk, talk.connect(Client(ip_address(client) if client else None))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


SHOW = "d=$dnslist_domain m=$dnslist_matched v=$dnslist_value t=$dnslist_text"


def at_connect(argument, condition="dnslists"):
    return f"""begin acl
acl_check_connect:
  warn {condition} = {argument}
       logwrite = HIT {SHOW}
  accept logwrite = END {SHOW}
"""


@pytest.mark.parametrize(
    "text, want",
    [
        ("bl.test", [("bl.test", "bl.test", Test(), None)]),
        ("a:b", [("a", "a", Test(), None), ("b", "b", Test(), None)]),
        ("<;a;b", [("a", "a", Test(), None), ("b", "b", Test(), None)]),
        ("t,z", [("z", "t", Test(), None)]),
        ("z=1.2.3.4", [("z", "z", Test(("1.2.3.4",)), None)]),
        ("z=1.2.3.4 , 5.6.7.8 /k", [("z", "z", Test(("1.2.3.4", "5.6.7.8")), ("k",))]),
        ("t,z==1.2.3.4", [("z", "t", Test(("1.2.3.4",), every=True), None)]),
        ("z!=1.2.3.4", [("z", "z", Test(("1.2.3.4",), negated=True), None)]),
        ("z!==1.2.3.4", [("z", "z", Test(("1.2.3.4",), every=True, negated=True), None)]),
        ("z&1.2.3.4", [("z", "z", Test(("1.2.3.4",), masks=True), None)]),
        ("z=&1.2.3.4", [("z", "z", Test(("1.2.3.4",), masks=True, every=True), None)]),
        ("z!&1.2.3.4", [("z", "z", Test(("1.2.3.4",), masks=True, negated=True), None)]),
        ("z!=&1.2.3.4", [("z", "z", Test(("1.2.3.4",), masks=True, every=True, negated=True), None)]),
        ("z/a::b", [("z", "z", Test(), ("a", "b"))]),
        ("z/<;a;b", [("z", "z", Test(), ("a", "b"))]),
        ("z/", [("z", "z", Test(), ())]),
        ("<;z/<,2001:db8::1,b", [("z", "z", Test(), ("2001:db8::1", "b"))]),
        ("", []),
    ],
)
def test_reading(text, want):
    argument = parse(text)
    assert argument.entries == tuple(Entry(*parts, Unknown.EXCLUDE) for parts in want)
    assert argument.oddities == ()


def test_modes_are_for_what_follows():
    entries = parse("a : +include_unknown : b : c : +defer_unknown : d : +exclude_unknown : e").entries
    assert [entry.unknown.name for entry in entries] == ["EXCLUDE", "INCLUDE", "INCLUDE", "DEFER", "EXCLUDE"]


@pytest.mark.parametrize(
    "argument, message, column",
    [
        ("bl.test = 127.0.0.2", 'dnslists domain "bl.test " contains strange characters - is this right?', 19),
        ("a.test : !bl.test", 'dnslists domain "!bl.test" contains strange characters - is this right?', 28),
        ("bl!,bl.test", 'dnslists domain "bl!" contains strange characters - is this right?', 19),
        ("+bogus : bl.test", "unknown item in dnslist (ignored): +bogus", 19),
        ("bl.test=bogus", 'dnslists: "bogus" is not an IPv4 address', 19),
        ("bl.test&", 'dnslists: "" is not an IPv4 address', 19),
        ("bl.test=<;127.0.0.2;127.0.0.3", 'dnslists: "<;127.0.0.2;127.0.0.3" is not an IPv4 address', 19),
    ],
)
def test_what_is_odd_in_a_constant_does_not_load(world, argument, message, column):
    with pytest.raises(PolicyError) as caught:
        world.talk(at_connect(argument))
    problem = caught.value.problems[0]
    assert (problem.message, problem.where.line, problem.where.column) == (message, 3, column)
    assert "!dnslists turns the condition round" in problem.expected


def test_what_is_odd_in_a_computed_one_is_logged(world):
    world.talk(at_connect("${if eq{1}{1}{+bogus : bl.test}}$acl_c_none"))
    assert world.log[0] == "unknown item in dnslist (ignored): +bogus"
    assert world.log[1].startswith("HIT d=bl.test")


@pytest.mark.parametrize(
    "client, argument, want",
    [
        ("192.0.2.2", "bl.test", "HIT d=bl.test m=192.0.2.2 v=127.0.0.2 t=listed because"),
        ("192.0.2.1", "bl.test", "END d= m= v= t="),
        ("192.0.2.10", "bl.test", "HIT d=bl.test m=192.0.2.10 v=127.0.0.9 t="),
        ("192.0.2.8", "bl.test", "END d= m= v= t="),
        ("192.0.2.9", "bl.test", "END d= m= v= t="),
        ("192.0.2.1", "rhs.test/bad.example", "HIT d=rhs.test m=bad.example v=127.0.0.2 t=a bad domain"),
        ("192.0.2.2", "sub.test,merged.test=127.0.0.6", "HIT d=sub.test m=192.0.2.2 v=127.0.0.2 t=from sub"),
        ("192.0.2.2", "bl.test/$sender_host_address", "HIT d=bl.test m=192.0.2.2 v=127.0.0.2 t=listed because"),
        ("192.0.2.2", "${if eq{a}{b}{x}fail}", "HIT d= m= v= t="),
        ("192.0.2.11", "bl.test", "HIT d=bl.test m=192.0.2.11 v=127.255.255.255, 127.0.0.2 t="),
    ],
)
def test_what_it_leaves_behind(world, client, argument, want):
    world.talk(at_connect(argument), client)
    assert world.log[0] == want


def test_denying(world):
    policy = f"begin acl\nacl_check_connect:\n  deny dnslists = bl.test\n  message = {SHOW}\n  accept\n"
    _, reply = world.talk(policy)
    assert (reply.code, reply.lines) == (550, ("d=bl.test m=192.0.2.2 v=127.0.0.2 t=listed because",))
    assert world.talk(policy, "192.0.2.1")[1].lines == ()


@pytest.mark.parametrize(
    "argument, log",
    [
        ("down.test", ["assumed not in list", "END d= m= v= t="]),
        ("+include_unknown:down.test", ["assumed in list", "HIT d=down.test m=192.0.2.2 v= t="]),
        ("+defer_unknown:down.test", ["returned DEFER", 'ACL "warn" statement skipped']),
    ],
)
def test_a_list_that_is_down(world, argument, log):
    world.talk(at_connect(argument))
    assert [want in line for want, line in zip(log, world.log, strict=False)] == [True, True]


def test_error_codes_of_a_list_are_logged_and_counted(world):
    world.talk(at_connect("bl.test"), "192.0.2.5")
    assert world.log[0] == (
        "DNS list lookup for 192.0.2.5 at bl.test returned 127.255.255.254; not a listing but an error: "
        "assumed not in list"
    )
    assert world.metrics == [("bl.test", "refused")]


def test_a_local_submission_has_no_address(world):
    _, reply = world.talk("begin acl\nacl_check_connect:\n  deny dnslists = bl.test\n", client=None)
    assert reply.code == 451


@pytest.mark.parametrize(
    "argument, want",
    [
        ("bl.test", [("bl.test", "listed")]),
        ("none.test : bl.test", [("none.test", "not_listed"), ("bl.test", "listed")]),
        ("sub.test,merged.test", [("merged.test", "listed"), ("sub.test", "listed")]),
        ("bl.test/$sender_host_address", [("bl.test", "listed")]),
        ("$sender_host_address.bl.test", [("other", "not_listed")]),
    ],
)
def test_only_what_the_policy_names_is_a_label(world, argument, want):
    world.talk(at_connect(argument))
    assert world.metrics == want


def test_how_long_the_variables_last(world):
    """Which list, and who, as long as ``$acl_m…``; what it said, as long as the connection. As in Exim."""
    talk, _ = world.talk(
        f"""begin acl
acl_check_connect:
  warn dnslists = bl.test
  accept logwrite = connect {SHOW}
acl_check_helo:
  accept logwrite = helo {SHOW}
acl_check_mail:
  warn logwrite = mail {SHOW}
  warn dnslists = rhs.test/bad.example
  accept
acl_check_rcpt:
  accept logwrite = rcpt {SHOW}
"""
    )
    talk.helo("x")
    for _ in range(2):
        talk.mail("<a@b>")
        talk.rcpt("<c@d>")
        talk.abort()
    assert world.log == [
        "connect d=bl.test m=192.0.2.2 v=127.0.0.2 t=listed because",
        "helo d= m= v=127.0.0.2 t=listed because",
        "mail d= m= v=127.0.0.2 t=listed because",
        "rcpt d=rhs.test m=bad.example v=127.0.0.2 t=a bad domain",
        "mail d= m= v=127.0.0.2 t=a bad domain",
        "rcpt d=rhs.test m=bad.example v=127.0.0.2 t=a bad domain",
    ]
