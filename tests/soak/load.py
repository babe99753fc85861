"""The threads that play the mail server: so many connections a second, whatever becomes of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from random import Random
from typing import Self

from benchmark.messages import Sample
from soak.tally import Tally
from soak.traffic import BUSY, FORGED, KNOWN, Client, Kind

THREADS = 200  # connections at once; while all of them wait, no other is opened
PER_CONNECTION = (1, 1, 1, 2, 2, 4)  # transactions
PAUSES = (0, 0, 0.05, 0.5)  # seconds between them
MEAN = sum(PER_CONNECTION) / len(PER_CONNECTION)
SIZES = {4_000: 1.0, 40_000: 1.0, 400_000: 0.6}  # weights beside those of the benchmark
BUSY_SHARE, FORGED_SHARE = 0.10, 0.08  # of the connections
HOSTS = 200  # that SPF allows


class Load:
    """Runs while the ``with`` block does. *rate*: transactions a second. All messages are of *samples*."""

    def __init__(self, at: str, rate: float, samples: Sequence[Sample], tally: Tally) -> None:
        self._at, self._tally, self._samples = at, tally, samples
        self._weights = [SIZES[sample.size] for sample in samples]
        self._gap = MEAN / rate  # seconds between connections
        self._next = time.monotonic()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(seed,), daemon=True) for seed in range(THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Every transaction is led to its end."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed: int) -> None:
        chance = Random(seed)
        while not self._over.is_set():
            time.sleep(max(self._slot() - time.monotonic(), 0.0))
            address, kinds, sample = self._connection(chance)
            pause = chance.choice(PAUSES)
            Client(self._at, self._tally, sample, address or sample.client, pause).run(kinds)

    def _slot(self) -> float:
        """When the next connection is to be opened. What was missed is not made up for."""
        with self._lock:
            self._next = max(self._next + self._gap, time.monotonic() - 1)
            return self._next

    def _connection(self, chance: Random) -> tuple[str, list[Kind], Sample]:
        """Who connects (empty: whoever may send the sample), and what follows."""
        (sample,) = chance.choices(self._samples, self._weights)
        number, kind = chance.choice(PER_CONNECTION), chance.random()
        if kind < BUSY_SHARE:
            return "198.51.100.66", list(BUSY), sample
        if kind < BUSY_SHARE + FORGED_SHARE:
            return f"203.0.113.{chance.randrange(1, HOSTS)}", _chosen(FORGED, number, chance), sample
        return "", _chosen(KNOWN, number, chance), sample


def connection_limit(rate: float) -> int:
    """Connections a minute: ordinary clients have a seventh of it, and the busy one three times as many."""
    return max(int(60 * rate / MEAN * BUSY_SHARE / 3), 6)


def _chosen(kinds: tuple[Kind, ...], number: int, chance: Random) -> list[Kind]:
    return chance.choices(kinds, [kind.weight for kind in kinds], k=number)
