"""A balancer of our own: HAProxy in TCP mode, on free ports, in front of whatever a test names."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from parts.ports import free_port
from parts.programs import Running, environment, program, remove, spawn, stop, until_ready

HEAD = """\
global
  stats socket {here}/admin.sock mode 600 level admin
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 3s
"""

SERVICE = """\
listen {name}
{binds}  server only {server}
"""


class HAProxy(Running):
    """Runs while the ``with`` block does.

    *services*: by name, what follows ``server only`` in its configuration: an
    address, and words such as ``send-proxy``; further lines may follow. Each is
    at a port of its own, of 127.0.0.1 and ::1, and connects from 127.0.0.1 or ::1.
    """

    def __init__(self, services: Mapping[str, str]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-haproxy-"))
        self.ports = {name: free_port() for name in services}
        self._services = services

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        configuration = self.directory / "haproxy.cfg"
        configuration.write_text(HEAD.format(here=self.directory) + "".join(map(self._service, self._services)))
        executable = program("haproxy")
        log = self.directory / "log"
        process = spawn([executable, "-db", "-f", configuration], log, environment(executable))
        undo.callback(stop, process)
        until_ready(process, "haproxy", self._listens, log.read_text)

    def _service(self, name: str) -> str:
        places = (f"127.0.0.1:{self.ports[name]}", f"[::1]:{self.ports[name]}")
        binds = "".join(f"  bind {place}\n" for place in places)
        return SERVICE.format(name=self._section(name), binds=binds, server=self._services[name])

    def _section(self, name: str) -> str:
        """A service's name as HAProxy knows it, which takes fewer characters."""
        return f"service-{list(self.ports).index(name)}"

    def _listens(self) -> bool:
        """Whether it answers at its socket, without waking what is behind it."""
        return bool(self._ask("show info"))

    def status(self, name: str) -> str:
        """What its health check says of a service: ``UP``, ``DOWN``, or ``UP 1/3`` on the way; and why."""
        for line in self._ask("show stat").splitlines():
            fields = line.split(",")
            if fields[:2] == [self._section(name), "only"]:
                return f"{fields[17]} {fields[36].removeprefix('* ')}"  # the star: another check has begun
        raise KeyError(name)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(f"{self.directory}/admin.sock")
            except OSError:
                return ""
            sock.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode()
