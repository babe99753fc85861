"""Answers that outlive their TTL while no server answers: RFC 8767."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from parts.distant_dns import DistantDns
from parts.exchange import Counts

from policyd.resolver import Answer, DnsTemporary, Question, cached
from policyd.resolver import cache as caches
from policyd.resolver.cache import Cache
from policyd.resolver.cached import CachedResolver
from policyd.resolver.prefetch import Prefetcher

ZONE = "a.test. 1 A 192.0.2.1\nold.test. 1 A 192.0.2.2\n"


@pytest.fixture
def dns() -> Iterator[DistantDns]:
    with DistantDns(ZONE, 0) as server:
        yield server


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits of the RFC, a few times shorter."""
    monkeypatch.setattr(cached, "STALE_PATIENCE", 0.2)
    monkeypatch.setattr(caches, "STALE_TTL", 2.0)


def results(counts: Counts) -> list[str]:
    return [labels[0] for name, *labels in counts.events if name == "dns_cache_requests_total"]


def test_an_old_answer_is_better_than_none(dns: DistantDns) -> None:
    counts = Counts()
    resolver = CachedResolver(["127.0.0.1"], dns.port, 30.0, Cache(stale=60), counts)
    assert resolver.lookup("A", "a.test").ttl == 1
    dns.silent = True
    time.sleep(1.05)
    start = time.monotonic()
    answer = resolver.lookup("A", "a.test")
    assert 0.1 < time.monotonic() - start < 10  # not the whole timeout
    assert answer.records == ("192.0.2.1",)
    assert 0 < answer.ttl <= 2
    asked = len(dns.asked)
    assert resolver.lookup("A", "a.test").records == ("192.0.2.1",)  # for a while, nobody is asked
    assert len(dns.asked) == asked
    time.sleep(2.05)
    dns.silent = False
    assert resolver.lookup("A", "a.test").ttl == 1  # a new one
    assert results(counts) == ["miss", "miss", "stale", "hit", "miss"]


@pytest.mark.parametrize(("stale", "pause"), [(0.0, 1.05), (0.3, 1.4)])
def test_not_for_ever(dns: DistantDns, stale: float, pause: float) -> None:
    resolver = CachedResolver(["127.0.0.1"], dns.port, 0.2, Cache(stale=stale))
    resolver.lookup("A", "a.test")
    dns.silent = True
    time.sleep(pause)
    with pytest.raises(DnsTemporary):
        resolver.lookup("A", "a.test")


def test_nobody_waits_longer_for_what_was_asked_ahead(dns: DistantDns) -> None:
    resolver = CachedResolver(["127.0.0.1"], dns.port, 3.0, Cache(stale=60))
    prefetcher = Prefetcher(resolver, 1, print)
    resolver.lookup("A", "a.test")
    dns.silent = True
    time.sleep(1.05)
    prefetcher.ask([Question("A", "a.test")])
    start = time.monotonic()
    assert resolver.lookup("A", "a.test").records == ("192.0.2.1",)
    assert time.monotonic() - start < 2.5
    prefetcher.close()


def test_one_in_a_hurry_gets_it_too(dns: DistantDns) -> None:
    resolver = CachedResolver(["127.0.0.1"], dns.port, 1.0, Cache(stale=60))
    resolver.lookup("A", "a.test")
    dns.silent = True
    time.sleep(1.05)
    assert resolver.until(time.monotonic()).lookup("A", "a.test").records == ("192.0.2.1",)


def test_the_lack_of_an_answer_is_an_answer(dns: DistantDns) -> None:
    cache = Cache(stale=60)
    resolver = CachedResolver(["127.0.0.1"], dns.port, 0.3, cache)
    cache.keep(("A", "none.test"), Answer(exists=False, ttl=0.05))
    dns.silent = True
    time.sleep(0.1)
    assert resolver.lookup("A", "none.test").exists is False


def test_a_revived_answer_ends_when_its_time_is_over() -> None:
    cache = Cache(stale=1)
    cache.keep(("A", "a.test"), Answer(("192.0.2.1",), ttl=0.05))
    time.sleep(0.1)
    assert cache.find(("A", "a.test")) is None
    revived = cache.revive(("A", "a.test"))
    assert revived is not None
    assert revived.ttl <= 0.95
    time.sleep(1)
    assert cache.revive(("A", "a.test")) is None
    assert cache.find(("A", "a.test")) is None
