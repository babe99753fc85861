"""A Redis of our own, in memory only: a free port of 127.0.0.1, and a unix socket."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from parts.ports import free_port, wait_until
from parts.programs import environment, program, spawn, stop


class RedisServer:
    """Runs while the ``with`` block does. *password*: what clients must give; empty: none."""

    def __init__(self, password: str = "") -> None:
        self.port = free_port()
        self.password = password
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-redis-"))
        self.socket = self.directory / "redis.sock"

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, self.directory)
            executable = program("redis-server")
            options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory), "--save", ""]
            options += ["--unixsocket", str(self.socket)] + (["--requirepass", self.password] if self.password else [])
            log = self.directory / "log"
            self._server = spawn([executable, *options], log, environment(executable))
            undo.callback(stop, self._server)
            wait_until(
                lambda: self._server.poll() is not None or "Ready to accept connections" in log.read_text(), "Redis"
            )
            if self._server.poll() is not None:
                raise ChildProcessError(f"redis-server ended:\n{log.read_text()}")
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._server.pid
