"""A PostgreSQL of our own: a private cluster, a free port of 127.0.0.1, and a unix socket.

It refuses to be root; where the tests are, it is ``nobody``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from parts.ports import free_port
from parts.programs import PRIVATE, Running, environment, remove, spawn, until_ready

DATABASE, USER, PASSWORD = "mail", "policyd", "secret"
READY = "ready to accept connections"
SETTINGS = "-c fsync=off -c log_statement=none -c max_connections=60"


class Postgres(Running):
    """Runs while the ``with`` block does. *schema*: what `DATABASE` begins with, in SQL."""

    def __init__(self, schema: str = "") -> None:
        self.port = free_port()
        self.schema = schema
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-postgres-"))
        self.socket = self.directory / f".s.PGSQL.{self.port}"

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        shutil.chown(self.directory, *(("nobody", "nogroup") if os.geteuid() == 0 else (os.geteuid(),)))
        (self.directory / "password").write_text(PASSWORD)
        self._make_cluster()
        executable, log = _program("postgres"), self.directory / "log"
        listening = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.directory)]
        command = [*_unprivileged(), executable, "-D", self.directory / "data", *listening, *SETTINGS.split()]
        self._server = spawn(command, log, environment(executable))
        undo.callback(self._stop)
        until_ready(self._server, "postgres", lambda: READY in log.read_text(), log.read_text)
        self._fill()

    @property
    def pid(self) -> int:
        """The server's first process; those that serve the clients are its children."""
        return self._server.pid

    def _make_cluster(self) -> None:
        initdb = _program("initdb")
        options = f"-D {self.directory}/data -U {USER} -A scram-sha-256 --pwfile={self.directory}/password"
        command = [*_unprivileged(), initdb, *options.split(), "-N", "-E", "UTF8", "--locale=C"]
        subprocess.run(command, check=True, capture_output=True, env=environment(initdb))

    def _stop(self) -> None:
        """A fast shutdown: clients that stay connected do not delay it."""
        self._server.send_signal(signal.SIGINT)
        self._server.wait(10)

    def _fill(self) -> None:
        import psycopg  # only where there is a server to talk to

        address = f"host=127.0.0.1 port={self.port} user={USER} password={PASSWORD}"
        with psycopg.connect(f"{address} dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        with psycopg.connect(f"{address} dbname={DATABASE}", autocommit=True) as connection:
            connection.execute(self.schema.encode())


def _program(name: str) -> Path:
    """A program of the newest PostgreSQL there is: Debian keeps them out of the PATH."""
    for root in (Path("/"), PRIVATE):
        found = sorted(root.glob(f"usr/lib/postgresql/*/bin/{name}"))
        if found:
            return found[-1]
    raise FileNotFoundError(f"{name} is not here: `make setup` unpacks it")


def _unprivileged() -> list[str]:
    if os.geteuid():
        return []
    return ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--pdeathsig", "TERM", "--"]
