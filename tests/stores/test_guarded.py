"""What happens while a store does not work: store_error, metrics, and what is told once."""

from __future__ import annotations

import time

import pytest
from parts.exchange import Counts
from parts.ports import free_port

from policyd.checks.counting import Counting
from policyd.checks.ratelimit import Event, Update
from policyd.errors import Defer
from policyd.stores import LmdbStore, MemoryStore
from policyd.stores.breaker import Breaker
from policyd.stores.guarded import GuardedStore, Otherwise
from policyd.stores.protocol import Unavailable
from policyd.stores.substitutes import AloneStore, LenientStore
from policyd.words.seen import Sight

RATE = Counting(Event(limit=9, period=3600, update=Update.STRICT))


class Ill(MemoryStore):
    """A store that raises *failure* as long as there is one."""

    failure = None
    asked = 0

    def _live(self, key, now):
        self.asked += 1
        if self.failure:
            raise self.failure
        return super()._live(key, now)

    def delete(self, key):
        self._live(key, 0)
        super().delete(key)

    def scan(self, prefix):
        self._live(prefix, 0)
        return super().scan(prefix)


class World:
    def __init__(self, word, substitute):
        self.now = 1000.0
        self.store, self.told, self.counts = Ill(), [], Counts()
        breaker = Breaker(lambda: self.now, jitter=lambda: 1.0)
        self.guarded = GuardedStore(self.store, Otherwise(word, substitute), breaker, self.counts, self.told.append)


@pytest.fixture
def local():
    return World("local", AloneStore(MemoryStore(), 3))


@pytest.fixture
def deferring():
    return World("defer", None)


@pytest.fixture
def accepting():
    return World("accept", LenientStore())


def everything(store):
    """What each operation gives, or why it fails."""
    answers = []
    for ask in (
        lambda: store.put(b"a", b"1", 60),
        lambda: store.get(b"a"),
        lambda: list(store.scan(b"a")),
        lambda: store.update(b"n", lambda stored, now: (b"1", stored), 60),
        lambda: store.delete(b"a"),
        lambda: round(store.update(b"r", RATE, 60), 3),
        lambda: round(store.read(b"r", RATE), 3),
        lambda: store.update(b"s", Sight(60.0, since=True), 60),
    ):
        try:
            answers.append(ask())
        except Defer as error:
            answers.append(str(error))
    return answers


def test_a_store_that_works(local):
    assert everything(local.guarded) == [None, b"1", [(b"a", b"1")], None, None, 1, 2, False]
    assert (local.told, local.counts.events) == ([], [])


def test_local(local):
    local.store.failure = Unavailable("gone", "timeout")
    assert everything(local.guarded) == [None, b"1", [(b"a", b"1")], None, None, 3, 6, False]
    assert local.store.asked == 1
    assert local.told == ["store not available, store_error = local: gone"]
    assert local.counts.events[:3] == [
        ("store_errors_total", "timeout"),
        ("store_breakers_open",),
        ("store_substitutions_total", "local"),
    ]
    assert local.counts.events[3:] == [("store_substitutions_total", "local")] * 7


def test_defer(deferring):
    deferring.store.failure = Unavailable("gone", "connection")
    assert everything(deferring.guarded) == ["gone"] * 8
    assert deferring.told == ["store not available, store_error = defer: gone"]


def test_accept(accepting):
    accepting.store.failure = Unavailable("gone", "refused")
    assert everything(accepting.guarded) == ["gone; nothing else keeps it"] * 5 + [0.0, 0.0, True]


def test_it_comes_back(local):
    local.guarded.update(b"r", RATE, 60)
    local.store.failure = Unavailable("gone", "timeout")
    assert local.guarded.update(b"r", RATE, 60) == 3
    local.store.failure = None
    assert local.guarded.update(b"r", RATE, 60) == pytest.approx(6, abs=0.1)  # not yet asked again
    local.now += 0.2
    assert local.guarded.update(b"r", RATE, 60) == pytest.approx(2, abs=0.1)
    assert local.told[1:] == ["store available again after 0.2 s"]
    assert local.counts.events[-1] == ("store_breakers_open", -1)


def test_a_failure_with_one_key_is_nobody_elses(accepting):
    accepting.store.failure = Defer("WRONGTYPE")
    assert [accepting.guarded.update(b"r", RATE, 60) for _ in range(3)] == [0.0] * 3
    assert accepting.told == ["store_error = accept: WRONGTYPE"]
    assert accepting.counts.events.count(("store_errors_total", "operation")) == 3
    accepting.store.failure = None
    assert accepting.guarded.update(b"r", RATE, 60) == 1


def test_a_trial_without_time_shows_nothing(local):
    local.store.failure = Unavailable("gone", "timeout")
    local.guarded.get(b"a")
    local.now += 0.2
    local.store.failure = Defer("our own deadline")
    local.guarded.get(b"a")
    local.store.failure = None
    asked = local.store.asked
    local.guarded.get(b"a")
    assert (local.store.asked, len(local.told)) == (asked, 1)
    local.now += 0.4
    local.guarded.get(b"a")
    assert (local.store.asked, len(local.told)) == (asked + 1, 2)


def test_a_step_that_raises_is_not_the_stores_fault(local):
    with pytest.raises(ZeroDivisionError):
        local.guarded.update(b"a", lambda stored, now: 1 / 0, 60)
    local.store.failure = Unavailable("gone", "timeout")
    local.guarded.get(b"a")
    local.store.failure = None
    local.now += 0.2
    with pytest.raises(ZeroDivisionError):
        local.guarded.update(b"a", lambda stored, now: 1 / 0, 60)
    assert local.guarded.get(b"a") is None
    assert len(local.told) == 2


def test_neither_works(tmp_path):
    (tmp_path / "file").touch()
    world = World("local", AloneStore(LmdbStore(tmp_path / "file" / "store"), 1))
    world.guarded.open()
    assert world.told == [f"{tmp_path}/file/store: Not a directory"]
    world.store.failure = Unavailable("gone", "timeout")
    with pytest.raises(Defer, match=f"^gone; {tmp_path}/file/store: Not a directory$"):
        world.guarded.get(b"a")
    world.guarded.close()


def test_the_deadline_reaches_the_store(shared):
    with pytest.raises(Defer, match="no answer in time"):
        shared(f"redis://127.0.0.1:{free_port()}").until(time.monotonic()).get(b"a")
