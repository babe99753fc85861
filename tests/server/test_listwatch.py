"""The watch over DNS lists: what it counts, says and asks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from policyd import words
from policyd.config import load
from policyd.resolver import Answer
from policyd.server.listwatch import ListWatch

POLICY = """\
begin acl
acl_check_connect:
  deny dnslists = zen.test : bl.test=127.0.0.2
acl_check_mail:
  deny dnslists = dbl.test/$sender_address_domain : +include_unknown : zen.test
  deny dnslists = $acl_c_list
  accept
"""


class World:
    """Lists, of which some work, and what is said of them."""

    def __init__(self):
        self.working = {"a.test", "b.test"}
        self.needs = {"dnslist a.test", "dnslist b.test", "body"}
        self.lines, self.value = [], {}
        self.watch = ListWatch(lambda: frozenset(self.needs), self, self, self)

    def lookup(self, rtype, name):
        prefix, _, zone = name.partition(".127.")
        return Answer(("127.0.0.2",) if zone in self.working and prefix == "2.0.0" else ())

    def count(self, name, *labels, amount=1):
        assert name == "dnsbl_unhealthy"
        self.value[labels[0]] = self.value.get(labels[0], 0) + amount

    def observe(self, name, value, *labels):
        raise AssertionError(name)

    def write(self, target, text):
        self.lines.append(f"{target}: {text}")


@pytest.fixture
def world():
    return World()


def test_lists_of_a_policy(tmp_path):
    """Those that are asked about clients, by a constant name."""
    words.load()
    (tmp_path / "policy").write_text(POLICY)
    needs = load(tmp_path / "policy").needs
    assert {need for need in needs if need.startswith("dnslist")} == {"dnslist zen.test", "dnslist bl.test"}


def test_healthy_from_the_start(world):
    world.watch.look()
    assert (world.value, world.lines) == ({"a.test": 0, "b.test": 0}, [])


def test_a_list_that_stops_and_works_again(world):
    for working, value, said in [
        ({"a.test"}, 1, ["main: DNS list b.test fails its test (RFC 5782)"]),
        ({"a.test"}, 1, []),
        ({"a.test", "b.test"}, 0, ["main: DNS list b.test works again (RFC 5782)"]),
        ({"a.test", "b.test"}, 0, []),
    ]:
        world.lines.clear()
        world.working = working
        world.watch.look()
        assert (world.value, world.lines) == ({"a.test": 0, "b.test": value}, said)


def test_a_list_that_the_policy_asks_no_more(world):
    world.working = set()
    world.watch.look()
    assert world.value == {"a.test": 1, "b.test": 1}
    world.needs = {"dnslist b.test"}
    world.watch.look()
    assert world.value == {"a.test": 0, "b.test": 1}


def test_a_fault_does_not_end_it(world, monkeypatch):
    """It is reported, and the next look comes."""
    pauses = []

    def look():
        if len(pauses) == 2:
            raise SystemExit
        raise RuntimeError("strange")

    monkeypatch.setattr(world.watch, "look", look)
    monkeypatch.setattr("policyd.server.listwatch.time", SimpleNamespace(sleep=pauses.append))
    with pytest.raises(SystemExit):
        world.watch._run()
    assert pauses == [60.0, 900.0]
    assert world.lines[0] == "panic: unexpected error in the watch over DNS lists"
