"""What stores can do: ``python tests/benchmark/stores.py [CHECKS]`` prints a table.

Processes with threads count in one store, CHECKS in each thread, at a time that stands still, so that the rates in the
store must add up to the number of checks: a row that does not is marked.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_address
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from parts.redis_server import RedisServer  # noqa: E402

from policyd import config, words  # noqa: E402
from policyd.checks.counting import Counting  # noqa: E402
from policyd.checks.ratelimit import Bucket, Event, Update  # noqa: E402
from policyd.conversation import Conversation  # noqa: E402
from policyd.links.places import place  # noqa: E402
from policyd.metrics import NoMetrics  # noqa: E402
from policyd.resolver.zone import ZoneResolver  # noqa: E402
from policyd.stores import LmdbStore, MemoryStore, Store  # noqa: E402
from policyd.stores.breaker import Breaker  # noqa: E402
from policyd.stores.guarded import GuardedStore, Otherwise  # noqa: E402
from policyd.stores.redis import RedisStore  # noqa: E402
from policyd.transaction import Client, Services  # noqa: E402

CHECK = Counting(Event(limit=1e9, period=3600.0, update=Update.STRICT))
LIFE = 86400.0
POLICY = "acl_smtp_connect = c\nbegin acl\nc:\n%s  accept\n"


def opened(where: str, frozen: bool = True) -> Store:
    """The store at a URL, as the daemon has it, or in a directory."""
    clock = (lambda: 1000.0) if frozen else None
    if "://" not in where:
        return LmdbStore(where, clock=clock or time.time)
    shared = RedisStore(place(where), clock=clock, timeout=5.0)
    return GuardedStore(shared, Otherwise("defer"), Breaker(), NoMetrics(), print)


def key(number: int) -> bytes:
    """The key of a client."""
    return b"ratelimit/1h/per_conn/192.0.2.%d" % number


def work(where: str, threads: int, checks: int, keys: int) -> float:
    """Count; the seconds it took."""
    store = opened(where)
    store.open()
    deadline = time.monotonic() + 600

    def run(thread: int) -> None:
        for number in range(checks):
            store.until(deadline).update(key((thread * 7919 + number) % keys), CHECK, LIFE)

    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    elapsed = time.perf_counter() - start
    store.close()
    return elapsed


def together(where: str, processes: int, threads: int, checks: int, keys: int) -> float:
    """Several processes at once; the seconds of the slowest."""
    arguments = [sys.executable, __file__, "work", where, str(threads), str(checks), str(keys)]
    running = [
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    assert all(process.stdout and process.stdout.readline() == "ready\n" for process in running)
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0] for process in running]
    assert not any(process.returncode for process in running)
    return max(map(float, answers))


def counted(where: str) -> float:
    """The sum of the rates in a store."""
    store = opened(where)
    buckets = [Bucket.decoded(value) for _, value in store.scan(b"ratelimit/")]
    store.close()
    return sum(bucket.rate for bucket in buckets if bucket)


@contextmanager
def places() -> Iterator[dict[str, tuple[str, RedisServer | None]]]:
    """Every kind of store, empty."""
    with tempfile.TemporaryDirectory() as directory, RedisServer() as server:
        yield {"LMDB": (directory, None), "Redis": (f"redis://127.0.0.1:{server.port}", server)}


def row(what: str, number: int, seconds: float, rest: str = "") -> None:
    """One line of the table."""
    print(f"{what:48}{seconds / number * 1e6:8.1f} us{number / seconds:10,.0f} /s  {rest}", flush=True)


def many(checks: int) -> None:
    """Stores among processes and threads."""
    for name, processes, threads, keys in product(("LMDB", "Redis"), (1, 2), (1, 8), (1, 1000)):
        with places() as stores:
            where, server = stores[name]
            before = _cpu(server)
            each = checks * 8 // threads
            seconds = together(where, processes, threads, each, keys)
            number, found = processes * threads * each, counted(where)
            marks = "" if abs(found - number) < 0.5 else f"WRONG: {found:,.0f} of {number:,}"
            if server:
                marks += f"Redis: {(_cpu(server) - before) / number * 1e6:.1f} us CPU"
            row(f"{name}: {processes} x {threads} threads, {keys} keys", number, seconds, marks)


def _cpu(server: RedisServer | None) -> float:
    """The seconds that a server has worked."""
    if server is None:
        return 0.0
    text = server.ask("INFO", "cpu").decode()
    fields = dict(line.split(":") for line in text.splitlines() if ":" in line)
    return float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])


class Nowhere:
    """A log that nobody reads."""

    def write(self, target: str, text: str) -> None:
        """Nothing."""


def connections(store: Store, statements: str, number: int) -> float:
    """The CPU seconds of so many connections whose ACL has these statements."""
    words.load()
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "policy.conf")
        file.write_text(POLICY % statements)
        policy = config.load(file)
    services = Services(ZoneResolver([]), store, NoMetrics(), Nowhere())
    clients = [Client(ip_address(f"192.0.2.{n}")) for n in range(250)]
    start = time.process_time()
    for each in range(number):
        Conversation(policy, services).connect(clients[each % 250])
    return time.process_time() - start


def added(number: int) -> None:
    """What a limit adds to a connection: the CPU time of policyd, without that of a Redis."""
    limit = "  defer ratelimit = 1000000 / 1h / per_conn / strict\n"
    with places() as stores:
        bare = min(connections(MemoryStore(), "", number) for _ in range(3))
        row("a connection without a limit (CPU)", number, bare)
        for name, (where, _) in stores.items():
            store = opened(where, frozen=False)
            store.open()
            limited = min(connections(store, limit, number) for _ in range(3))
            row(f"what a limit adds to it, {name} (CPU)", number, limited - bare)
            store.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        print(work(sys.argv[2], *map(int, sys.argv[3:])))
    else:
        size = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
        many(size)
        added(20_000)
