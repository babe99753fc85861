"""A policy of one rate limit on connections, beside pymilters that do nothing and are told the same, or less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from benchmark.contenders import empty_python, policyd
from benchmark.generator import Load, Result, drive
from benchmark.page import publish, table
from benchmark.rounds import arguments, described, interleaved
from benchmark.world import NAMES, World

POLICY = """\
begin acl
acl_check_connect:
  defer ratelimit = 1000000000 / 1m / per_conn / strict
  accept
"""


def main() -> None:
    """Measure, print, and write the page."""
    options = arguments("connect_limit", __doc__)
    with World() as world, ExitStack() as stack:
        empty = empty_python(2, "sender"), empty_python(2, "connect")
        contenders = [*empty, policyd(POLICY, name="policyd, one rate limit")]
        filters = [stack.enter_context(each.running(world.directory)) for each in contenders]
        loads = {name: Load(world.pack(name), seconds=options.seconds) for name in NAMES}
        for filter in filters:
            drive(filter, Load(world.pack("mixed"), messages=400))
        results = interleaved(filters, {filter.name: loads for filter in filters}, rounds=options.rounds)
    floor = next(iter(results.values()))
    rows = [(name, *_figures(row, floor)) for name, row in results.items()]
    head = ("CPU ms per message", "mixed", "4 KB", "400 KB", "times the first: mixed", "4 KB", "400 KB")
    publish("connect_limit", table(head, rows), described(options))


def _figures(row: dict[str, Result], floor: dict[str, Result]) -> Iterator[str]:
    for size in NAMES:
        yield f"{row[size].cpu:.3f}"
    for size in NAMES:
        yield f"{row[size].cpu / floor[size].cpu:.2f}"


if __name__ == "__main__":
    main()
