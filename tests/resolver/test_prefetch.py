"""Questions asked ahead: bounded, each once, no thread where the answer is known. Whatever happens, a check asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from parts.distant_dns import DistantDns
from parts.exchange import Counts
from parts.ports import wait_until

from policyd.resolver import Answer, DnsTemporary, Question
from policyd.resolver.cache import Cache
from policyd.resolver.cached import CachedResolver
from policyd.resolver.prefetch import Prefetcher

DELAY = 0.5
ZONE = "".join(f"h{number}.test. 60 A 192.0.2.{number}\n" for number in range(9)) + "zero.test. 0 A 192.0.2.99\n"


@pytest.fixture
def dns() -> Iterator[DistantDns]:
    with DistantDns(ZONE, DELAY) as server:
        yield server


class Ahead:
    """A resolver, and one who asks ahead."""

    def __init__(self, dns: DistantDns, most: int = 4, timeout: float = 20.0, cache: Cache | None = None) -> None:
        self.counts, self.complaints = Counts(), list[str]()
        self.resolver = CachedResolver(["127.0.0.1"], dns.port, timeout, cache, self.counts)
        self.resolver.open()
        self.prefetcher = Prefetcher(self.resolver, most, self._complain, self.counts)

    def _complain(self, doing: str, error: Exception) -> None:
        self.complaints.append(f"{doing}: {type(error).__name__}: {error}")

    def ask(self, *names: str) -> None:
        self.prefetcher.ask(Question("A", name) for name in names)

    @property
    def counted(self) -> dict[str, int]:
        found = [labels[0] for name, *labels in self.counts.events if name == "dns_prefetches_total"]
        return {result: found.count(result) for result in sorted(set(found))}


@pytest.fixture
def ahead(dns: DistantDns) -> Iterator[Ahead]:
    found = Ahead(dns)
    yield found
    found.prefetcher.close()
    assert found.complaints == []


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def test_nobody_waits(ahead: Ahead, dns: DistantDns) -> None:
    assert timed(lambda: ahead.ask("h1.test", "h2.test", "h3.test")) < DELAY / 2
    names = ("h1.test", "h2.test", "h3.test")
    assert timed(lambda: [ahead.resolver.lookup("A", name) for name in names]) < 1.9 * DELAY  # all at once
    assert [ahead.resolver.lookup("A", name).records for name in names] == [(f"192.0.2.{n}",) for n in (1, 2, 3)]
    assert sorted(dns.asked) == ["A h1.test", "A h2.test", "A h3.test"]
    assert ahead.counted == {"asked": 3, "used": 3}  # each used once, however often


def test_what_is_known_or_on_its_way_takes_no_thread(ahead: Ahead, dns: DistantDns) -> None:
    ahead.resolver.lookup("A", "h1.test")
    before = threading.active_count()
    ahead.ask("h1.test", "H1.TEST.", "not a name" * 30, "")
    assert threading.active_count() == before
    ahead.ask("h2.test", "h2.test", "H2.test")
    ahead.prefetcher.close()
    assert dns.asked == ["A h1.test", "A h2.test"]
    assert ahead.counted == {"asked": 1}


def test_no_more_than_so_many(dns: DistantDns) -> None:
    ahead = Ahead(dns, most=2)
    before = threading.active_count()
    ahead.ask(*(f"h{number}.test" for number in range(6)))
    assert ahead.counted == {"asked": 2, "dropped": 4}
    assert threading.active_count() <= before + 2
    assert ahead.resolver.lookup("A", "h5.test").records == ("192.0.2.5",)  # as if nobody had tried
    time.sleep(DELAY)
    ahead.ask("h6.test")  # there is room again
    ahead.prefetcher.close()
    assert ahead.counted == {"asked": 3, "dropped": 4}


def test_where_nothing_is_asked_ahead_the_questions_are_not_even_made(dns: DistantDns) -> None:
    ahead = Ahead(dns, most=0)
    ahead.prefetcher.ask(pytest.fail("made") for _ in range(1))
    ahead.prefetcher.close()
    assert dns.asked == []


def test_answers_lead_to_questions(ahead: Ahead, dns: DistantDns) -> None:
    def next_one(answer: Answer) -> Iterator[Question]:
        assert answer.records == ("192.0.2.1",)
        yield Question("A", "h2.test", lambda _: [Question("A", "h3.test")])

    ahead.prefetcher.ask([Question("A", "h1.test", next_one)])
    wait_until(lambda: len(dns.asked) == 3, "three questions")
    assert dns.asked == ["A h1.test", "A h2.test", "A h3.test"]


def test_a_failure_is_only_that_of_the_prefetch(dns: DistantDns) -> None:
    ahead = Ahead(dns, timeout=0.3)
    dns.silent = True
    ahead.prefetcher.ask([Question("A", "h1.test", lambda _: pytest.fail("no answer"))])
    with pytest.raises(DnsTemporary):  # one who waits for the same flight
        ahead.resolver.lookup("A", "h1.test")
    ahead.prefetcher.close()
    dns.silent, dns.delay = False, 0.0
    assert ahead.resolver.lookup("A", "h1.test").records == ("192.0.2.1",)
    assert ahead.counted == {"asked": 1, "used": 1, "failed": 1}
    assert ahead.complaints == []


def test_one_who_has_less_time_does_not_wait_longer(ahead: Ahead) -> None:
    ahead.ask("h1.test")
    with pytest.raises(DnsTemporary, match="no reply in time"):
        ahead.resolver.until(time.monotonic() + DELAY / 4).lookup("A", "h1.test")
    assert ahead.resolver.lookup("A", "h1.test").records == ("192.0.2.1",)


def test_a_mistake_in_a_thread_is_told(dns: DistantDns) -> None:
    ahead = Ahead(dns, most=1)

    def mistaken(_: Answer) -> list[Question]:
        raise KeyError("oh")

    ahead.prefetcher.ask([Question("A", "h1.test", mistaken)])
    assert ahead.resolver.lookup("A", "h1.test").records == ("192.0.2.1",)
    wait_until(lambda: ahead.complaints, "the complaint")
    time.sleep(DELAY)
    ahead.ask("h2.test")  # its thread is free again
    ahead.prefetcher.close()
    ahead.prefetcher.ask([Question("A", "h3.test")])  # closed
    assert ahead.complaints == ["prefetch of A h1.test: KeyError: 'oh'"]
    assert dns.asked == ["A h1.test", "A h2.test"]


def test_no_such_type(dns: DistantDns) -> None:
    ahead = Ahead(dns)
    ahead.prefetcher.ask([Question("FOO", "h1.test")])
    ahead.prefetcher.close()
    assert ahead.complaints == ["prefetch of FOO h1.test: ValueError: no such DNS record type: FOO"]
    with pytest.raises(ValueError, match="FOO"):
        ahead.resolver.lookup("FOO", "h1.test")


def test_a_host_without_threads(dns: DistantDns, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = Ahead(dns)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        ahead.ask("h1.test", "h2.test")
    assert ahead.complaints == ["prefetch, which ends here: RuntimeError: can't start new thread"]
    assert ahead.resolver.lookup("A", "h1.test").records == ("192.0.2.1",)
    ahead.ask("h3.test")
    assert dns.asked == ["A h1.test"]


@pytest.mark.parametrize(("name", "cache"), [("zero.test", None), ("h1.test", Cache(0))])
def test_what_is_not_kept_is_asked_again(dns: DistantDns, name: str, cache: Cache | None) -> None:
    ahead = Ahead(dns, cache=cache)
    ahead.ask(name)
    assert ahead.resolver.lookup("A", name).exists  # on its way
    assert ahead.resolver.lookup("A", name).exists
    ahead.prefetcher.close()
    assert dns.asked == [f"A {name}"] * 2
    assert ahead.counted == {"asked": 1, "used": 1}


def test_many_at_once(dns: DistantDns) -> None:
    """Twenty sessions ask for the same names, ahead and then in earnest: each name is asked once."""
    ahead = Ahead(dns, most=64)
    names = [f"h{number}.test" for number in range(9)]
    wrong: list[object] = []

    def session() -> None:
        ahead.ask(*names)
        wrong.extend(name for name in names if len(ahead.resolver.lookup("A", name).records) != 1)

    threads = [threading.Thread(target=session) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ahead.prefetcher.close()
    assert wrong == []
    assert sorted(dns.asked) == [f"A {name}" for name in names]
    assert ahead.counted == {"asked": 9, "used": 9}
