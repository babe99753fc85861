"""Rates in every store are those of the formula, computed with fifty digits, whatever the clock does."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policyd.checks.counting import Counting
from policyd.checks.ratelimit import Event, Update
from policyd.stores import LmdbStore, MemoryStore

pytestmark = pytest.mark.xdist_group("redis")

START = 1_700_000_000.25
FOREVER = 1e18  # seconds: what expires is another test's
EXACT = 1e-9
KEYS = (b"ratelimit/1h/per_mail/a", b"ratelimit/1h/per_mail/b")


def reference(state, now, event):
    """The formula: from (time, rate, when unique texts were first known, and which) to the next, and the rate."""
    then, rate, epoch, known = state or (None, Decimal(0), -math.inf, frozenset())
    count = Decimal(event.count)
    if event.unique is not None and event.update is not Update.READONLY:
        if math.floor(now) > epoch + event.period:
            epoch, known = math.floor(now), frozenset()
        count, known = Decimal(0) if event.unique in known else count, known | {event.unique}
    x = (Decimal(now) - Decimal(then)) / Decimal(event.period) if state else Decimal(0)
    rate = rate + count if x <= 0 else max(count, (1 - (-x).exp()) * count / x + (-x).exp() * rate)
    stored = event.update is Update.STRICT or (event.update is Update.LEAKY and rate < Decimal(event.limit))
    return ((now, rate, epoch, known) if stored else state), rate


def counting(update, count):
    return st.builds(
        Event,
        limit=st.sampled_from([0.0, math.e, 5 * math.pi, 1e3 * math.pi]),  # no sum of counts
        period=st.sampled_from([5.0, 60.0, 3600.0, 604800.0]),
        count=count,
        update=update,
        unique=st.none() | st.sampled_from(["", "a", "b", "userx@test.ex", "\xff\0"]),
    )


COUNTS = st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 2.0, 7.0, 65536.0])
EVENTS = counting(st.sampled_from([Update.LEAKY, Update.STRICT]), COUNTS) | counting(
    st.just(Update.READONLY), st.just(0.0)
)
PAUSES = st.one_of(
    st.just(0.0),
    st.floats(1e-6, 100.0),
    st.sampled_from([0.01, 1.0, 59.9, 60.0, 3600.0, 86400.0, 1e7]),
    st.sampled_from([-1e-6, -0.5, -61.0, -86400.0]),  # the clock goes back
)
TIMELINE = st.lists(st.tuples(PAUSES, st.sampled_from(KEYS), EVENTS), max_size=25)


class Clock:
    now = START

    def __call__(self):
        return self.now


@pytest.fixture(params=["memory", "lmdb", "redis"])
def counted(request, tmp_path):
    """A clock and a store that goes by it, empty each time."""
    clock = Clock()
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        store = request.getfixturevalue("shared")(f"redis://127.0.0.1:{server.port}", clock=clock)
    else:
        store = MemoryStore(clock) if request.param == "memory" else LmdbStore(tmp_path / "store", clock=clock)

    def fresh():
        clock.now = START
        for key in KEYS:
            store.delete(key)
        return clock, store

    yield fresh
    store.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TIMELINE)
def test_every_rate_is_that_of_the_formula(counted, timeline):
    clock, store = counted()
    states = dict.fromkeys(KEYS)
    with localcontext(prec=50, Emin=-(10**9)):
        for pause, key, event in timeline:
            clock.now += pause
            states[key], expected = reference(states[key], clock.now, event)
            if event.update is Update.READONLY:
                rate = store.read(key, Counting(event))
            else:
                rate = store.update(key, Counting(event), FOREVER)
            assert rate == pytest.approx(float(expected), rel=EXACT, abs=EXACT)
