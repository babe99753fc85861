"""Asking DNS before anybody waits for the answer: a check that comes later finds it in the cache, or on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore

from policyd.metrics import Metrics, NoMetrics
from policyd.resolver import Answer, Question
from policyd.resolver.cache import Key
from policyd.resolver.cached import CachedResolver
from policyd.resolver.names import ascii_name


class Prefetcher:
    """Asks each question in a thread, never more than *most* at once: those beyond are left to the checks.

    What comes of it is only a warm cache. What goes wrong in a thread, beside DNS
    itself, is told to ``complain(doing, error)``. Starts no thread before the
    first question.
    """

    def __init__(
        self,
        resolver: CachedResolver,
        most: int,
        complain: Callable[[str, Exception], object],
        metrics: Metrics | None = None,
    ) -> None:
        self._resolver = resolver
        self._free = Semaphore(most)
        self._threads = ThreadPoolExecutor(most, "prefetch") if most else None
        self._complain = complain
        self._metrics: Metrics = metrics or NoMetrics()

    def ask(self, questions: Iterable[Question]) -> None:
        """Begin to ask what is neither known nor on its way. Never waits; costs a look into the cache otherwise."""
        if self._threads is None:
            return
        for question in questions:
            name = ascii_name(question.name)
            if name is not None and not self._resolver.knows((question.rtype, name)):
                self._begin(question, (question.rtype, name))

    def close(self) -> None:
        """Wait for what is on its way, and ask no more."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def _begin(self, question: Question, key: Key) -> None:
        threads = self._threads
        if threads is None or not self._free.acquire(blocking=False):
            self._count("dropped")
        elif not self._resolver.depart(key):
            self._free.release()
        else:
            self._count("asked")
            try:
                threads.submit(self._bring, question, key)
            except RuntimeError as error:  # this host gives us no more threads, or the process is about to end
                self._threads = None
                self._resolver.crash(key)
                self._complain("prefetch, which ends here", error)

    def _bring(self, question: Question, key: Key) -> None:
        """Ask, and then what the answer makes the next question."""
        try:
            outcome = self._resolver.arrive(key)
            if not isinstance(outcome, Answer):
                self._count("failed")
            elif question.then is not None:
                self.ask(question.then(outcome))
        except Exception as error:
            self._complain(f"prefetch of {' '.join(key)}", error)
        finally:
            self._free.release()

    def _count(self, result: str) -> None:
        self._metrics.count("dns_prefetches_total", result)
