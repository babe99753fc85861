"""Operations: the step in Python and its twin in Lua give the same answers, and store the same octets."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policyd.checks.counting import Counting
from policyd.checks.ratelimit import Bucket, Event, Filter, Update
from policyd.stores import MemoryStore
from policyd.words.seen import Sight

pytestmark = pytest.mark.xdist_group("redis")

EVENTS = st.builds(
    Event,
    limit=st.sampled_from([0.0, 0.5, 1.0, 3.0, 30.0, 5000.0, math.inf]),
    period=st.sampled_from([1.0, 60.0, 3600.0, 604800.0]),
    count=st.sampled_from([0.0, 0.001, 1.0, 7.5, 1e12, 1e308, math.inf]),
    update=st.sampled_from(Update),
    unique=st.sampled_from([None, "", "a", "b", "c", "userx@test.ex", "\xff\0"]),
)
SIGHTS = st.builds(
    Sight,
    interval=st.sampled_from([0.0, 1.0, 300.0]),
    since=st.booleans(),
    mode=st.sampled_from(["", "readonly", "write"]),
    refresh=st.sampled_from([0.0, 10.0, 864000.0]),
)
FOREVER = 1e18  # seconds: Redis has a clock of its own for what expires
PAUSES = st.sampled_from([0.0, 1e-6, 0.0005, 0.01, 0.9, 1.0, 59.9, 3600.0, 1e6, 1e9, -1e-6, -5.0, -1e6])
WELL = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def both(redis_server, shared):
    """A store in memory and one in Redis, empty, with one clock."""

    def make():
        now = [1_700_000_000.25]
        redis_server.ask("FLUSHALL")
        stores = MemoryStore(lambda: now[0]), shared(f"redis://127.0.0.1:{redis_server.port}", clock=lambda: now[0])
        return now, stores

    return make


def rate(octets):
    """The rate in a bucket, and its octets without it."""
    return (None, None) if octets is None else (struct.unpack_from("<8xd", octets)[0], octets[:8] + octets[16:])


@WELL
@given(st.lists(st.tuples(PAUSES, EVENTS), max_size=12))
def test_rates(both, events):
    now, (memory, redis) = both()
    for pause, event in events:
        now[0] += pause
        here, there = (store.update(b"k", Counting(event), FOREVER) for store in (memory, redis))
        assert there == pytest.approx(here, rel=1e-12)
        (here, rest), (there, other) = (rate(store.get(b"k")) for store in (memory, redis))
        assert (there, other) == (pytest.approx(here, rel=1e-12) if here is not None else None, rest)
        assert redis.read(b"k", Counting(event)) == pytest.approx(memory.read(b"k", Counting(event)), rel=1e-12)


@WELL
@given(st.lists(st.tuples(PAUSES, SIGHTS), max_size=12))
def test_sights(both, events):
    now, (memory, redis) = both()
    for pause, sight in events:
        now[0] += pause
        assert redis.update(b"k", sight, FOREVER) is memory.update(b"k", sight, FOREVER)
        assert redis.get(b"k") == memory.get(b"k")
        assert redis.read(b"k", sight) is memory.read(b"k", sight)


GOOD = Bucket(1_700_000_000.0, 5.0, Filter(1_700_000_000.0, bytes(60))).encoded()
FOREIGN = [
    b"",
    b"x",
    b"x" * 15,
    b"\0" * 16,
    b"\xff" * 16,
    struct.pack("<dd", math.nan, 1),
    struct.pack("<dd", 1_700_000_000, math.inf),
    struct.pack("<dd", -math.inf, 1),
    struct.pack("<dd", 1_700_000_000, -1),
    struct.pack("<ddd", 1_700_000_000, 1, math.nan) + bytes(40),
    struct.pack("<ddd", 1_700_000_000, 1, math.nan),
    struct.pack("<ddd", 1_700_000_000, 1, 1e300) + b"\xff" * 40,
    GOOD[:17],
    GOOD[:24],
    GOOD[:63],
    GOOD[:64],
    GOOD[:65],
    GOOD,
    b"0x10",
    b"1700000000",
    b"1700000000.000000",
    b"-1700000000.000000",
    b" 1700000000.000000",
    b"1700000000.000000\n",
    b"inf",
    b"nan",
    b"1_000.000000",
]


@pytest.mark.parametrize("stored", FOREIGN, ids=range(len(FOREIGN)))
def test_whatever_is_stored(both, stored):
    """What another program has left under our key."""
    for operation in (
        Counting(Event(100, 3600, update=Update.STRICT)),
        Counting(Event(100, 3600, update=Update.STRICT, unique="a")),
        Sight(300.0),
        Sight(300.0, since=True),
    ):
        _, (memory, redis) = both()
        for store in (memory, redis):
            store.put(b"k", stored, FOREVER)
        assert redis.update(b"k", operation, FOREVER) == pytest.approx(
            memory.update(b"k", operation, FOREVER), rel=1e-12
        )
        assert redis.get(b"k") == pytest.approx(memory.get(b"k"))


def test_one_of_three_hosts_counts_for_all():
    store = MemoryStore(lambda: 1000.0)
    event = Counting(Event(limit=9, period=3600)).alone(3)
    assert [store.update(b"k", event, 60) for _ in range(3)] == [3, 6, 9]


@pytest.mark.parametrize(
    "operation, answer",
    [(Counting(Event(5, 60)), 0.0), (Sight(300.0), False), (Sight(300.0, since=True), True)],
)
def test_what_lets_mail_through(operation, answer):
    assert operation.lenient() == answer
