"""The circuit breaker: who may go, who tries, who waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from policyd.stores.breaker import Breaker, Leave

GO, TRY, STAY = Leave.GO, Leave.TRY, Leave.STAY


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(clock, jitter=lambda: 1.0)


def test_closed_everybody_goes(breaker):
    assert [breaker.leave() for _ in range(3)] == [GO] * 3
    assert breaker.worked(GO) is None


def test_open_nobody_goes_until_one_may_try(breaker, clock):
    assert breaker.failed(GO, "why") is True
    assert (breaker.leave(), breaker.why) == (STAY, "why")
    clock.now += 0.2
    assert [breaker.leave() for _ in range(3)] == [TRY, STAY, STAY]
    clock.now += 100
    assert breaker.leave() is STAY
    assert breaker.worked(TRY) == pytest.approx(100.2)
    assert breaker.leave() is GO


def test_pauses_double_up_to_ten_seconds(breaker, clock):
    breaker.failed(GO, "")
    pauses = []
    for _ in range(8):
        began = clock.now
        while breaker.leave() is STAY:
            clock.now += 0.1
        pauses.append(round(clock.now - began, 1))
        assert breaker.failed(TRY, "") is False
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0], abs=0.11)


def test_who_went_before_others_knew_changes_nothing(breaker, clock):
    assert [breaker.leave() for _ in range(3)] == [GO] * 3
    assert [breaker.failed(GO, ""), breaker.failed(GO, ""), breaker.worked(GO)] == [True, False, None]
    assert breaker.leave() is STAY
    clock.now += 0.2
    assert breaker.leave() is TRY


def test_pauses_are_random(clock):
    pauses = set()
    for _ in range(50):
        breaker = Breaker(clock)
        breaker.failed(GO, "")
        pause = next(ms for ms in range(1000) if _due_after(breaker, clock, ms))
        pauses.add(pause)
    assert min(pauses) >= 100 and max(pauses) <= 301 and len(pauses) > 20


def _due_after(breaker, clock, milliseconds):
    before = clock.now
    clock.now += milliseconds / 1000
    leave = breaker.leave()
    clock.now = before
    return leave is TRY


def test_one_of_many_threads_tries(breaker, clock):
    breaker.failed(GO, "")
    clock.now += 1
    with ThreadPoolExecutor(8) as pool:
        leaves = list(pool.map(lambda _: breaker.leave(), range(1000)))
    assert leaves.count(TRY) == 1 and leaves.count(STAY) == 999
