"""Connections that are lent: to one at a time, and only good ones."""

from __future__ import annotations

import threading

import pytest

from policyd.pools import MAX_IDLE, MAX_REST, Pools


class Link:
    """Knows who has it."""

    made = 0

    def __init__(self):
        Link.made += 1
        self.fresh, self.closed, self.users = True, 0, 0

    def is_fresh(self):
        return self.fresh

    def close(self):
        self.closed += 1


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    Link.made = 0
    return Clock()


@pytest.fixture
def pools(clock):
    return Pools(clock)


def test_it_is_kept_for_the_next(pools):
    with pools.link("a", Link) as first:
        pass
    with pools.link("a", Link) as second:
        assert second is first
    with pools.link("b", Link) as other:
        assert other is not first
    assert Link.made == 2


def test_two_at_once_have_two(pools):
    with pools.link("a", Link) as first, pools.link("a", Link) as second:
        assert first is not second


def test_one_that_failed_is_ended(pools):
    with pytest.raises(KeyError), pools.link("a", Link) as link:
        raise KeyError
    assert link.closed == 1
    with pools.link("a", Link) as other:
        assert other is not link


def test_one_that_was_left_in_a_state_is_ended(pools):
    with pools.link("a", Link) as link:
        link.fresh = False
    assert link.closed == 1


def test_one_that_has_died_meanwhile_is_not_lent(pools):
    with pools.link("a", Link) as link:
        pass
    link.fresh = False
    with pools.link("a", Link) as other:
        assert other is not link
    assert link.closed == 1


def test_one_that_has_rested_too_long_is_ended(pools, clock):
    with pools.link("a", Link) as link:
        pass
    clock.now = MAX_REST - 1
    with pools.link("a", Link) as same:
        assert same is link
    clock.now += MAX_REST
    with pools.link("a", Link) as other:
        assert other is not link
    assert link.closed == 1


def test_those_that_rest_are_ended_when_another_comes_to_rest(pools, clock):
    with pools.link("a", Link) as first, pools.link("a", Link) as second:
        pass
    clock.now = MAX_REST - 1
    with pools.link("a", Link):
        clock.now = MAX_REST + 1
    assert {first.closed, second.closed} == {0, 1}


def test_few_are_kept(pools):
    links = [pools.link("a", Link) for _ in range(MAX_IDLE + 3)]
    lent = [link.__enter__() for link in links]
    for link in links:
        link.__exit__(None, None, None)
    assert [link.closed for link in lent] == [1] * 3 + [0] * MAX_IDLE


def test_none_is_made_when_connecting_fails(pools):
    def refuse():
        raise OSError

    with pytest.raises(OSError), pools.link("a", refuse):
        pass
    with pools.link("a", Link):
        pass


def test_all_can_be_ended(pools):
    with pools.link("a", Link) as first, pools.link("b", Link) as second:
        pass
    pools.close()
    assert first.closed == second.closed == 1


def test_nobody_shares_one_and_nobody_has_one_that_was_ended(pools):
    wrong, barrier = [], threading.Barrier(20)

    def work():
        barrier.wait()
        for _ in range(300):
            with pools.link("a", Link) as link:
                link.users += 1
                if link.users != 1 or link.closed:
                    wrong.append((link.users, link.closed))
                link.users -= 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
