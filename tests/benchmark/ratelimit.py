"""What a rate limit check costs: ``python tests/benchmark/ratelimit.py [CHECKS]`` prints a table."""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

from policyd.checks.counting import Counting
from policyd.checks.ratelimit import Event, Update, lifetime
from policyd.stores import LmdbStore, MemoryStore, Store

EVENT = Event(limit=100, period=3600, update=Update.STRICT)
UNIQUE = Event(limit=100, period=3600, update=Update.STRICT, unique="user@example.org")


def check(store: Store, key: bytes, event: Event = EVENT) -> float:
    """What the word does for each message."""

    return store.update(key, Counting(event), lifetime(event))


def read(store: Store, key: bytes) -> float:
    """The same for a ``readonly`` limit."""
    return store.read(key, Counting(Event(100, 3600, 0, Update.READONLY)))


def checks(store: Store, number: int, keys: int = 10_000) -> None:
    """So many checks of so many clients."""
    for each in range(number):
        check(store, b"ratelimit/1h/per_conn/192.0.2.%d" % (each * 7919 % keys))


def alone(store: Store, number: int) -> None:
    """One thread of one process."""
    for what, run in {
        "check, 1 client": lambda: checks(store, number, 1),
        "check, 10000 clients": lambda: checks(store, number),
        "check, unique=": lambda: [check(store, b"unique", UNIQUE) for _ in range(number)],
        "readonly": lambda: [read(store, b"ratelimit/1h/per_conn/192.0.2.1") for _ in range(number)],
    }.items():
        start = time.perf_counter()
        run()
        row(f"{type(store).__name__}: {what}", number, time.perf_counter() - start)


def work(directory: str, threads: int, number: int) -> float:
    """One of several processes: when it was ready."""
    store = LmdbStore(directory)
    store.open()
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: checks(store, number // threads), range(threads)))
    store.close()
    return time.perf_counter() - start


def together(directory: str, processes: int, threads: int, number: int) -> None:
    """Several processes at once, on one database."""
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        times = list(pool.map(work, [directory] * processes, [threads] * processes, [number] * processes))
    row(f"LmdbStore: {processes} processes x {threads} threads", number * processes, max(times))


def row(what: str, number: int, seconds: float) -> None:
    """One line of the table."""
    print(f"{what:40}{seconds / number * 1e6:10.1f} us{number / seconds:12,.0f} /s")


def main(number: int) -> None:
    """The table."""
    with tempfile.TemporaryDirectory() as directory:
        alone(MemoryStore(), number)
        store = LmdbStore(directory)
        alone(store, number)
        store.close()
        for processes, threads in ((1, 8), (2, 1), (2, 8), (4, 8)):
            together(directory, processes, threads, number)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
