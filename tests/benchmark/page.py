"""Tables, printed and kept: each benchmark has a place of its own in docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmark.machine import facts

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
PLACE = "<!-- made by: make bench BENCH={name} -->\n{text}<!-- end of {name} -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown, as wide as its cells need; figures to the right."""
    lines = [head, *rows]
    first, *others = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        [line[0].ljust(first), *(cell.rjust(width) for cell, width in zip(line[1:], others, strict=True))]
        for line in lines
    ]
    rule = ["-" * first, *("-" * (width - 1) + ":" for width in others)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (aligned[0], rule, *aligned[1:]))


def publish(name: str, *parts: str) -> None:
    """Print the parts, and put them where the page has a place for *name*, with the machine they come from."""
    text = "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)
    print(f"\n{text}\n{facts()}")
    before = PAGE.read_text()
    place = re.compile(PLACE.format(name=name, text=".*?"), re.DOTALL)
    generated = PLACE.format(name=name, text=f"\n{text}\n*{facts()}*\n")
    after, count = place.subn(lambda _: generated, before)
    if not count:
        raise LookupError(f"{PAGE} has no place for {name}")
    PAGE.write_text(after)
