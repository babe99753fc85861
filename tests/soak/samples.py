"""What the processes of the daemon hold, every few seconds."""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Self

from soak.world import World

EVERY = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Held:
    """By one process, at one time: descriptors, and anonymous memory in MB."""

    pid: int
    name: str
    time: float
    descriptors: int
    memory: float


class Samples:
    """Taken while the ``with`` block runs, every *every* seconds."""

    def __init__(self, world: World, every: float) -> None:
        self._world, self._every = world, every
        self.held: list[Held] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._lasted = time.monotonic() - self._begun

    def _run(self) -> None:
        while not self._over.wait(self._every):
            for pid, name in self._world.processes().items():
                with suppress(FileNotFoundError, ProcessLookupError):  # it has just been killed
                    self.held.append(held(pid, name))

    def third(self, pid: int, number: int) -> list[Held]:
        """Of one process, in the first, second or third part of the time (0, 1, 2)."""
        first, last = (self._begun + self._lasted * part / 3 for part in (number, number + 1))
        return [each for each in self.held if each.pid == pid and first <= each.time < last]

    def memory(self, pid: int, number: int) -> float:
        """Its mean in that third, in MB."""
        return mean(each.memory for each in self.third(pid, number))

    def descriptors(self, pid: int, number: int) -> tuple[float, int]:
        """Their mean, and the fewest, in that third."""
        found = [each.descriptors for each in self.third(pid, number)]
        return mean(found), min(found)


def held(pid: int, name: str) -> Held:
    """What it holds now."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"RssAnon:\s*(\d+) kB", status)
    if found is None:  # it is dead, and not yet buried
        raise ProcessLookupError(pid)
    return Held(pid, name, time.monotonic(), len(os.listdir(f"/proc/{pid}/fd")), int(found[1]) / 1000)
