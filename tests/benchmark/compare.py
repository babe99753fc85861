"""``make bench``: policyd beside filters that do nothing, and beside those that others use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmark import peers
from benchmark.contenders import Contender, Running, empty_c, empty_python, policyd
from benchmark.findings import findings
from benchmark.generator import Load, LoadError, Result, drive
from benchmark.messages import Sample
from benchmark.page import publish, table
from benchmark.rounds import Table, arguments, described, interleaved
from benchmark.world import LABELS, NAMES, World
from parts.redis_server import RedisServer

FLOOR = empty_python(2, "headers").name
CHAIN = "OpenDKIM + OpenDMARC + pyspf-milter"
CHAINS = {  # name: whose costs add up
    f"{CHAIN} ({resolver})": ("OpenDKIM", "OpenDMARC", f"pyspf-milter, {resolver}")
    for resolver in ("py3dns", "dnspython")
}


def contenders(redis: RedisServer) -> tuple[list[Contender], list[str]]:
    """Everybody who is here, and the names of those who are not."""
    makers: list[Callable[[], Contender]] = [
        policyd,
        empty_c,
        lambda: empty_python(1),
        lambda: empty_python(2, "headers"),
        lambda: empty_python(2, "silent"),
        peers.opendkim,
        peers.opendmarc,
        lambda: peers.pyspf_milter(dnspython=False),
        lambda: peers.pyspf_milter(dnspython=True),
        peers.dkimpy_milter,
        lambda: peers.rspamd(redis, 1),
        lambda: peers.rspamd(redis, 2),
    ]
    found, missing = [], []
    for make in makers:
        try:
            found.append(make())
        except FileNotFoundError as error:
            missing.append(str(error).partition(" ")[0])
    return found, missing


def started(stack: ExitStack, world: World, here: list[Contender], missing: list[str]) -> list[Running]:
    """Those that run until *stack* ends; who does not start is *missing*, too, and no longer *here*."""
    found = []
    for contender in tuple(here):
        try:
            found.append(stack.enter_context(contender.running(world.directory)))
        except TimeoutError:
            missing.append(contender.name)
            here.remove(contender)
    return found


def examined(sample: Sample) -> Sample:
    """As it comes to an OpenDMARC: an OpenDKIM has written down its result."""
    result = {"good": "pass", "broken": "fail", "forged": "none"}[sample.kind]
    signer = f" header.d={sample.domain} header.i=@{sample.domain}" if sample.kind != "forged" else ""
    value = f" {peers.AUTHSERV_ID};\n\tdkim={result}{signer}"
    fields = [("Authentication-Results", value), *sample.fields]
    return Sample(**{**vars(sample), "fields": fields})


def packs(world: World, contender: Contender) -> dict[str, Path]:
    """Its messages of each size."""
    if not contender.pack:
        return {name: world.pack(name) for name in NAMES}
    return {name: world.pack(name + contender.pack, map(examined, world.chosen(name))) for name in NAMES}


def at_the_end(world: World, all_of_them: Sequence[Contender]) -> dict[str, float]:
    """Milliseconds from the end of a message to the answer, over TCP, of one connection of ten messages at a time."""
    found = {}
    for contender in all_of_them:
        with contender.running(world.directory, tcp=True) as filter:
            pack = packs(world, contender)["small"]
            try:
                drive(filter, Load(pack, messages=400))
                load = Load(pack, connections=1, messages=60, per_connection=10)
                found[filter.name] = drive(filter, load).end_median
            except LoadError as error:
                print(f"left out: {error}")
    return found


def main() -> None:
    """Measure, print, and write the page."""
    options = arguments("compare", __doc__)
    with World() as world, RedisServer() as redis:
        here, missing = contenders(redis)
        with ExitStack() as stack:
            filters = started(stack, world, here, missing)
            loads = {
                each.name: {name: Load(pack, seconds=options.seconds) for name, pack in packs(world, each).items()}
                for each in here
            }
            found = {filter.name: findings(filter, loads[filter.name]["mixed"].pack, 200) for filter in filters}
            results = interleaved(filters, loads, [*world.helpers, redis.pid], options.rounds)
        ends = at_the_end(world, here)
    publish(
        "compare",
        costs(results),
        ratios(results),
        speeds(results, ends),
        table(("what they found", "messages of 200"), [pair for pair in found.items() if pair[1]]),
        described(options),
        *([f"Not here, or does not start: {', '.join(dict.fromkeys(missing))}."] if missing else []),
    )


def costs(results: Table) -> str:
    """CPU time."""
    rows = {name: {size: row[size].cpu for size in row} for name, row in results.items()}
    for chain, members in CHAINS.items():
        if all(rows.get(member, {}).keys() == set(NAMES) for member in members):
            rows[chain] = {size: sum(rows[member][size] for member in members) for size in NAMES}
    own = rows["policyd"]
    head = ("CPU ms per message", *LABELS.values(), "times policyd: mixed", "4 KB", "400 KB")
    return table(
        head,
        [
            (name, *(_figure(row.get(size)) for size in NAMES), *(_ratio(row.get(size), own[size]) for size in NAMES))
            for name, row in rows.items()
        ],
    )


def ratios(results: Table) -> str:
    """policyd's own, beside what any filter in Python costs."""
    own, floor = results["policyd"], results[FLOOR]
    each = (f"{own[size].cpu / floor[size].cpu:.2f} ({LABELS[size]})" for size in NAMES)
    return f"policyd takes {', '.join(each)} times the CPU of “{FLOOR}”."


def speeds(results: Table, ends: dict[str, float]) -> str:
    """Throughput and latency of the mixed messages."""
    head = (
        "16 connections, mixed sizes",
        "messages/s",
        "median ms",
        "p99 ms",
        "DNS and Redis, CPU ms",
        "end of message, TCP, ms",
    )
    return table(head, [_speed(name, row["mixed"], ends) for name, row in results.items() if "mixed" in row])


def _speed(name: str, result: Result, ends: dict[str, float]) -> tuple[str, ...]:
    end = ends.get(name)
    return (
        name,
        f"{result.per_second:,.0f}",
        f"{result.median:.1f}",
        f"{result.p99:.1f}",
        f"{result.helpers:.2f}",
        "–" if end is None else f"{end:.2f}",
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _ratio(value: float | None, own: float) -> str:
    return "–" if value is None else f"{value / own:.2f}"


if __name__ == "__main__":
    main()
