"""What a second host adds where both share a Redis, and what a check costs the Redis."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median

from benchmark.contenders import Running, policyd
from benchmark.generator import Load, Result, drive
from benchmark.page import publish, table
from benchmark.processes import cpu_seconds
from benchmark.rounds import arguments, described
from benchmark.world import World
from parts.redis_server import RedisServer

CHECKS = 2  # for each message, whose connection is its own
POLICY = """\
begin acl
acl_check_connect:
  defer ratelimit = 1000000000 / 1m / per_conn / strict
  accept
acl_check_mail:
  defer ratelimit = 1000000000 / 1h / per_mail / strict
  accept
"""
HEAD = ("messages/s", "checks/s", "CPU ms per message", "median ms", "CPU of Redis, µs per check")


def measured(filters: Sequence[Running], load: Load, redis: RedisServer) -> tuple[float, ...]:
    """The figures of `HEAD`, of all filters together, each under this load."""
    before = cpu_seconds([redis.pid])
    with ThreadPoolExecutor(len(filters)) as pool:
        results: list[Result] = list(pool.map(lambda filter: drive(filter, load), filters))
    messages = sum(result.per_second for result in results)
    return (
        messages,
        messages * CHECKS,
        sum(result.cpu for result in results) / len(results),
        median(result.median for result in results),
        (cpu_seconds([redis.pid]) - before) * 1e6 / (messages * load.seconds * CHECKS),
    )


def rows(world: World, settings: Namespace) -> Mapping[str, list[tuple[float, ...]]]:
    """Every round of every case."""
    found: dict[str, list[tuple[float, ...]]] = {}
    with RedisServer() as redis, ExitStack() as stack:
        alone, shared = {"workers": "1"}, {"workers": "1", "store": f"redis://127.0.0.1:{redis.port}"}
        lmdb, first, second = (
            stack.enter_context(policyd(POLICY, options, name).running(world.directory))
            for name, options in (("lmdb", alone), ("first", shared), ("second", shared))
        )
        cases = {"one host, LMDB": [lmdb], "one host, Redis": [first], "two hosts, one Redis": [first, second]}
        load = Load(world.pack("small"), connections=8, seconds=settings.seconds)
        for _ in range(settings.rounds):
            for name, filters in cases.items():
                found.setdefault(name, []).append(measured(filters, load, redis))
    return found


def main() -> None:
    """Measure, print, and write the page."""
    options = arguments("hosts", __doc__)
    with World() as world:
        found = rows(world, options)
    figures = {name: [median(column) for column in zip(*rounds, strict=True)] for name, rounds in found.items()}
    cost = figures["two hosts, one Redis"][-1]
    head = ("hosts of one worker, two checks for each message", *HEAD)
    publish(
        "hosts",
        table(head, [(name, *shown(row)) for name, row in figures.items()]),
        f"A Redis uses one core: with {cost:.1f} µs of it for a check, it is the limit at {1e6 / cost:,.0f} checks/s.",
        described(options),
    )


def shown(row: Sequence[float]) -> tuple[str, ...]:
    """A row as the page has it. Without a Redis there is nothing to say about it."""
    messages, checks, cpu, middle, redis = row
    return f"{messages:,.0f}", f"{checks:,.0f}", f"{cpu:.2f}", f"{middle:.1f}", f"{redis:.1f}" if redis > 1 else "—"


if __name__ == "__main__":
    main()
