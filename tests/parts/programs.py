"""Where the servers come from: the host's own packages, else the ones `.ci/setup` unpacked beside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from parts.ports import wait_until

PRIVATE = Path(__file__).parents[2] / ".demo" / "debian"
SEARCH = ("usr/sbin", "usr/bin", "usr/lib/postfix/sbin")


def program(name: str) -> Path:
    """The executable *name*. FileNotFoundError says how to have it."""
    for root in (Path("/"), PRIVATE):
        for directory in SEARCH:
            if os.access(path := root / directory / name, os.X_OK):
                return path
    raise FileNotFoundError(f"{name} is not here: `make setup` unpacks it")


def environment(executable: Path) -> dict[str, str]:
    """This process's environment; for an unpacked program, with the libraries it was unpacked with."""
    if not executable.is_relative_to(PRIVATE):
        return dict(os.environ)
    libraries = [
        PRIVATE / "usr/lib",
        PRIVATE / "usr/lib/postfix",
        *PRIVATE.glob("usr/lib/*-linux-gnu"),
        *PRIVATE.glob("usr/lib/*-linux-gnu/systemd"),
        *PRIVATE.glob("lib/*-linux-gnu"),
    ]
    return os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}


class Running:
    """What runs while the ``with`` block does."""

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._start(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _start(self, undo: ExitStack) -> None:
        """Start it, and have each step undone, the last one first: also when a later one fails."""
        raise NotImplementedError


def spawn(command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own: Ctrl-C here is not for it, but it does not outlive this process."""
    with log.open("ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            start_new_session=True,
        )


def until_ready(
    process: subprocess.Popen[bytes], name: str, is_ready: Callable[[], object], log: Callable[[], str]
) -> None:
    """Wait until a server *is_ready*; when it ends instead, ChildProcessError has its *log*."""
    wait_until(lambda: process.poll() is not None or is_ready(), name)
    if process.poll() is not None:
        raise ChildProcessError(f"{name} ended:\n{log()}")


def stop(process: subprocess.Popen[bytes], patience: float = 10.0) -> int:
    """SIGTERM, and SIGKILL after *patience* seconds. The exit status."""
    process.terminate()
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def remove(directory: Path) -> None:
    """Delete a directory, also while children of a server that has ended still write there before they end."""
    wait_until(lambda: shutil.rmtree(directory, ignore_errors=True) or not directory.exists(), f"{directory} to go")
