"""The ratelimit computation: arguments, keys, rates and unique events, as a live Exim does them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.checks.ratelimit import (
    LARGEST_FILTER,
    Bucket,
    Event,
    Filter,
    Limit,
    Update,
    bloom_bits,
    lifetime,
    parse,
    step,
)

CLIENT = "192.0.2.1"
HINT = ": digits with one of w, d, h, m, s, such as 1m30s"
LEAKY, STRICT, READONLY = Update.LEAKY, Update.STRICT, Update.READONLY

# -- the argument


@pytest.mark.parametrize(
    "text, limit, period",
    [
        ("5/1h", 5, 3600),
        (" 5 \t/ 1h ", 5, 3600),
        ("+5/1h", 5, 3600),
        ("5./1h", 5, 3600),
        (".5/1h", 0.5, 3600),
        ("1e3/1h", 1000, 3600),
        ("5K/1h", 5120, 3600),
        ("1.5m/1h", 1572864, 3600),
        ("2g/1h", 2147483648, 3600),
        ("inf/1h", math.inf, 3600),
        ("1e999/1h", math.inf, 3600),
        ("-0/1h", 0, 3600),
        ("/1h", 0, 3600),  # what is empty is 0 to C
        ("k/1h", 0, 3600),
        ("5/5s", 5, 5),
        ("5/10m", 5, 600),
        ("5/1d", 5, 86400),
        ("5/1w", 5, 604800),
        ("5/1h30m", 5, 5400),
        ("5/30m1h", 5, 5400),
        ("5/1h1h", 5, 7200),
        ("5/01h", 5, 3600),
    ],
)
def test_limit_and_period(text, limit, period):
    parsed = parse(text)
    assert (parsed.limit, parsed.period) == (limit, period)


def test_the_texts_are_kept_as_written():
    parsed = parse(" 5K / 60m ")
    assert (parsed.limit_text, parsed.period_text, parsed.name) == ("5K", "60m", "60m/per_mail")


@pytest.mark.parametrize(
    "text, key",
    [
        ("5/1h", "1h/per_mail/192.0.2.1"),
        ("5/60m", "60m/per_mail/192.0.2.1"),  # another bucket
        ("5/1h/", "1h/per_mail/192.0.2.1"),
        ("5/1h/per_mail", "1h/per_mail/192.0.2.1"),
        ("5/1h/per_byte", "1h/per_mail/192.0.2.1"),
        ("5/1h/per_rcpt", "1h/per_rcpt/192.0.2.1"),
        ("5/1h/per_addr", "1h/per_rcpt/unique/192.0.2.1"),
        ("5/1h/per_conn", "1h/per_conn/192.0.2.1"),
        ("5/1h/PER_CMD", "1h/per_cmd/192.0.2.1"),
        ("5/1h/strict/count=3/noupdate", "1h/per_mail/192.0.2.1"),
        ("5/1h/unique=", "1h/per_mail/unique/192.0.2.1"),
        ("5/1h/Unique=A", "1h/per_mail/unique/192.0.2.1"),
        ("5/1h/unique=a/b", "1h/per_mail/unique/b"),
        ("5/1h/unique=a//b", "1h/per_mail/unique/192.0.2.1"),
        ("5/1h/key", "1h/per_mail/key"),
        ("5/1h/Key/strict", "1h/per_mail/Key"),
        ("5/1h/noreply", "1h/per_mail/noreply"),  # no option, so a key
        ("5/1h/per_foo", "1h/per_mail/per_foo"),
        ("5/1h/strict=1", "1h/per_mail/strict=1"),
        ("5/1h/count = 2", "1h/per_mail/count = 2"),
        ("5/1h/a/b", "1h/per_mail/a/b"),
        ("5/1h/a//b", "1h/per_mail/a/b"),
        ("5/1h/a/strict/b", "1h/per_mail/a/b"),
        ("5/1h/ a / b ", "1h/per_mail/a/b"),
        ("5/1h/a/", "1h/per_mail/a"),
        ("5/1h/a/ /b", "1h/per_mail/a//b"),
        ("5/1h/ /x", "1h/per_mail//x"),
        ("5/1h/ / /x", "1h/per_mail///x"),
        ("5/1h/ x\ty", "1h/per_mail/x\ty"),
        ("5/1h/\xa0k\xa0", "1h/per_mail/\xa0k\xa0"),  # no blank in ASCII
    ],
)
def test_key(text, key):
    assert parse(text).bucket_key(CLIENT) == key


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", {}),
        ("/strict", {"update": STRICT}),
        ("/LEAKY", {"update": LEAKY}),
        ("/readonly", {"update": READONLY}),
        ("/noupdate", {"update": READONLY}),
        ("/noupdate/strict", {"update": READONLY}),
        ("/leaky/noupdate", {"update": READONLY}),
        ("/strict/strict", {"update": STRICT}),
        ("/count=2.5", {"count": 2.5, "counted": True}),
        ("/COUNT= 3", {"count": 3.0, "counted": True}),
        ("/count=", {"count": 0.0, "counted": True}),
        ("/per_byte", {"option": "per_byte"}),
        ("/per_byte/count=7", {"option": "per_byte", "count": 7.0, "counted": True}),
        ("/count=7/per_byte", {"option": "per_byte", "count": 7.0}),  # overridden where per_byte counts
        ("/unique=z", {"unique": "z"}),
        ("/per_addr/unique=z", {"option": "per_addr", "unique": "z"}),
        ("/unique=z/per_addr", {"option": "per_addr"}),
        ("/unique=z/per_mail", {"option": "per_mail", "unique": "z"}),
    ],
)
def test_options(text, expected):
    assert parse(f"5/1h{text}") == Limit(5.0, 3600.0, "5", "1h", **expected)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "sender rate limit not set"),
        (" \t", "sender rate limit not set"),
        ("5", "sender rate period not set"),
        ("5/ ", "sender rate period not set"),
        ("x", '"x" is not a positive number'),
        ("-1/1h", '"-1" is not a positive number'),
        ("-1/y", '"-1" is not a positive number'),
        ("5x/1h", '"5x" is not a positive number'),
        ("5kk/1h", '"5kk" is not a positive number'),
        ("5 k/1h", '"5 k" is not a positive number'),
        ("5//1h", '"5/1h" is not a positive number'),
        ("5///1h", '"5/" is not a positive number'),
        ("nan/1h", '"nan" is not a positive number'),
        ("\xb2/1h", '"\xb2" is not a positive number'),
        ("5/10", f'"10" is not a time value{HINT}'),
        ("5/0s", '"0s" is not a time value'),
        ("5/-1h", f'"-1h" is not a time value{HINT}'),
        ("5/1.5h", f'"1.5h" is not a time value{HINT}'),
        ("5/1H", f'"1H" is not a time value{HINT}'),
        ("5/1h 30m", f'"1h 30m" is not a time value{HINT}'),
        ("5/1h//", f'"1h/" is not a time value{HINT}'),
        ("5/ /x", f'"" is not a time value{HINT}'),
        ("5/y/per_mail/per_mail", f'"y" is not a time value{HINT}'),
        ("5/1h/per_mail/per_mail", "conflicting per_* options"),
        ("5/1h/per_byte/per_mail", "conflicting per_* options"),
        ("5/1h/per_rcpt/x/per_addr", "conflicting per_* options"),
        ("5/1h/leaky/strict/per_mail/per_mail", "conflicting per_* options"),
        ("5/1h/strict/Leaky", "conflicting update modes"),
        ("5/1h/leaky/readonly", "conflicting update modes"),
        ("5/1h/strict/readonly", "conflicting update modes"),
        ("5/1h/noupdate/strict/leaky", "conflicting update modes"),
        ("5/1h/count=x", '"count=x" is not a positive number'),
        ("5/1h/count=-1", '"count=-1" is not a positive number'),
        ("5/1h/count=1k", '"count=1k" is not a positive number'),
        ("5/1h/count=x/per_mail/per_mail", '"count=x" is not a positive number'),
    ],
)
def test_errors(text, message):
    with pytest.raises(ValueError) as error:
        parse(text)
    assert str(error.value) == f'error in arguments to "ratelimit" condition: {message}'


@given(st.lists(st.sampled_from(["5", "1h", "/", "//", " ", "strict", "count=", "unique=", "per_rcpt", "k", "\xff"])))
def test_any_text_parses_or_is_refused(words):
    try:
        key = parse("".join(words)).bucket_key(CLIENT)
    except ValueError as error:
        assert str(error).startswith("error in arguments")
    else:
        assert "/per_" in key


# -- rates


def rates(period, events, limit=1e9, update=STRICT):
    """The rate after each of *events*: (time, count)."""
    bucket, found = None, []
    for now, count in events:
        stored, rate = step(bucket, now, Event(limit, period, count, update))
        bucket = bucket if stored is None else Bucket.decoded(stored.encoded())
        found.append(rate)
    return found


@pytest.mark.parametrize(
    "period, times, expected",
    [
        (
            3600,
            [0, 1, 2, 3, 1003, 10003, 10002, 10002],  # once the clock goes back
            [1, 1.99958, 2.99889, 3.99792, 3.90141, 1, 2, 3],
        ),
        (5, [0, 0.1, 0.2, 0.3, 0.4, 0.5], [1, 1.97027, 2.92132, 3.85354, 4.76730, 5.66297]),
        (5, [7.5] * 6, [1, 2, 3, 4, 5, 6]),  # at one instant, exactly
    ],
)
def test_single_events(period, times, expected):
    assert rates(period, [(time, 1) for time in times]) == pytest.approx(expected, abs=6e-6)


@pytest.mark.parametrize(
    "period, events, expected",
    [
        (60, [(0, 2000), (10, 5000), (10, 0)], [2000, 6298.51, 6298.51]),
        (60, [(0, 10), (60, 0), (120, 0)], [10, 10 / math.e, 10 / math.e**2]),  # reading, it fades
        (60, [(0, 0), (0, 0.5), (600, 0.5)], [0, 0.5, 0.5]),
    ],
)
def test_counts(period, events, expected):
    assert rates(period, events) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    "update, found",
    [
        (LEAKY, [1.0, 2.0, 3.0, 3.0, 3.0]),  # what is over is not added up
        (STRICT, [1.0, 2.0, 3.0, 4.0, 5.0]),
        (READONLY, [1.0, 1.0, 1.0, 1.0, 1.0]),  # nothing is stored at all
    ],
)
def test_what_is_stored(update, found):
    assert rates(60, [(0, 1)] * 5, limit=3, update=update) == found


def test_strict_waits_for_the_logarithm_of_peak_over_limit():
    peak = rates(60, [(0, 1)] * 20)[-1]
    waits = 60 * math.log(peak / 5)
    before, after = (step(Bucket(0, peak), waits + more, Event(5, 60, 0, READONLY))[1] for more in (-0.1, 0.1))
    assert before > 5 > after


def test_a_limit_of_zero_is_always_over():
    assert step(None, 0, Event(0, 60, 0, LEAKY)) == (None, 0.0)


def test_reading_stores_nothing():
    assert step(Bucket(0, 5), 0, Event(9, 60, 0, READONLY)) == (None, 5.0)


def reference(bucket, now, count, period):
    """The formula as it is written down, for intervals where floating point can take it."""
    if bucket is None:
        return count
    then, rate = bucket
    x = (now - then) / period
    if x <= 0:
        return count + rate
    a = math.exp(-x)
    return max(count, (1 - a) * count / x + a * rate)


NUMBERS = st.floats(0, 1e6, allow_nan=False)
EVENTS = st.lists(st.tuples(st.integers(-5, 10**6), NUMBERS, st.sampled_from(Update)), max_size=30)


@given(st.sampled_from([5, 60, 3600, 86400, 604800]), NUMBERS, EVENTS)
def test_rates_are_those_of_the_formula(period, limit, events):
    bucket, model, now = None, None, 1e9
    for pause, count, update in events:
        now += pause / 1000
        stored, rate = step(bucket, now, Event(limit, period, count, update))
        assert rate == pytest.approx(reference(model, now, count, period), rel=1e-6, abs=1e-6)
        assert (stored is not None) == (update is STRICT or (update is LEAKY and rate < limit))
        if stored:
            bucket, model = Bucket.decoded(stored.encoded()), (now, rate)


ANY = st.floats(allow_nan=False)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.none() | st.builds(Bucket, FINITE, st.floats(0, allow_infinity=False)),
    FINITE,
    st.builds(
        Event,
        st.floats(0),
        st.floats(1, 1e12),
        st.floats(0),
        st.sampled_from(Update),
        st.none() | st.text(st.characters(max_codepoint=255)),
    ),
)
def test_a_step_never_fails(bucket, now, event):
    stored, rate = step(bucket, now, event)
    assert 0 <= rate < math.inf
    assert stored is None or Bucket.decoded(stored.encoded()) == stored
    assert 0 < lifetime(event) < math.inf


def test_the_lifetime_outlasts_what_matters():
    event = Event(100, 3600, 0, READONLY)
    assert step(Bucket(0, 20000 * 100), lifetime(event), event)[1] == pytest.approx(1.0)


# -- what is stored


@pytest.mark.parametrize(
    "octets",
    [
        None,
        b"",
        b"short",
        Bucket(math.nan, 1.0).encoded(),
        Bucket(1.0, math.inf).encoded(),
        Bucket(1.0, -1.0).encoded(),
        Bucket(1.0, 1.0, Filter(math.nan, bytes(40))).encoded(),
    ],
)
def test_nothing_that_makes_sense(octets):
    assert Bucket.decoded(octets) is None


@given(st.binary(max_size=100))
def test_any_octets_decode(octets):
    bucket = Bucket.decoded(octets)
    assert bucket is None or bucket.rate >= 0


@pytest.mark.parametrize("size, found", [(39, None), (40, Filter(9.0, bytes(40)))])
def test_a_filter_that_is_too_small_is_none(size, found):
    assert Bucket.decoded(Bucket(1.0, 2.0, Filter(9.0, bytes(size))).encoded()) == Bucket(1.0, 2.0, found)


# -- unique events


def test_bloom_bits():
    bits = [(26, 7), (1, 5), (8, 3), (15, 1), (21, 7), (28, 5), (35, 3), (2, 1)]
    assert bloom_bits("userx@test.ex", 40) == bits


def unique(values, limit=100.0, period=60.0, update=STRICT):
    """The rate after each of *values*: (time, text)."""
    bucket, found = None, []
    for now, value in values:
        stored, rate = step(bucket, now, Event(limit, period, 1.0, update, value))
        bucket = bucket if stored is None else Bucket.decoded(stored.encoded())
        found.append(rate)
    return found


def test_what_was_seen_does_not_count():
    assert unique([(0, "a"), (0, "b"), (0, "a"), (0, ""), (0, ""), (0, "A")]) == [1, 2, 2, 3, 3, 4]


def test_a_filter_serves_for_one_period():
    found = unique([(0.9, "a"), (60.9, "a"), (61.0, "a")])  # whole seconds: more than 60 after second 0
    assert found == pytest.approx([1, 0.37, 1.37], abs=0.01)


def test_what_leaky_does_not_store_is_not_seen():
    assert unique([(0, "a"), (0, "b"), (0, "b"), (0, "b")], limit=2, update=LEAKY) == [1, 2, 2, 2]


def test_reading_ignores_the_value():
    bucket = step(None, 0, Event(9, 60, 1, STRICT, "a"))[0]
    assert step(bucket, 0, Event(9, 60, 0, READONLY, "b")) == (None, 1.0)


@pytest.mark.parametrize("limit, size", [(0, 40), (20.9, 40), (21, 42), (1000.7, 2000), (math.inf, LARGEST_FILTER)])
def test_the_size_of_a_filter(limit, size):
    bucket, _ = step(None, 7.9, Event(limit, 60, 1, STRICT, "a"))
    assert (bucket.filter.epoch, len(bucket.filter.bits)) == (7.0, size)


def test_the_size_stays_for_a_period():
    small, _ = step(None, 0, Event(20, 60, 1, STRICT, "a"))
    same, _ = step(small, 60, Event(1000, 60, 1, STRICT, "b"))
    larger, _ = step(same, 61, Event(1000, 60, 1, STRICT, "c"))
    assert [len(bucket.filter.bits) for bucket in (small, same, larger)] == [40, 40, 2000]


def test_few_are_mistaken_for_seen():
    count = unique([(0, f"user{number}@example.org") for number in range(1000)], limit=1000)[-1]
    assert 995 <= count <= 1000
