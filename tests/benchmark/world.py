"""What all contenders share: name servers, and messages."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from benchmark import packs
from benchmark.build import HOME
from benchmark.domains import domains, zone
from benchmark.isolation import isolate, name_server
from benchmark.messages import Sample, samples
from parts.nsd import Nsd
from parts.unbound import Unbound

SIZES = {"mixed": (4_000, 40_000, 400_000), "small": (4_000,), "large": (400_000,)}
NAMES = tuple(SIZES)
LABELS = {"mixed": "mixed", "small": "4 KB", "large": "400 KB"}


class World:
    """Exists while the ``with`` block runs: nsd, a caching unbound before it, and /etc/resolv.conf, which names that.

    Needs root, and puts this process into a network of its own.
    """

    def __enter__(self) -> Self:
        isolate()
        with ExitStack() as undo:
            self.directory = Path(tempfile.mkdtemp(prefix="policyd-benchmark-"))
            undo.callback(shutil.rmtree, self.directory)
            self.directory.chmod(0o755)
            HOME.mkdir(parents=True, exist_ok=True)
            self.senders = domains(HOME / "keys")
            self.samples = samples(self.senders)
            self.nsd = undo.enter_context(Nsd({".": zone(self.senders)}))
            self._unbound = undo.enter_context(Unbound(self.nsd.port, 53))
            undo.enter_context(name_server(53, self.directory))
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @property
    def helpers(self) -> list[int]:
        """The processes of the name servers."""
        return [self.nsd.pid, self._unbound.pid]

    def chosen(self, name: str) -> list[Sample]:
        """The messages of one of `SIZES`."""
        return [sample for sample in self.samples if sample.size in SIZES[name]]

    def pack(self, name: str, messages: Iterable[Sample] | None = None) -> Path:
        """The file of *messages*, or of those that *name* means."""
        path = self.directory / f"{name}.pack"
        if not path.exists():
            packs.write(path, self.chosen(name) if messages is None else messages)
        return path
