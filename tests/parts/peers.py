"""Debian's pyspf-milter, OpenDKIM and OpenDMARC: three milters in a row, as a Postfix without policyd has them.

They ask the name servers of ``/etc/resolv.conf``. So they live in a network and
a view of the file system of their own, in which that is an unbound; their unix
sockets are reached from everywhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from parts.nsd import ROOT, SERVER, ZONE
from parts.ports import is_listening, wait_until
from parts.programs import PRIVATE, Running, environment, program, remove, spawn, stop
from parts.unbound import settings

AUTHSERV_ID = "peers.test"
NAMES = ("spf", "dkim", "dmarc")  # in the order in which the MTA asks them

SPF = f"""\
debugLevel = 0
TestOnly = 1
HELO_reject = False
Mail_From_reject = False
PermError_reject = False
TempError_Defer = False
skip_addresses = 127.0.0.0/8
Header_Type = AR
Authserv_Id = {AUTHSERV_ID}
Socket = local:{{here}}/spf
PidFile = {{here}}/spf.pid
UserID = nobody:nogroup
InternalHosts = 127.0.0.1
"""
DKIM = f"""\
Mode v
AuthservID {AUTHSERV_ID}
AlwaysAddARHeader yes
RequireSafeKeys no
ResolverConfiguration {{here}}/dkim-resolver.conf
Socket local:{{here}}/dkim
PidFile {{here}}/dkim.pid
UMask 000
UserID nobody
Syslog no
"""
RESOLVER = """\
server:
  do-not-query-localhost: no
  module-config: "iterator"
  local-zone: "test." nodefault
forward-zone:
  name: "."
  forward-addr: 127.0.0.1
"""
DMARC = f"""\
AuthservID {AUTHSERV_ID}
TrustedAuthservIDs {AUTHSERV_ID}
RejectFailures false
PublicSuffixList {{here}}/suffixes
Socket local:{{here}}/dmarc
PidFile {{here}}/dmarc.pid
UMask 000
UserID nobody
Syslog false
"""
INSIDE = """\
#!/bin/sh
# Name servers and milters, where DNS is what {here} says.
ip link set lo up
mount --bind {here}/resolv.conf /etc/resolv.conf
{commands}
wait
"""


class MissingError(Exception):
    """What is needed is not here; the text says what."""


class Peers(Running):
    """Run while the ``with`` block does. *zone*: what DNS holds, in master file form. Raises `MissingError`."""

    def __init__(self, zone: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-peers-"))
        self._zone = zone

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        self._lay_out()
        inside = spawn(["unshare", "-mnpf", "--kill-child", "sh", self.directory / "inside"], self.directory / "log")
        undo.callback(stop, inside, patience=0)  # unshare heeds no other signal
        for name in NAMES:
            wait_until(lambda path=f"{self.directory}/{name}": is_listening(path), f"{name}: {self.log()}")
            (self.directory / name).chmod(0o666)  # pyspf-milter has a umask of its own

    @property
    def milters(self) -> str:
        """For ``smtpd_milters``."""
        return ", ".join(f"unix:{self.directory}/{name}" for name in NAMES)

    def log(self) -> str:
        """What all of them have written."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _lay_out(self) -> None:
        here = self.directory
        shutil.chown(here, "nobody")
        here.chmod(0o755)
        (here / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (here / "root.zone").write_text(ROOT + self._zone)
        (here / "dkim-resolver.conf").write_text(RESOLVER)  # or its libunbound knows that nothing is in test.
        (here / "suffixes").write_text("test\n")
        (here / "nsd.conf").write_text(SERVER.format(port=5300, here=here) + ZONE.format(name=".", file="root.zone"))
        for name, text in zip(NAMES, (SPF, DKIM, DMARC), strict=True):
            (here / f"{name}.conf").write_text(text.format(here=here))
        commands = "\n".join(_in_background(command) for command in self._commands())
        (here / "inside").write_text(INSIDE.format(here=here, commands=commands))

    def _commands(self) -> list[list[str | Path]]:
        here = self.directory
        try:
            if subprocess.run(["unshare", "-mnpf", "true"], check=False, capture_output=True).returncode:
                raise MissingError("no network of one's own here")
            return [
                [program("nsd"), "-d", "-c", here / "nsd.conf"],
                [program("unbound"), "-d", "-c", settings(here, 53, 5300)],
                [program("pyspf-milter"), here / "spf.conf"],
                [program("opendkim"), "-f", "-x", here / "dkim.conf"],
                [program("opendmarc"), "-f", "-c", here / "dmarc.conf"],
            ]
        except FileNotFoundError as error:
            raise MissingError(str(error)) from None


def _in_background(command: list[str | Path]) -> str:
    """The line that starts it; an unpacked program finds the libraries it was unpacked with."""
    executable = Path(command[0])
    outside = environment(executable)
    names = {"LD_LIBRARY_PATH": outside.get("LD_LIBRARY_PATH", "")}
    if executable.is_relative_to(PRIVATE):
        names["PYTHONPATH"] = f"{PRIVATE}/usr/lib/python3/dist-packages"
    setting = " ".join(f"{name}={value}" for name, value in names.items() if value)
    return f"env -u PYTHONPATH {setting} {os.fspath(' '.join(map(str, command)))} &"
