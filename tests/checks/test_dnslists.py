"""DNS lists, as an algorithm: answers come from a table. What a live Exim says: tests/oracle/test_dns.py."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from policyd.checks.dnslists import FAILURE_LIFETIME, Entry, Hit, Inquiry, Test, Unknown, search
from policyd.errors import Defer, ExpansionError
from policyd.resolver import Answer, DnsTemporary

TABLE = {
    "2.2.0.192.bl": ("127.0.0.2",),
    "3.2.0.192.bl": ("127.0.0.2", "127.0.0.4"),
    "4.2.0.192.bl": ("192.0.2.99",),
    "5.2.0.192.bl": ("127.255.255.254",),
    "6.2.0.192.bl": ("127.0.0.1",),
    "7.2.0.192.bl": ("127.0.0.2", "10.0.0.1"),
    "8.2.0.192.bl": ("127.255.255.255", "127.0.0.8"),
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl": ("127.0.0.6",),
    "name.example.bl": ("127.0.0.3",),
    "2.2.0.192.texts": ("127.0.0.5",),
    "3.2.0.192.texts": ("192.0.2.1",),
}
TEXTS = {"2.2.0.192.bl": (b"because", b"more"), "2.2.0.192.texts": (b"in other words",)}


class Table:
    """A resolver. *down* never answers."""

    def __init__(self):
        self.asked = []

    def lookup(self, rtype, name):
        self.asked.append((rtype, name))
        if name.endswith(".down"):
            raise DnsTemporary("no reply in time")
        if rtype == "TXT":
            if name.startswith("3."):
                raise DnsTemporary("no reply in time")
            return Answer((TEXTS[name],) if name in TEXTS else ())
        return Answer(TABLE.get(name, ()), exists=name in TABLE, ttl=60)


class World:
    def __init__(self):
        self.resolver, self.notes, self.counts, self.known = Table(), [], [], {}

    def search(self, *entries, client="192.0.2.2", now=0.0):
        address = ip_address(client) if client else None
        inquiry = Inquiry(
            self.resolver, address, now, self.notes.append, lambda *count: self.counts.append(count), self.known
        )
        return search(entries, inquiry)


@pytest.fixture
def world():
    return World()


ANY = Test()


def zone(name="bl", test=ANY, keys=None, unknown=Unknown.EXCLUDE, text_zone=""):
    return Entry(name, text_zone or name, test, keys, unknown)


IS = Test
NOT = {"negated": True}
ALL = {"every": True}
BITS = {"masks": True}


@pytest.mark.parametrize(
    "last, test, listed",
    [
        ("1", Test(), False),
        ("2", Test(), True),
        ("3", Test(), True),
        ("4", Test(), False),
        ("7", Test(), True),
        ("2", IS(("127.0.0.2",)), True),
        ("2", IS(("127.0.0.3",)), False),
        ("2", IS(("127.0.0.3", "127.0.0.2")), True),
        ("3", IS(("127.0.0.2",)), True),
        ("3", IS(("127.0.0.2",), **ALL), False),
        ("3", IS(("127.0.0.2", "127.0.0.4"), **ALL), True),
        ("3", IS(("127.0.0.2",), **NOT), False),
        ("3", IS(("127.0.0.9",), **NOT), True),
        ("3", IS(("127.0.0.2",), **NOT, **ALL), True),
        ("1", IS(("127.0.0.9",), **NOT), False),
        ("3", IS(("0.0.0.4",), **BITS), True),
        ("3", IS(("0.0.0.4",), **BITS, **ALL), False),
        ("3", IS(("0.0.0.4",), **BITS, **NOT), False),
        ("3", IS(("0.0.0.4",), **BITS, **ALL, **NOT), True),
        ("3", IS(("127.0.0.6",), **BITS), False),
        ("3", IS(("0.0.0.8", "0.0.0.4"), **BITS), True),
        ("4", IS(("192.0.2.99",)), True),
        ("4", IS(("192.0.2.98",), **NOT), True),
        ("4", IS(("0.0.0.1",), **BITS), False),
        ("4", IS(("0.0.0.1",), **BITS, **NOT), True),
        ("7", IS(("10.0.0.1",)), True),
        ("7", IS(("127.0.0.2",), **ALL), False),
        ("7", IS(("0.0.0.2",), **BITS), True),
        ("2", IS(("bogus",)), False),
        ("2", IS(("bogus",), **BITS), False),
        ("5", Test(), False),
        ("6", Test(), False),
        ("8", Test(), True),
        ("5", IS(("127.255.255.254",)), True),
        ("6", IS(("127.0.0.1",)), True),
        ("5", IS(("127.0.0.2",), **NOT), False),
        ("5", IS(("0.0.0.2",), **BITS), False),
        ("6", IS(("0.0.0.1",), **BITS), False),
        ("8", IS(("127.0.0.8",), **ALL), True),
    ],
)
def test_which_answers_count(world, last, test, listed):
    assert (world.search(zone(test=test), client=f"192.0.2.{last}") is not None) is listed


@pytest.mark.parametrize(
    "entries, client, want",
    [
        ([zone()], "192.0.2.2", Hit("bl", "192.0.2.2", "127.0.0.2", "because")),
        ([zone()], "192.0.2.3", Hit("bl", "192.0.2.3", "127.0.0.2, 127.0.0.4", "")),
        ([zone()], "2001:db8::1", Hit("bl", "2001:db8::1", "127.0.0.6", "")),
        ([zone("none"), zone()], "192.0.2.2", Hit("bl", "192.0.2.2", "127.0.0.2", "because")),
        ([zone(keys=("nobody.example", "name.example"))], None, Hit("bl", "name.example", "127.0.0.3", "")),
        ([zone(keys=("192.0.2.2",))], "192.0.2.1", Hit("bl", "192.0.2.2", "127.0.0.2", "because")),
        ([zone(keys=())], "192.0.2.2", None),
        ([], "192.0.2.2", None),
        ([zone(text_zone="texts")], "192.0.2.2", Hit("texts", "192.0.2.2", "127.0.0.5", "in other words")),
        ([zone(text_zone="texts")], "192.0.2.3", None),
        ([zone(text_zone="texts")], "192.0.2.7", None),
    ],
)
def test_what_is_found(world, entries, client, want):
    assert world.search(*entries, client=client) == want


def test_no_client(world):
    with pytest.raises(ExpansionError, match="auto-keyed"):
        world.search(zone(), client=None)


@pytest.mark.parametrize(
    "name, client, query, reason",
    [
        ("down", "192.0.2.2", "2.2.0.192.down", "DNS list lookup defer (probably timeout) for 2.2.0.192.down"),
        (
            "bl",
            "192.0.2.5",
            "5.2.0.192.bl",
            "DNS list lookup for 192.0.2.5 at bl returned 127.255.255.254; not a listing but an error",
        ),
    ],
)
@pytest.mark.parametrize(
    "unknown, said", [(Unknown.INCLUDE, "in list"), (Unknown.EXCLUDE, "not in list"), (Unknown.DEFER, "DEFER")]
)
def test_a_list_that_gives_no_answer(world, name, client, query, reason, unknown, said):
    entry = zone(name, unknown=unknown)
    if unknown is Unknown.DEFER:
        with pytest.raises(Defer):
            world.search(entry, client=client)
    else:
        want = Hit(name, client) if unknown is Unknown.INCLUDE else None
        assert world.search(entry, client=client) == want
    assert [note.startswith(reason) and note.endswith(said) for note in world.notes] == [True]


def test_a_later_key_that_is_listed_counts_for_more_than_one_that_failed(world):
    entry = Entry("bl", "bl", Test(), ("x.down", "192.0.2.2"), Unknown.DEFER)
    down = Entry("down", "down", Test(), ("a", "b"), Unknown.DEFER)
    assert world.search(entry) is not None
    with pytest.raises(Defer):
        world.search(down, zone())


@pytest.mark.parametrize(
    "last, want",
    [
        ("2", ("bl", "listed")),
        ("1", ("bl", "not_listed")),
        ("4", ("bl", "not_listed")),
        ("5", ("bl", "refused")),
        ("6", ("bl", "refused")),
    ],
)
def test_counting(world, last, want):
    world.search(zone(), zone("down"), client=f"192.0.2.{last}")
    assert world.counts[0] == want
    assert world.counts[1:] == ([] if last == "2" else [("down", "error")])


def test_what_is_outside_of_127_is_noted(world):
    world.search(zone(), client="192.0.2.7")
    assert world.notes == ["DNS list lookup for 192.0.2.7 at bl returned 10.0.0.1; not in 127.0/8 and discarded"]


def test_a_connection_asks_once_while_the_answer_lives(world):
    for now in (0.0, 59.0):
        world.search(zone(), client="192.0.2.3", now=now)
    assert world.resolver.asked.count(("A", "3.2.0.192.bl")) == 1
    world.search(zone(), client="192.0.2.3", now=61.0)
    assert world.resolver.asked.count(("A", "3.2.0.192.bl")) == 2


def test_a_list_that_is_down_is_left_alone_for_a_while(world):
    for now in (0.0, FAILURE_LIFETIME - 1):
        world.search(zone("down"), now=now)
    assert len(world.resolver.asked) == 1
    assert len(world.notes) == 2
    world.search(zone("down"), now=FAILURE_LIFETIME + 1)
    assert len(world.resolver.asked) == 2
