"""What a process and its descendants use, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
UTIME = 11  # of the fields of /proc/PID/stat after the name: then stime, cutime, cstime


def family(pid: int) -> Iterator[int]:
    """The process, its children, theirs, and so on."""
    yield pid
    for task in _listed(f"/proc/{pid}/task"):
        for child in _read(f"/proc/{pid}/task/{task}/children").split():
            yield from family(int(child))


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of these processes and all their descendants so far, ended ones included."""
    return TICK * sum(_ticks(member) for pid in pids for member in family(pid))


def _ticks(pid: int) -> int:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return sum(map(int, fields[UTIME : UTIME + 4]))


@dataclass(frozen=True)
class Memory:
    """Of a whole family, in MB.

    *rss* counts what is shared once per process, pages of mapped files among it; *pss* counts that once. *anonymous*
    is what they have allocated themselves (``RssAnon``).
    """

    rss: float
    pss: float
    anonymous: float


def memory(pid: int) -> Memory:
    """What a process and its descendants have in memory now."""
    totals = {"Rss": 0, "Pss": 0, "RssAnon": 0}
    for member in family(pid):
        for line in (_read(f"/proc/{member}/smaps_rollup") + _read(f"/proc/{member}/status")).splitlines():
            name, _, rest = line.partition(":")
            if name in totals:
                totals[name] += int(rest.split()[0])
    return Memory(*(total / 1000 for total in totals.values()))


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


def _read(path: str) -> str:
    """Empty when the process has ended meanwhile."""
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
