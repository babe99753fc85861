"""One run of the load generator against a running filter, and what it cost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.build import built
from benchmark.contenders import Running
from benchmark.processes import cpu_seconds


@dataclass(frozen=True)
class Result:
    """Times are milliseconds; *cpu* of the filter's processes, *helpers* of DNS and Redis, per message."""

    cpu: float
    helpers: float
    per_second: float
    median: float  # of a whole message
    p99: float
    end_median: float  # from the end of the message to the answer


@dataclass(frozen=True)
class Load:
    """What to send: for so many seconds, in whole passes over the messages; or so many messages."""

    pack: Path
    connections: int = 16
    seconds: float = 3
    messages: int = 0
    per_connection: int = 1

    @property
    def options(self) -> list[str]:
        amount = ["-n", str(self.messages)] if self.messages else ["-d", str(self.seconds)]
        return ["-f", str(self.pack), "-c", str(self.connections), "-m", str(self.per_connection), *amount]


class LoadError(Exception):
    """The filter did not stand it, or did something else."""


def drive(filter: Running, load: Load, helpers: Iterable[int] = ()) -> Result:
    """Run it. *helpers*: processes that work for the filter. Raises `LoadError`."""
    pids = list(helpers)
    before, helped = cpu_seconds([filter.pid]), cpu_seconds(pids)
    report = run(filter, load)
    each = 1000 / report["messages"]
    return Result(
        cpu=(cpu_seconds([filter.pid]) - before) * each,
        helpers=(cpu_seconds(pids) - helped) * each,
        per_second=report["messages"] / report["seconds"],
        median=report["whole"]["p50"],
        p99=report["whole"]["p99"],
        end_median=report["end"]["p50"],
    )


def run(filter: Running, load: Load, *options: str) -> dict[str, Any]:
    """What the generator reports. Raises `LoadError`."""
    command = [str(built("loadgen")), "-s", filter.place.for_loadgen, *load.options, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"{filter.name}: {done.stderr[-500:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    if not report["verdicts"].keys() <= {"c", "a"}:  # continue, accept
        raise LoadError(f"{filter.name} does not let everything through: {report['verdicts']}")
    return report
