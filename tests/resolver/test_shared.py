"""DNS answers in a store: what comes back is what was asked for, and nothing else is believed."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from parts.nsd import Nsd

from policyd.errors import Defer
from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.cached import CachedResolver
from policyd.resolver.shared import SharedSource
from policyd.stores import MemoryStore

ANSWERS = {
    "A": Answer(("192.0.2.1", "192.0.2.2"), ttl=300.0),
    "AAAA": Answer(("2001:db8::1",), ttl=300.0, secure=True),
    "MX": Answer(((10, "mx.example.org"), (0, "")), ttl=300.0),
    "TXT": Answer(((b"v=spf1 ", b"-all"), (b"\x00\xff\xc3\xa9",), ()), ttl=300.0),
    "PTR": Answer(("a.example.org", "b\\.c.example.org"), ttl=300.0),
    "TLSA": Answer(("3 1 1 00ff",), ttl=300.0),
    "NS": Answer((), ttl=60.0),
    "CNAME": Answer((), exists=False, ttl=60.0),
}


class Servers:
    """Name servers that know `ANSWERS`, or fail."""

    def __init__(self):
        self.asked = []
        self.failing = False

    def answer(self, rtype, name, limit):
        self.asked.append((rtype, name))
        if self.failing:
            raise DnsTemporary("SERVFAIL")
        return ANSWERS[rtype]


class World:
    now = 1000.0

    def __init__(self):
        self.store = MemoryStore(lambda: self.now)
        self.servers = Servers()

    def ask(self, rtype="A", name="example.org"):
        """What another worker hears."""
        return SharedSource(self.servers, self.store).answer(rtype, name, time.monotonic() + 5)


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize("rtype", ANSWERS)
def test_one_asks_for_all(world, rtype):
    assert [world.ask(rtype) for _ in range(3)] == [ANSWERS[rtype]] * 3
    assert world.servers.asked == [(rtype, "example.org")]


def test_types_and_names_are_apart(world):
    for rtype, name in [("A", "a"), ("A", "b"), ("TXT", "a"), ("A", "a")]:
        assert world.ask(rtype, name) == ANSWERS[rtype]
    assert len(world.servers.asked) == 3


def test_it_lives_as_long_as_it_says(world):
    world.ask()
    world.now += 299
    assert world.ask() == replace(ANSWERS["A"], ttl=1.0)
    world.now += 1
    assert world.ask() == ANSWERS["A"]
    assert len(world.servers.asked) == 2


def test_failures_are_not_shared(world):
    world.servers.failing = True
    with pytest.raises(DnsTemporary):
        world.ask()
    world.servers.failing = False
    assert world.ask() == ANSWERS["A"]


@pytest.mark.parametrize(
    "answer", [Answer(("192.0.2.1",), ttl=0.5), Answer(((b"x" * 5000,),), ttl=300.0)], ids=["short-lived", "long"]
)
def test_what_is_not_shared(world, monkeypatch, answer):
    monkeypatch.setitem(ANSWERS, "TXT", answer)
    assert [world.ask("TXT"), world.ask("TXT")] == [answer, answer]
    assert (len(world.servers.asked), list(world.store.scan(b""))) == (2, [])


def test_a_store_that_fails_is_no_matter(world):
    class Down(MemoryStore):
        def read(self, key, step):
            raise Defer("gone")

    class Full(MemoryStore):
        def update(self, key, step, ttl):
            raise Defer("full")

    for store in (Down(), Full()):
        world.store = store
        assert world.ask() == ANSWERS["A"]


ZONE = """\
$ORIGIN example.org.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS  ns
@ MX  10 mx
@ TXT "v=spf1 " "-all" "\\255"
a A   192.0.2.1
a AAAA 2001:db8::1
b CNAME a
c SRV 0 5 25 mx
"""
QUESTIONS = [
    *(("example.org", rtype) for rtype in ("MX", "TXT", "NS", "SOA", "A")),
    *(("a.example.org", rtype) for rtype in ("A", "AAAA")),
    *(("b.example.org", rtype) for rtype in ("A", "CNAME")),
    ("c.example.org", "SRV"),
    ("nothing.example.org", "A"),
]


class Counts:
    """How many questions went to name servers."""

    questions = 0

    def count(self, name, *labels, amount=1):
        self.questions += name == "dns_queries_total"

    def observe(self, name, value, *labels):
        pass


def test_the_second_worker_asks_no_server():
    store, heard = MemoryStore(), []
    with Nsd({"example.org": ZONE}) as server:
        for _ in range(2):
            counts = Counts()
            resolver = CachedResolver(["127.0.0.1"], server.port, metrics=counts)
            resolver.open(store)
            found = [resolver.lookup(rtype, name) for name, rtype in QUESTIONS]
            heard.append(([replace(answer, ttl=0) for answer in found], counts.questions))
    assert heard[0][0] == heard[1][0]
    assert [questions for _, questions in heard] == [len(QUESTIONS), 0]


GOOD = [["192.0.2.1"], True, 1300.0, False]
END = 2


def other(place, value):
    changed = list(GOOD)
    changed[place] = value
    return json.dumps(changed).encode()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"x",
        b"\xff",
        b"null",
        b"[]",
        b"[" * 100_000,
        other(0, None),
        other(0, "192.0.2.1"),
        other(0, [1]),
        other(0, [["192.0.2.1"]]),
        other(0, ["192.0.2.256"]),
        other(0, ["2001:db8::1"]),
        other(0, ["192.0.2.1\n"]),
        other(1, None),
        other(1, 1),
        other(END, None),
        other(END, "soon"),
        other(END, 10**400),
        other(END, float("inf")),
        other(END, float("nan")),
        other(END, 999.0),
        other(END, 1e9),
        other(3, 0),
    ],
    ids=range(23),
)
def test_what_is_no_answer_is_not_believed(world, stored):
    world.store.put(b"dns/A/example.org", stored, 60)
    assert world.ask() == ANSWERS["A"]
    assert world.servers.asked == [("A", "example.org")]


@pytest.mark.parametrize(
    "rtype, records",
    [
        ("TXT", ["text"]),
        ("TXT", [[1]]),
        ("TXT", [["\u0100"]]),
        ("MX", ["mx"]),
        ("MX", [["10", "mx"]]),
        ("MX", [[10]]),
        ("MX", [[10, "m\u00fcx"]]),
        ("PTR", [["a"]]),
        ("PTR", "ab"),
        ("PTR", ["a\r\nb"]),
    ],
)
def test_records_of_another_shape(world, rtype, records):
    world.store.put(f"dns/{rtype}/example.org".encode(), other(0, records), 60)
    assert world.ask(rtype) == ANSWERS[rtype]
    assert len(world.servers.asked) == 1
