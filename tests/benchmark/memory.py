"""The memory of all of policyd's processes: with many large messages at once, and after many messages."""

from __future__ import annotations

import argparse
import subprocess
import time
from dataclasses import astuple
from pathlib import Path
from random import Random

from benchmark.build import built
from benchmark.contenders import Running, policyd
from benchmark.generator import Load, run
from benchmark.messages import sample
from benchmark.page import publish, table
from benchmark.processes import Memory, memory
from benchmark.world import World

CONNECTIONS, LARGE = 200, 10_000_000
FEW, MANY = 20_000, 200_000


def peak(filter: Running, pack: Path) -> Memory:
    """The most of each, while *CONNECTIONS* connections send it twice over."""
    load = Load(pack, connections=CONNECTIONS, messages=2 * CONNECTIONS)
    generator = subprocess.Popen(
        [built("loadgen"), "-s", filter.place.for_loadgen, *load.options], stdout=subprocess.PIPE
    )
    seen = [memory(filter.pid)]
    while generator.poll() is None:
        seen.append(memory(filter.pid))
        time.sleep(0.1)
    generator.communicate()
    if generator.returncode:
        raise ChildProcessError("the load generator failed")
    return Memory(*(max(getattr(each, of) for each in seen) for of in ("rss", "pss", "anonymous")))


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(prog="make bench BENCH=memory", description=__doc__)
    parser.add_argument("--share", type=float, default=1, help="of the messages of the long run")
    share = parser.parse_args().share
    few, many = int(FEW * share), int(MANY * share)
    with World() as world:
        with policyd().running(world.directory) as filter:
            idle = memory(filter.pid)
            run(filter, Load(world.pack("small"), messages=few))
            early = memory(filter.pid)
            run(filter, Load(world.pack("small"), messages=many - few))
            late = memory(filter.pid)
        with policyd().running(world.directory) as filter:
            message = sample(world.senders[1], "good", LARGE, Random(1))
            large = peak(filter, world.pack("huge", [message]))
    rows = {
        "after the start": idle,
        f"after {few:,} messages of 4 KB": early,
        f"after {many:,} messages of 4 KB": late,
        f"{CONNECTIONS} connections, each sending {LARGE // 10**6} MB, at most": large,
    }
    head = ("MB, all processes, 2 workers", "RSS", "PSS", "anonymous (RssAnon)")
    publish(
        "memory",
        table(head, [(what, *(f"{each:.0f}" for each in astuple(figures))) for what, figures in rows.items()]),
        f"From {few:,} to {many:,} messages, anonymous memory grew by {late.anonymous / early.anonymous - 1:.1%}, "
        f"resident memory by {late.rss / early.rss - 1:.1%}: pages of mapped files (rates, and explanations, "
        "which `explain_size` bounds) count there once for each process that has looked at them.",
    )


if __name__ == "__main__":
    main()
