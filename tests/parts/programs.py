"""Where the servers come from: the host's own packages, else the ones `.ci/setup` unpacked beside the checkout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

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
        *PRIVATE.glob("lib/*-linux-gnu"),
    ]
    return os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}


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


def stop(process: subprocess.Popen[bytes], patience: float = 10.0) -> int:
    """SIGTERM, and SIGKILL after *patience* seconds. The exit status."""
    process.terminate()
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
