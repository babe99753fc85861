"""A DNS server of our own on a free port of 127.0.0.1: nsd, as this user, with zones from master files."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from parts.ports import free_port
from parts.programs import Running, environment, program, remove, spawn, stop, until_ready

SERVER = """\
server:
  ip-address: 127.0.0.1
  port: {port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{here}"
  pidfile: "{here}/nsd.pid"
  zonelistfile: "{here}/zone.list"
  xfrdfile: "{here}/xfrd.state"
  xfrdir: "{here}"
  database: ""
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
"""

ZONE = """\
zone:
  name: "{name}"
  zonefile: "{file}"
"""

ROOT = """\
. 60 SOA ns.test. hostmaster.test. 1 3600 600 86400 60
. 60 NS ns.test.
ns.test. 60 A 127.0.0.1
"""

TEST = """\
$ORIGIN test.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""
"""How the zone ``test.`` begins."""

ROOT_SOA = bytes.fromhex("0001 0000 0001 0000 0000 0000 00 0006 0001")  # the question, RFC 1035 section 4.1


class Nsd(Running):
    """Runs while the ``with`` block does.

    *zones*: by name, a master file or its text. Any other name is answered
    NXDOMAIN, from an empty root zone, unless *zones* has a root of its own.
    """

    def __init__(self, zones: Mapping[str, Path | str]) -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-nsd-"))
        self.zones = {".": ROOT, **zones}

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        executable = program("nsd")
        log = self.directory / "nsd.log"
        command = [executable, "-d", "-c", self._configuration()]
        self._process = spawn(command, log, environment(executable))
        undo.callback(stop, self._process)
        until_ready(self._process, "nsd", lambda: answers(self.port), log.read_text)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def _configuration(self) -> Path:
        """Its file."""
        files = {name: self._file(number, zone) for number, (name, zone) in enumerate(self.zones.items())}
        zones = [ZONE.format(name=name, file=file) for name, file in files.items()]
        path = self.directory / "nsd.conf"
        path.write_text(SERVER.format(port=self.port, here=self.directory) + "".join(zones))
        return path

    def _file(self, number: int, zone: Path | str) -> Path:
        """The master file of a zone, written now when *zone* is its text."""
        if isinstance(zone, Path):
            return zone
        path = self.directory / f"{number}.zone"
        path.write_text(zone)
        return path


def answers(port: int, recursion: bool = False) -> bool:
    """Whether a server at a port of 127.0.0.1 says who serves the root; *recursion*: it has to ask others."""
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(0.1)
        try:
            client.connect(("127.0.0.1", port))
            client.send(ROOT_SOA[:2] + bytes([recursion, *ROOT_SOA[3:]]))
            return bool(client.recv(512))
        except (TimeoutError, ConnectionRefusedError):
            return False
