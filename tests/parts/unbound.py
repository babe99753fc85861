"""A caching resolver of our own: unbound on a free port of 127.0.0.1, in front of one name server."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from parts.nsd import answers
from parts.ports import free_port
from parts.programs import Running, environment, program, remove, spawn, stop, until_ready

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


class Unbound(Running):
    """Runs while the ``with`` block does. *server*: the port of 127.0.0.1 where a name server knows everything.

    *port*: its own; 0: a free one.
    """

    def __init__(self, server: int, port: int = 0) -> None:
        self.port = port or free_port()
        self._server = server
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-unbound-"))

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        executable, log = program("unbound"), self.directory / "log"
        command = [executable, "-d", "-c", settings(self.directory, self.port, self._server)]
        self._process = spawn(command, log, environment(executable))
        undo.callback(stop, self._process)
        until_ready(self._process, "unbound", lambda: answers(self.port, recursion=True), log.read_text)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid
