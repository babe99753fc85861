"""A caching resolver of our own: unbound on a free port of 127.0.0.1, in front of one name server."""

from __future__ import annotations

import shutil
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from parts.nsd import ROOT_SOA
from parts.ports import free_port, wait_until
from parts.programs import environment, program, spawn, stop

SETTINGS = """\
server:
  interface: 127.0.0.1@{port}
  port: {port}
  do-ip6: no
  do-daemonize: no
  do-not-query-localhost: no
  username: ""
  chroot: ""
  directory: "{here}"
  pidfile: ""
  use-syslog: no
  num-threads: 1
  module-config: "iterator"
  local-zone: "test." nodefault
  local-zone: "2.0.192.in-addr.arpa." nodefault
  local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: 127.0.0.1@{server}
"""


def settings(here: Path, port: int, server: int) -> Path:
    """The configuration of one that listens on *port* and asks the name server on port *server*."""
    path = here / f"unbound-{port}.conf"
    path.write_text(SETTINGS.format(here=here, port=port, server=server))
    return path


class Unbound:
    """Runs while the ``with`` block does. *server*: the port of 127.0.0.1 where a name server knows everything.

    *port*: its own; 0: a free one.
    """

    def __init__(self, server: int, port: int = 0) -> None:
        self.port = port or free_port()
        self._server = server
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-unbound-"))

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, self.directory)
            executable, log = program("unbound"), self.directory / "log"
            command = [executable, "-d", "-c", settings(self.directory, self.port, self._server)]
            self._process = process = spawn(command, log, environment(executable))
            undo.callback(stop, process)
            wait_until(lambda: process.poll() is not None or self._answers(), "unbound")
            if process.poll() is not None:
                raise ChildProcessError(f"unbound ended:\n{log.read_text()}")
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def _answers(self) -> bool:
        """Whether it says who serves the root."""
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(0.1)
            try:
                client.connect(("127.0.0.1", self.port))
                client.send(ROOT_SOA[:2] + b"\x01" + ROOT_SOA[3:])  # recursion desired
                return bool(client.recv(512))
            except (TimeoutError, ConnectionRefusedError):
                return False
