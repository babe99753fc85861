"""``make soak``: mixed traffic through policyd for as long as one likes, a fault every minute, and both sides compared.

Needs root, and puts this process into a network of its own. The exit status is 1 unless every claim holds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from statistics import quantiles

from benchmark.machine import facts
from parts.ports import wait_until
from soak.claims import Claim, Evidence, claims
from soak.faults import FAULTS, KILLS, Scene
from soak.load import Load, connection_limit
from soak.post import Post
from soak.samples import EVERY, Samples, held
from soak.tally import Tally
from soak.world import LOG, WORKERS, World

WARM_UP = 15.0  # seconds of traffic before anything is compared


def main() -> int:
    """1 unless every claim holds."""
    options = _arguments()
    tally = Tally()
    with World(connection_limit(options.rate)) as world:
        print(facts(), flush=True)
        wait_until(lambda: len(world.workers()) == WORKERS, "the workers")
        elder = world.workers()[-1]
        with Load(world.socket, options.rate, world.samples, Tally()):
            time.sleep(WARM_UP)
        _rest(world)
        before, rested = world.metrics(), held(elder, "worker")
        scene, post, samples = Scene(world, tally, elder), Post(world, tally), Samples(world, min(EVERY, options.fault))
        begun = time.monotonic()
        with samples, post, Load(world.socket, options.rate, world.samples, tally):
            kills = _faults(scene, options)
        lasted = time.monotonic() - begun
        _rest(world)
        seen = Evidence(world, tally, post, samples, before, world.metrics(), rested, kills)
        print(_table(tally, lasted), flush=True)
        found = list(claims(seen))
    print("\n".join(map(_line, found)))
    print(f"policyd's log: {LOG}")
    return int(not all(claim.holds for claim in found))


def _rest(world: World) -> None:
    """No connection is open, and what was asked ahead has its answer."""
    wait_until(lambda: not world.metrics()["connections"], "the last connections to end", 40)
    time.sleep(5)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=150, help="transactions a second")
    parser.add_argument("--period", type=float, default=60, help="seconds from one fault to the next")
    parser.add_argument("--fault", type=float, default=20, help="seconds that a fault lasts")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS), help="these faults")
    return parser.parse_args()


def _faults(scene: Scene, options: argparse.Namespace) -> int:
    """One after the other until the time is over; how many workers were killed."""
    begun, kills = time.monotonic(), 0
    for turn in range(int(options.minutes * 60 / options.period)):
        fault = FAULTS[options.only[turn % len(options.only)]]
        time.sleep(max(begun + turn * options.period + options.period / 3 - time.monotonic(), 0.0))
        print(f"{time.monotonic() - begun:6.0f} s  {fault.__name__}", flush=True)
        scene.tally.windows.begin()
        try:
            with fault(scene):
                time.sleep(options.fault)
        except TimeoutError as error:
            scene.tally.overdue.append(f"{fault.__name__}: {error}")
        scene.tally.windows.end()
        kills += fault in KILLS
    time.sleep(max(begun + options.minutes * 60 - time.monotonic(), 0.0))
    return kills


def _table(tally: Tally, lasted: float) -> str:
    """How transactions of each kind ended."""
    rows: dict[str, Counter[str]] = {}
    for (kind, outcome, phase), number in sorted(tally.ends.items()):
        rows.setdefault(kind, Counter())[f"{outcome} at {phase}"] += number
    lines = [
        f"{kind:32} " + ", ".join(f"{number:,} {end}" for end, number in ends.items()) for kind, ends in rows.items()
    ]
    cuts = quantiles(tally.quiet_times, n=100)
    total = tally.count()
    lines.append(
        f"{total:,} transactions on {tally.connections:,} connections in {lasted:.0f} s, {total / lasted:.0f}/s;"
    )
    lines.append(f"whole messages in quiet times: median {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms")
    return "\n".join(lines)


def _line(claim: Claim) -> str:
    return f"{'PASS' if claim.holds else 'FAIL'}  {claim.text}\n      {claim.figures}"


if __name__ == "__main__":
    sys.exit(main())
