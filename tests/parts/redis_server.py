"""A Redis of our own, in memory only: a free port of 127.0.0.1, and a unix socket."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from parts.ports import free_port
from parts.programs import Running, environment, program, remove, spawn, stop, until_ready

from policyd.links.redis import Connection
from policyd.links.sockets import connected

READY = "Ready to accept connections"


class RedisServer(Running):
    """Runs while the ``with`` block does. *password*: what clients must give; empty: none. *options*: more of them."""

    def __init__(self, password: str = "", options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.password = password
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-redis-"))
        self.socket = self.directory / "redis.sock"
        self._options = options

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        self.start()
        undo.callback(self.stop)

    def start(self) -> None:
        """Start it, perhaps once more: nothing is kept."""
        executable = program("redis-server")
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory), "--save", ""]
        options += ["--unixsocket", str(self.socket)] + (["--requirepass", self.password] if self.password else [])
        log = self.directory / "log"
        log.write_text("")
        self._server = spawn([executable, *options, *self._options], log, environment(executable))
        until_ready(self._server, "redis-server", lambda: READY in log.read_text(), log.read_text)

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
