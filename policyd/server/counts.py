"""Counting, in files that all processes of the daemon share with the exporter."""

from __future__ import annotations

import math
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any

from policyd.metrics import CATALOGUE, FAMILIES, PREFIX, Family, Kind, named

Key = tuple[str, tuple[str, ...]]
"""The name of a metric, and the values of its labels."""

Cell = tuple["memoryview[float]", int]
"""A number in a file that is mapped into memory, and its place there.

``numbers[place] += amount`` needs no lock: CPython lets another thread run where something is called, where a loop goes
back and where a function begins, and there is nothing of that between reading the number and writing it.
"""

Buckets = tuple[tuple[float, ...], list[Cell], Cell]
"""A histogram: bounds, how many values there are up to each, and the sum of all."""

MAX_SERIES = 500
"""Label sets of one metric that come from the configuration, per process; of those beyond, the label is ``other``."""


class PrometheusMetrics:
    """Counts in files of *directory* that the exporter reads: of one *process*, a name that a successor takes over.

    An unknown name or label is a mistake in the program: KeyError, ValueError.
    """

    def __init__(self, directory: str, process: str) -> None:
        self._directory = directory
        self._process = process
        self._lock = Lock()
        self._files: dict[Kind, Any] = {}
        self._cells: dict[Key, Cell] = {}
        self._histograms: dict[Key, Buckets] = {}
        self._unforeseen: Counter[str] = Counter()  # series by the name of their metric

    def open(self) -> None:
        """Open the files. Only after fork: they belong to one process. Raises OSError: the disk is full.

        A predecessor's counts go on; its gauges are forgotten.
        """
        from prometheus_client.mmap_dict import MmapedDict

        for kind, name in FILES.items():
            path = os.path.join(self._directory, f"{name}_{self._process}.db")
            reserve(path, forget=kind is Kind.GAUGE)
            self._files[kind] = MmapedDict(path)  # type: ignore[no-untyped-call]
        for family in CATALOGUE:
            for labels in () if family.supervised else family.known:
                self._series(family.name, labels)

    def count(self, name: str, *labels: str, amount: float = 1) -> None:
        """Add to a counter, or (any sign) to a gauge."""
        try:
            numbers, place = self._cells[name, labels]
        except KeyError:
            self._series(name, labels)
            numbers, place = self._cells[name, labels]
        numbers[place] += amount  # see `Cell`

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Put a value into a histogram."""
        try:
            bounds, cells, (sums, sum_place) = self._histograms[name, labels]
        except KeyError:
            self._series(name, labels)
            bounds, cells, (sums, sum_place) = self._histograms[name, labels]
        numbers, place = cells[bisect_left(bounds, value)]
        numbers[place] += 1
        sums[sum_place] += value

    def _series(self, name: str, values: tuple[str, ...]) -> None:
        """Find the cells of one label set, once: that costs more than counting."""
        labels = named(name, values)
        family, key, full = FAMILIES[name], (name, values), PREFIX + name
        if family.supervised:
            raise KeyError(name)
        with self._lock:
            labels = self._bounded(family, labels)
            if family.kind is Kind.COUNTER:
                self._cells[key] = self._cell(family, full.removesuffix("_total"), full, labels)
            elif family.kind is Kind.GAUGE:
                self._cells[key] = self._cell(family, full, full, labels)
            else:
                limits = (*family.buckets, math.inf)
                buckets = [self._cell(family, full, f"{full}_bucket", labels | {"le": bound(at)}) for at in limits]
                self._histograms[key] = limits, buckets, self._cell(family, full, f"{full}_sum", labels)

    def _bounded(self, family: Family, labels: Mapping[str, str]) -> dict[str, str]:
        """*labels*, or what stands for those beyond `MAX_SERIES`: a policy may be long, and changes."""
        if all(family.labels.values()):
            return dict(labels)
        self._unforeseen[family.name] += 1
        full = self._unforeseen[family.name] > MAX_SERIES
        return {name: "other" if full and not family.labels[name] else value for name, value in labels.items()}

    def _cell(self, family: Family, metric: str, sample: str, labels: dict[str, str]) -> Cell:
        """Where one number is, in the library's format: a float in the octet order of the host, at a multiple of 8."""
        from prometheus_client.mmap_dict import mmap_key

        key = mmap_key(metric, sample, list(labels), list(labels.values()), family.help)
        file = self._files[family.kind]
        if key not in file._positions and file._used + len(key.encode()) + ENTRY > ROOM:
            return memoryview(bytearray(8)).cast("d"), 0  # counted nowhere: a file that grows may find no room
        file.read_value(key)  # makes it
        return memoryview(file._m).cast("d"), file._positions[key] // 8


ROOM = 1 << 20
"""Octets of a file, thousands of series."""

ENTRY = 32
"""Octets of a series in a file beside its key, at most."""


def reserve(path: str, *, forget: bool) -> None:
    """Have the disk keep `ROOM` for a file of counts: a write to a page of it without room would kill the process.

    *forget* what is in it, and keep its room. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, ROOM)
        if forget:
            os.pwrite(descriptor, bytes(8), 0)  # how much of it is in use
    finally:
        os.close(descriptor)


FILES = {Kind.COUNTER: "counter", Kind.GAUGE: "gauge_livesum", Kind.HISTOGRAM: "histogram"}
"""How the library calls the files: what its collector makes of several of them depends on it."""


def bound(limit: float) -> str:
    """A bucket's bound as the library writes it."""
    from prometheus_client.utils import floatToGoString

    return floatToGoString(limit)  # type: ignore[no-any-return, no-untyped-call]
