"""What the supervisor knows and the exporter shows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

from policyd import __version__

Sample = tuple[str, Mapping[str, str], float]
"""The name of a metric in the catalogue, its labels, its value."""


GATEWAY = "gateway"  # the process's name
SUPERVISOR = "supervisor"  # likewise
PAGE = os.sysconf("SC_PAGE_SIZE")  # octets


@dataclass(frozen=True, slots=True)
class State:
    """Of the daemon, at one moment. Times in seconds since 1970."""

    started: float = 0.0
    listening: bool = False
    workers: list[str] = field(default_factory=list)  # the names of those that live
    gateway: bool = False  # it lives, too
    processes: dict[str, int] = field(default_factory=dict)  # their ids, by name
    restarts: int = 0
    reloads: int = 0  # that succeeded
    failures: int = 0  # reloads that did not
    loaded: float = 0.0  # when the policy in force was
    current: bool = False  # the last load succeeded
    files: int = 0
    digest: str = ""  # of the policy's text

    def encode(self) -> bytes:
        """For the channel."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, payload: bytes) -> State:
        """The inverse of `encode`."""
        return cls(**json.loads(payload))

    @property
    def ready(self) -> bool:
        """Whether mail can be judged now, or relayed to where it is."""
        return self.listening and bool(self.workers or self.gateway)


def samples(state: State, connections: Mapping[str, float]) -> Iterator[Sample]:
    """The metrics that no worker counts. *connections*: how many each worker has open."""
    busy = sum(1 for worker in state.workers if connections.get(worker))
    yield "build_info", _versions(), 1
    yield "start_time_seconds", {}, state.started
    yield "config_info", {"hash": state.digest}, 1
    yield "config_files", {}, state.files
    yield "config_last_reload_successful", {}, state.current
    yield "config_last_reload_success_timestamp_seconds", {}, state.loaded
    yield "config_reloads_total", {"result": "success"}, state.reloads
    yield "config_reloads_total", {"result": "failure"}, state.failures
    yield "workers", {"state": "busy"}, busy
    yield "workers", {"state": "idle"}, len(state.workers) - busy
    yield "worker_restarts_total", {"reason": "crash"}, state.restarts
    for name, pid in sorted(state.processes.items()):
        if memory := _memory(pid):
            yield "process_memory_bytes", {"process": name}, memory


def _versions() -> dict[str, str]:
    return {
        "version": __version__,
        "python": python_version(),
        "pymilter": _version("pymilter"),
        "pyspf": _version("pyspf"),
        "dkimpy": _version("dkimpy"),
    }


def _memory(pid: int) -> int:
    """Octets of memory that a process has; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):  # also when it is going
        return 0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # installed without its metadata
        return "unknown"
