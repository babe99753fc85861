"""A MariaDB of our own: a private data directory, a free port of 127.0.0.1, and a unix socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from parts.ports import free_port
from parts.programs import Running, environment, program, remove, spawn, until_ready

DATABASE, USER, PASSWORD = "mail", "policyd", "secret"

INIT = f"""\
CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;
CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON {DATABASE}.* TO '{USER}'@'%';
USE {DATABASE};
"""

OPTIONS = """
    --innodb-buffer-pool-size=16M --innodb-log-file-size=4M --innodb-flush-log-at-trx-commit=0
    --innodb-data-file-path=ibdata1:4M:autoextend --performance-schema=0 --skip-name-resolve
"""


class MariaDB(Running):
    """Runs while the ``with`` block does. *schema*: what `DATABASE` begins with, a statement to a line."""

    def __init__(self, schema: str = "") -> None:
        self.port = free_port()
        self.schema = schema
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-mariadb-"))
        self.socket = self.directory / "mariadb.sock"

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        self._program = program("mariadbd")
        self._environment = environment(self._program)
        self._lay_out()
        log = self.directory / "log"
        self._server = spawn([*self._command(), *self._listening()], log, self._environment)
        undo.callback(self._kill)
        until_ready(self._server, "mariadbd", lambda: "ready for connections" in log.read_text(), log.read_text)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._server.pid

    def _kill(self) -> None:
        """There is nothing in it that is worth an orderly end."""
        self._server.kill()
        self._server.wait()

    def _lay_out(self) -> None:
        (self.directory / "data").mkdir()
        if os.geteuid() == 0:
            self.directory.chmod(0o755)
            shutil.chown(self.directory / "data", "nobody")
            shutil.chown(self.directory, "nobody")
        self._make_tables()
        (self.directory / "init.sql").write_text(INIT + self.schema)

    def _listening(self) -> list[str]:
        where = [f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.socket}"]
        return [*where, f"--init-file={self.directory}/init.sql"]

    def _command(self) -> list[str]:
        shared = self._program.parents[1] / "share" / "mysql"
        # in /tmp, the temporary tables of two servers would get in each other's way
        private = [f"--{name}={self.directory}/data" for name in ("datadir", "tmpdir")]
        options = [*private, f"--lc-messages-dir={shared}", *OPTIONS.split()]
        return [str(self._program), "--no-defaults", *options, *(["--user=nobody"] if os.geteuid() == 0 else [])]

    def _make_tables(self) -> None:
        """The server's own tables, as ``mariadb-install-db`` makes them."""
        shared = self._program.parents[1] / "share" / "mysql"
        scripts = ["mysql_system_tables.sql", "mysql_system_tables_data.sql"]
        sql = "CREATE DATABASE mysql;\nUSE mysql;\n" + "".join((shared / name).read_text() for name in scripts)
        command = [*self._command(), "--bootstrap", "--skip-networking"]
        subprocess.run(command, input=sql.encode(), check=True, capture_output=True, env=self._environment)
