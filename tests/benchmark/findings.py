"""What a filter finds out about the 200 messages: a figure is worth something only if the work was done."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

from benchmark.contenders import Running
from benchmark.generator import Load, run

RESULT = re.compile(r"\b(spf|dkim|dmarc)=(\w+)")


def findings(filter: Running, pack: Path, number: int) -> str:
    """The tally of what it writes into *number* messages: a method that passes once has passed."""
    tally = Counter(result for results in _results(filter, pack, number) for result in results)
    return ", ".join(f"{method} {result} {count}" for (method, result), count in sorted(tally.items()))


def _results(filter: Running, pack: Path, number: int) -> list[set[tuple[str, str]]]:
    """Of each message."""
    output = pack.with_suffix(".edits")
    run(filter, Load(pack, connections=4, messages=number), "-o", str(output))
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for line in output.read_text("latin-1").splitlines():
        message, _, text = line.partition(" ")
        if "Authentication-Results" in text:
            found[message].update(RESULT.findall(text.replace("policy.dmarc=", "")))
    return [{pair for pair in pairs if pair[1] == "pass" or (pair[0], "pass") not in pairs} for pairs in found.values()]
