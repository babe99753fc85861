"""``make bench-quick``: policyd beside a pymilter that does nothing, in a minute. The last line is the ratios."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from benchmark.contenders import empty_python, policyd
from benchmark.generator import Load, drive
from benchmark.rounds import interleaved
from benchmark.world import NAMES, World

ROW = "{:50}{:8}{:>9}{:>9}{:>9}{:>9}"


def main() -> None:
    """Print the table, and the ratios."""
    parser = argparse.ArgumentParser(prog="make bench-quick", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="for each contender, kind of messages and round")
    seconds = parser.parse_args().seconds
    with World() as world, ExitStack() as stack:
        loads = {name: Load(world.pack(name), seconds=seconds) for name in NAMES}
        contenders = [empty_python(2, "headers"), policyd()]
        filters = [stack.enter_context(each.running(world.directory)) for each in contenders]
        for filter in filters:
            drive(filter, Load(world.pack("mixed"), messages=400))  # caches fill
        table = interleaved(filters, {filter.name: loads for filter in filters}, world.helpers)
    print(ROW.format("CPU ms per message", "", "median", "DNS", "msgs/s", "p99 ms"))
    for contender, results in table.items():
        for name, result in results.items():
            figures = (f"{result.cpu:.2f}", f"{result.helpers:.2f}", f"{result.per_second:.0f}", f"{result.p99:.1f}")
            print(ROW.format(contender, name, *figures))
    floor, own = table.values()
    print("ratio:", *(f"{name}={own[name].cpu / floor[name].cpu:.2f}" for name in NAMES))


if __name__ == "__main__":
    main()
