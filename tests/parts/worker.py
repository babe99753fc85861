"""A libmilter worker with scripted conversations, in a process of its own: see `scripted`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from milter_client import MilterClient
from parts.ports import wait_until

HERE = Path(__file__).parent
TOLD = {"j": "mx.example", "daemon_addr": "192.0.2.25", "daemon_port": "25"}


class Worker:
    """A scripted worker and its output. *needs*: of its conversations; without any, they are told everything."""

    def __init__(self, directory: Path, *needs: str) -> None:
        self.socket = str(directory / "milter.sock")
        self.output = directory / "output"
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, HERE / "scripted.py", self.socket, *needs],
                stdout=output,
                stderr=output,
                env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
            )
        wait_until(lambda: self._process.poll() is not None or self.output.read_text(), "a worker")
        assert self._process.poll() is None

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def connect(
        self, script: dict[str, Any] | None = None, told: Mapping[str, str] = TOLD, **options: Any
    ) -> Iterator[MilterClient]:
        """An MTA whose client has connected, with *script* for the conversation. *told*: the macros of that time."""
        with MilterClient(self.socket, **options) as mta:
            mta.macros("C", **told)
            assert mta.connect(name=json.dumps(script or {})) == "continue"
            yield mta

    def said(self, line: str) -> int:
        """How often a line of the output contains *line*."""
        return sum(line in said for said in self.output.read_text().splitlines())
