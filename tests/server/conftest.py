"""Daemons for tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from parts.serving import Daemon


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """``start(**options)``: a daemon, which is killed at the end of the test."""
    daemons: list[Daemon] = []

    def begin(**options: object) -> Daemon:
        directory = tmp_path / str(len(daemons))
        directory.mkdir()
        daemon = Daemon(directory, **options)  # type: ignore[arg-type]
        daemons.append(daemon)
        return daemon

    yield begin
    for daemon in daemons:
        if not daemon.ended():
            os.killpg(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait()
