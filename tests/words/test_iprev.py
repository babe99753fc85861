"""``iprev`` and ``$sender_host_dnssec``, and the name they go with."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from parts import exchange

from policyd.conversation import Conversation
from policyd.transaction import Client

ZONE = """\
1.2.0.192.in-addr.arpa PTR host.test.
host.test              A   192.0.2.1
2.2.0.192.in-addr.arpa PTR host.test.
"""
RESULTS = ["pass", "fail", "permerror", "temperror"]


class Dns:
    """Zone files, vouched for or not; remembers what was asked."""

    def __init__(self, zone, secure=False):
        self._zone = zone
        self._secure = secure
        self.asked = []

    def lookup(self, rtype, name):
        self.asked.append(name)
        return replace(self._zone.lookup(rtype, name), secure=self._secure)

    def until(self, deadline):
        return self


class World(exchange.World):
    """Policies as text, and clients that connect."""

    def __init__(self, secure=False):
        super().__init__(ZONE, failing=["3.2.0.192.in-addr.arpa"])
        self.dns = Dns(self.services.resolver, secure)
        self.services = replace(self.services, resolver=self.dns)

    def talk(self, policy):
        return Conversation(exchange.load(policy), self.services)

    def connect(self, policy, address="192.0.2.1", name=""):
        talk = self.talk(f"begin acl\nacl_check_connect:\n{policy}")
        return talk.connect(Client(ip_address(address) if address else None, name=name)).code


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize(
    ("address", "name", "results"),
    [
        ("192.0.2.1", "", ["pass"]),
        ("192.0.2.2", "", ["fail"]),
        ("192.0.2.3", "", ["temperror"]),
        ("192.0.2.4", "", ["permerror"]),
        ("192.0.2.4", "mta.test", ["pass"]),  # the MTA has looked
        ("", "", []),
    ],
)
def test_results(world, address, name, results):
    matching = [word for word in RESULTS if world.connect(f"  deny iprev = {word}\n  accept\n", address, name) == 550]
    assert matching == results


@pytest.mark.parametrize(
    ("argument", "holds"), [("fail : permerror", False), ("!pass", False), ("*", True), ("PASS", True), ("!fail", True)]
)
def test_lists(world, argument, holds):
    assert (world.connect(f"  deny iprev = {argument}\n  accept\n") == 550) is holds


def test_one_lookup_is_enough(world):
    policy = "  warn iprev = *\n  warn logwrite = $sender_host_name $sender_host_dnssec\n  accept iprev = pass\n"
    world.connect(policy)
    assert world.dns.asked == ["1.2.0.192.in-addr.arpa", "host.test"]
    assert world.logged == ["host.test no"]
    assert [event for event in world.counts.events if event[0] == "iprev_results_total"] == [
        ("iprev_results_total", "pass")
    ]


@pytest.mark.parametrize(("secure", "answer"), [(True, "yes"), (False, "no")])
def test_dnssec(secure, answer):
    world = World(secure)
    world.connect("  accept logwrite = $sender_host_dnssec\n")
    assert world.logged == [answer]


@pytest.mark.parametrize(("secure", "answer"), [(True, "yes"), (False, "no")])
def test_dnssec_of_the_name_in_helo(secure, answer):
    world = World(secure)
    text = "begin acl\nacl_check_helo:\n  warn verify = helo\n  accept logwrite = $sender_helo_dnssec\n"
    talk = world.talk(text)
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.helo("host.test")
    assert world.logged == [answer]


def test_what_is_not_asked_for_is_not_looked_up(world):
    world.connect("  accept\n")
    assert world.dns.asked == []
