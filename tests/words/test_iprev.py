"""``iprev`` and ``$sender_host_dnssec``, and the name they go with."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from policyd import metrics, words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

ZONE = """\
1.2.0.192.in-addr.arpa PTR host.test.
host.test              A   192.0.2.1
2.2.0.192.in-addr.arpa PTR host.test.
"""
RESULTS = ["pass", "fail", "permerror", "temperror"]


class Log(list):
    """The main log."""

    def write(self, target, text):
        if target == "main":
            self.append(text)


class Counts(list):
    """What was reported."""

    def count(self, name, amount=1, **labels):
        metrics.check(name, labels)
        self.append((name, *labels.values()))

    def observe(self, name, value, **labels):
        metrics.check(name, labels)


class Dns:
    """Zone files, vouched for or not; remembers what was asked."""

    def __init__(self, file, secure=False):
        self._zone = ZoneResolver([file], failing=["3.2.0.192.in-addr.arpa"])
        self._secure = secure
        self.asked = []

    def lookup(self, rtype, name):
        self.asked.append(name)
        return replace(self._zone.lookup(rtype, name), secure=self._secure)

    def until(self, deadline):
        return self


class World:
    """Policies as text, and clients that connect."""

    def __init__(self, directory, secure=False):
        words.load()
        (directory / "zone").write_text(ZONE)
        self.file = directory / "policy.conf"
        self.log, self.metrics, self.dns = Log(), Counts(), Dns(directory / "zone", secure)

    def connect(self, policy, address="192.0.2.1", name=""):
        self.file.write_text(f"begin acl\nacl_check_connect:\n{policy}")
        talk = Conversation(load(self.file), Services(self.dns, MemoryStore(), self.metrics, self.log))
        return talk.connect(Client(ip_address(address) if address else None, name=name)).code


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


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
    assert world.log == ["host.test no"]
    assert [entry for entry in world.metrics if entry[0] == "iprev_results_total"] == [("iprev_results_total", "pass")]


@pytest.mark.parametrize(("secure", "answer"), [(True, "yes"), (False, "no")])
def test_dnssec(tmp_path, secure, answer):
    world = World(tmp_path, secure)
    world.connect("  accept logwrite = $sender_host_dnssec\n")
    assert world.log == [answer]


@pytest.mark.parametrize(("secure", "answer"), [(True, "yes"), (False, "no")])
def test_dnssec_of_the_name_in_helo(tmp_path, secure, answer):
    world = World(tmp_path, secure)
    text = "begin acl\nacl_check_helo:\n  warn verify = helo\n  accept logwrite = $sender_helo_dnssec\n"
    world.file.write_text(text)
    talk = Conversation(load(world.file), Services(world.dns, MemoryStore(), world.metrics, world.log))
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.helo("host.test")
    assert world.log == [answer]


def test_what_is_not_asked_for_is_not_looked_up(world):
    world.connect("  accept\n")
    assert world.dns.asked == []
