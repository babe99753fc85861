"""Who is compared: policyd as it is shipped, and filters that do nothing."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmark.build import built
from benchmark.processes import family
from parts.daemon import Policyd
from parts.ports import free_port, is_listening, wait_until
from parts.programs import spawn, stop

CONF = Path(__file__).parents[2] / "conf.d"
MACROS = {  # nothing is refused, by limits that nobody reaches: every message is wholly examined, as by the others
    "HOSTNAME": "mx.bench.example",
    "CONNECTION_LIMIT": "1000000000",
    "RECIPIENT_LIMIT": "1000000000",
    "SPF_REFUSED": "!*",
    "DMARC_REFUSED": "!*",
    "DMARC_UNUSABLE": "!*",
}


MODES = {  # of benchmark.empty_filter
    "headers": "no answer to headers",
    "silent": "no answer to headers and body",
    "connect": "connections only",
    "sender": "connections, HELO and MAIL",
}


@dataclass(frozen=True)
class Place:
    """Where a filter listens: at a *path*, or at a *port* of 127.0.0.1."""

    path: Path | None = None
    port: int = 0

    @property
    def for_milter(self) -> str:
        """As libmilter takes it."""
        return f"unix:{self.path}" if self.path else f"inet:{self.port}@127.0.0.1"

    @property
    def for_loadgen(self) -> str:
        return f"unix:{self.path}" if self.path else f"inet:127.0.0.1:{self.port}"

    @property
    def for_client(self) -> str | tuple[str, int]:
        """As `milter_client` takes it."""
        return str(self.path) if self.path else ("127.0.0.1", self.port)


@dataclass(frozen=True)
class Running:
    """A filter that listens. *pid*: the process that all of it descends from."""

    name: str
    place: Place
    pid: int


Start = Callable[[Place, Path], AbstractContextManager[int]]
"""Runs a filter while the ``with`` block does, its files in a directory of its own; the answer is its process id."""


@dataclass(frozen=True)
class Contender:
    """A filter that can be started. *pack*: which messages it is given, if not the ordinary ones."""

    name: str
    start: Start
    pack: str = ""

    @contextmanager
    def running(self, directory: Path, tcp: bool = False) -> Iterator[Running]:
        """It, from when it listens."""
        here = Path(tempfile.mkdtemp(dir=directory))
        here.chmod(0o777)  # some run as users of their own
        place = Place(port=free_port()) if tcp else Place(here / "socket")
        with self.start(place, here) as pid:
            wait_until(lambda: is_listening(place.for_client), self.name, patience=30)
            yield Running(self.name, place, pid)


def policyd(
    policy: str | Path = CONF,
    options: Mapping[str, str] | None = None,
    name: str = "policyd",
) -> Contender:
    """It, under the shipped policy or another; 2 workers unless *options* differ, metrics on."""

    @contextmanager
    def start(place: Place, _: Path) -> Iterator[int]:
        with Policyd(policy, place.for_milter, options, MACROS if isinstance(policy, Path) else None) as daemon:
            yield daemon.pid

    return Contender(name, start)


def empty_c() -> Contender:
    """libmilter alone."""
    return Contender("empty, C", program(lambda place, _: [built("empty"), place.for_milter]))


def empty_python(workers: int, mode: str = "") -> Contender:
    """pymilter alone. *mode*: of those in `MODES`."""
    script = Path(__file__).with_name("empty_filter.py")
    words = [str(workers), mode] if mode else [str(workers)]
    name = f"empty, pymilter, {workers} workers" if workers > 1 else "empty, pymilter, 1 process"
    if mode:
        name += f", {MODES[mode]}"
    return Contender(name, program(lambda place, _: [sys.executable, script, place.for_milter, *words]))


def program(
    command: Callable[[Place, Path], Sequence[str | Path]], environment: Mapping[str, str] | None = None
) -> Start:
    """How one starts that is a single command."""

    @contextmanager
    def start(place: Place, directory: Path) -> Iterator[int]:
        process = spawn(command(place, directory), directory / "log", environment)
        try:
            yield process.pid
        finally:
            end(process.pid, lambda: stop(process, patience=1))

    return start


def end(pid: int, stop_first: Callable[[], object]) -> None:
    """Stop the first of a family, then those who stay."""
    members = list(family(pid))
    stop_first()
    for member in members[1:]:
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
