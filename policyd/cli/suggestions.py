"""Limits that would suit: read from the rates in a log."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

REMARKS = re.compile(r"\[([0-9A-Fa-f.:]+)\](?: F=<[^>]*>(?: A=\S+)?)?((?: rate=[0-9]{1,308}\.[0-9]/\S* limit=\S+)+) ")
REMARK = re.compile(r" rate=(\S+?)/(\S*) limit=(\S+)")
COLUMNS = "{:<26}  {:>8}  {:>7}  {:>8}  {:>8}  {:>8}  {:>8}  {:>9}  {}"
HEADING = COLUMNS.format("WHERE", "LIMIT", "CLIENTS", "50%", "90%", "99%", "HIGHEST", "SUGGESTED", "WHO IS HIGHEST")


@dataclass(slots=True)
class Observed:
    """What a log says of the limit at *place*, which was *limit* in the last line: each client's highest rate."""

    place: str
    limit: str = ""
    peaks: dict[str, float] = field(default_factory=dict)

    def peak(self, share: float) -> float:
        """The rate that this *share* of the clients never went over."""
        peaks = sorted(self.peaks.values())
        return peaks[math.ceil(share * len(peaks)) - 1]

    @property
    def suggested(self) -> int:
        """The least whole limit that 99 of 100 clients would not have reached."""
        return math.floor(self.peak(0.99)) + 1

    def row(self) -> str:
        """One line under `HEADING`."""
        rates = (f"{self.peak(share):.1f}" for share in (0.5, 0.9, 0.99, 1))
        highest = max(self.peaks, key=self.peaks.__getitem__)
        return COLUMNS.format(self.place, self.limit, len(self.peaks), *rates, self.suggested, highest)


def observed(lines: Iterable[str]) -> Iterator[Observed]:
    """The limits that a log speaks of, by their places."""
    limits: dict[str, Observed] = {}
    for line in lines:
        for client, remarks in REMARKS.findall(line):
            for rate, limit, place in REMARK.findall(remarks):
                one = limits.setdefault(place, Observed(place))
                one.limit = limit
                one.peaks[client] = max(float(rate), one.peaks.get(client, 0.0))
    yield from (limits[place] for place in sorted(limits))
