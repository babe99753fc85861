"""Contenders, one after the other and again: what else the machine does meets all of them alike."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import fields
from statistics import median

from benchmark.contenders import Running
from benchmark.generator import Load, LoadError, Result, drive

Table = dict[str, dict[str, Result]]
"""By contender and by messages."""


def arguments(name: str, purpose: str | None, seconds: float = 3) -> Namespace:
    """The command line of a benchmark: ``seconds`` of each run, and ``rounds``."""
    parser = ArgumentParser(prog=f"make bench BENCH={name} BENCH_ARGS=…", description=purpose)
    parser.add_argument("--seconds", type=float, default=seconds, help="of load, for each row and round")
    parser.add_argument("--rounds", type=int, default=3, help="of which medians are taken")
    return parser.parse_args()


def described(options: Namespace) -> str:
    """How figures came about."""
    return f"Medians of {options.rounds} rounds of {options.seconds:g} s."


def interleaved(
    filters: Sequence[Running],
    loads: Mapping[str, Mapping[str, Load]],
    helpers: Sequence[int] = (),
    rounds: int = 3,
) -> Table:
    """Medians. *loads*: by contender and by messages. One that fails is reported, and left out."""
    found: dict[tuple[str, str], list[Result]] = {}
    for _ in range(rounds):
        for name in dict.fromkeys(name for each in loads.values() for name in each):
            for filter in filters:
                if result := _one(filter, loads[filter.name][name], helpers):
                    found.setdefault((filter.name, name), []).append(result)
    table: Table = {filter.name: {} for filter in filters}
    for (contender, name), results in found.items():
        table[contender][name] = _median(results)
    return table


def _one(filter: Running, load: Load, helpers: Sequence[int]) -> Result | None:
    try:
        return drive(filter, load, helpers)
    except LoadError as error:
        print(f"left out: {error}")
        return None


def _median(results: Sequence[Result]) -> Result:
    """Of each figure."""
    return Result(*(median(getattr(result, each.name) for result in results) for each in fields(Result)))
