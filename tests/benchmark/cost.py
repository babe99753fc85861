"""What makes a message dearer: its header fields, its signatures, the statements of an ACL, the lines of a list."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from benchmark.contenders import CONF, Contender, Running, policyd
from benchmark.domains import Domain
from benchmark.generator import Load, LoadError, Result, run
from benchmark.messages import Sample, sample, signatures
from benchmark.page import publish, table
from benchmark.rounds import arguments, described, interleaved
from benchmark.world import World
from parts.signing import parted

FIELDS = (20, 100, 500)
SIGNATURES = (0, 1, 2, 4, 8)
STATEMENTS = (1, 10, 100, 1000)
LINES = (10, 1_000, 100_000)
SENDERS = 20  # domains of one key, that send 4 KB

LISTS = {  # what a list is of: a condition, and its line of some number, which fits none of our messages
    "addresses of hosts": ("hosts", lambda number: f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"),
    "senders": ("senders", lambda number: f"bounce-{number}@elsewhere{number}.example"),
    "domains": ("sender_domains", lambda number: f"elsewhere{number}.example"),
}

Row = tuple[str, Contender, Path]
"""What varies, who judges, and which messages."""


def by_fields(world: World) -> list[Row]:
    """The shipped policy; the fields in addition stand at the top."""
    rows = []
    for number in FIELDS:
        more = "".join(f"X-Trace-{each}: a hop of no interest, number {each}\n" for each in range(number - FIELDS[0]))
        messages = [sample(each, "good", 4_000, Random(1), more) for each in _senders(world)]
        what = f"about {number} header fields"
        rows.append((what, policyd(CONF, name=what), world.pack(f"fields{number}", messages)))
    return rows


def by_signatures(world: World) -> list[Row]:
    """The shipped policy; all signatures hold."""
    rows = []
    for number in SIGNATURES:
        messages = [_signed(sample(each, "good", 4_000, Random(1)), world, number) for each in _senders(world)]
        what = f"{number} signature" + "s" * (number != 1)
        rows.append((what, policyd(CONF, name=what), world.pack(f"signatures{number}", messages)))
    return rows


def by_statements(world: World) -> list[Row]:
    """A policy of an ACL for RCPT only, all of which is gone through."""
    rows = []
    for number in STATEMENTS:
        statements = "".join(f"  deny sender_domains = spam{each}.example\n" for each in range(number))
        policy = f"begin acl\nacl_check_rcpt:\n{statements}  accept\n"
        what = f"{number:,} statement" + "s" * (number != 1)
        rows.append((what, policyd(policy, name=what), world.pack("small")))
    return rows


def by_lines(world: World) -> list[Row]:
    """A policy of one list in a file, in which nothing is found."""
    rows = []
    for of, (condition, line) in LISTS.items():
        for number in LINES:
            file = world.directory / f"{condition}-{number}"
            file.write_text("".join(f"{line(each)}\n" for each in range(number)))
            policy = f"begin acl\nacl_check_rcpt:\n  deny {condition} = {file}\n  accept\n"
            what = f"a list of {number:,} {of}"
            rows.append((what, policyd(policy, name=what), world.pack("small")))
    return rows


def costs(world: World, rows: Sequence[Row], options: Namespace) -> str:
    """Measured."""
    with ExitStack() as stack:
        filters = [stack.enter_context(contender.running(world.directory)) for _, contender, _ in rows]
        loads = {what: {"": Load(pack, seconds=options.seconds)} for what, _, pack in rows}
        able = [filter for filter in filters if _stands(filter, loads[filter.name][""].pack)]
        results = interleaved(able, loads, rounds=options.rounds)
    first = results[rows[0][0]][""].cpu
    head = ("4 KB, 16 connections", "CPU ms per message", "times the first")
    return table(head, [(what, *_figures(results.get(what), first)) for what, _, _ in rows])


def _stands(filter: Running, pack: Path) -> bool:
    """Whether it gets through a few messages, which fill its caches."""
    try:
        run(filter, Load(pack, messages=200))
    except LoadError as error:
        print(f"left out: {error}")
        return False
    return True


def _figures(found: dict[str, Result] | None, first: float) -> tuple[str, str]:
    if not found:
        return "no answer in 60 s", "–"
    return f"{found[''].cpu:.3f}", f"{found[''].cpu / first:.2f}"


def main() -> None:
    """Measure, print, and write the page."""
    options = arguments("cost", __doc__, seconds=2)
    with World() as world:
        tables = [costs(world, rows(world), options) for rows in (by_fields, by_signatures, by_statements, by_lines)]
    publish("cost", *tables, described(options))


def _senders(world: World) -> list[Domain]:
    return [each for each in world.senders if not each.ed25519][:SENDERS]


def _signed(message: Sample, world: World, number: int) -> Sample:
    """With so many signatures in place of its one."""
    fields = [field for field in message.fields if field[0] != "DKIM-Signature"]
    header = "".join(f"{name}:{value}\n" for name, value in fields).replace("\n", "\r\n").encode()
    text = header + b"\r\n" + message.body
    fields, _ = parted(b"".join(signatures(text, world.senders[message.number], number)) + text)
    return Sample(**{**vars(message), "fields": fields})


if __name__ == "__main__":
    main()
