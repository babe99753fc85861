"""How the shipped policy does with more workers and more connections."""

from __future__ import annotations

from argparse import Namespace

from benchmark.contenders import CONF, policyd
from benchmark.generator import Load, Result, drive
from benchmark.page import publish, table
from benchmark.rounds import arguments, described, interleaved
from benchmark.world import World

WORKERS = (1, 2, 4)
CONNECTIONS = (1, 4, 16, 64, 250, 1000)
HEAD = ("messages/s", "CPU ms per message", "median ms", "p99 ms")


def measured(world: World, workers: int, connections: tuple[int, ...], options: Namespace) -> list[Result]:
    """For each number of connections, mixed messages."""
    with policyd(CONF, {"workers": str(workers)}).running(world.directory) as filter:
        pack = world.pack("mixed")
        drive(filter, Load(pack, messages=400))
        loads = {str(number): Load(pack, number, options.seconds) for number in connections}
        return list(interleaved([filter], {filter.name: loads}, rounds=options.rounds)[filter.name].values())


def figures(result: Result) -> tuple[str, ...]:
    """Those of `HEAD`."""
    return f"{result.per_second:,.0f}", f"{result.cpu:.2f}", f"{result.median:.1f}", f"{result.p99:.1f}"


def main() -> None:
    """Measure, print, and write the page."""
    options = arguments("scale", __doc__)
    with World() as world:
        by_workers = [measured(world, number, (16,), options)[0] for number in WORKERS]
        by_connections = measured(world, 2, CONNECTIONS, options)
    publish(
        "scale",
        table(("workers, 16 connections", *HEAD), _rows(WORKERS, by_workers)),
        table(("connections, 2 workers", *HEAD), _rows(CONNECTIONS, by_connections)),
        described(options),
    )


def _rows(numbers: tuple[int, ...], results: list[Result]) -> list[tuple[str, ...]]:
    return [(f"{number:,}", *figures(result)) for number, result in zip(numbers, results, strict=True)]


if __name__ == "__main__":
    main()
