"""A Redis of our own, in memory only: a free port of 127.0.0.1, and a unix socket."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from parts.ports import free_port, wait_until
from parts.programs import environment, program, spawn, stop

from policyd.links.redis import Connection
from policyd.links.sockets import connected


class RedisServer:
    """Runs while the ``with`` block does. *password*: what clients must give; empty: none. *options*: more of them."""

    def __init__(self, password: str = "", options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.password = password
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-redis-"))
        self.socket = self.directory / "redis.sock"
        self._options = options

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, self.directory)
            self.start()
            undo.callback(self.stop)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def start(self) -> None:
        """Start it, perhaps once more: nothing is kept."""
        executable = program("redis-server")
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory), "--save", ""]
        options += ["--unixsocket", str(self.socket)] + (["--requirepass", self.password] if self.password else [])
        log = self.directory / "log"
        log.write_text("")
        self._server = spawn([executable, *options, *self._options], log, environment(executable))
        wait_until(lambda: self._server.poll() is not None or "Ready to accept connections" in log.read_text(), "Redis")
        if self._server.poll() is not None:
            raise ChildProcessError(f"redis-server ended:\n{log.read_text()}")

    def stop(self) -> None:
        """Stop it, also one that does not move."""
        self._server.send_signal(signal.SIGCONT)
        stop(self._server)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        os.kill(self.pid, signal.SIGKILL)
        self._server.wait()

    def ask(self, *words: str | int) -> Any:
        """What it answers to a command."""
        return ask(self.port, *words, password=self.password)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._server.pid


def ask(port: int, *words: str | int, password: str = "") -> Any:
    """What the server at *port* answers to a command."""
    with connected("127.0.0.1", port, "", float("inf")) as socket:
        connection = Connection(socket)
        if password:
            connection.ask(float("inf"), b"AUTH", password.encode())
        return connection.ask(float("inf"), *(str(word).encode() for word in words))
