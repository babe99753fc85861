"""A Sendmail of our own: every directory private, one high port of the loopback device, the host's MTA untouched.

Debian's packages are only unpacked, never installed: that would remove the MTA
the host has. sendmail.cf is made by m4, from lines as an administrator writes
them. All mail, to any domain, goes to one `Sink`.

Sendmail asks the kernel for the host's name and /etc for those of clients, and
logs to /dev/log: so it runs in a mount and a UTS namespace, with an /etc and a
/dev of its own.
"""

from __future__ import annotations

import os
import shutil
import smtplib
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from parts.ports import free_port, is_listening
from parts.programs import Running, environment, program, remove, spawn, stop, until_ready

OWNER, GROUP = "daemon", "mail"  # unprivileged, and nobody else's queue
HOST = "mx.sendmail.test"
ATTACHED = "INPUT_MAIL_FILTER(`policyd', `S={socket}, F=T, T=S:4m;R:4m;E:10m')dnl\n"
ETC = ("group", "ld.so.cache", "localtime", "passwd", "protocols", "services")
DEVICES = ("null", "random", "urandom")

MC = """\
VERSIONID(`private')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{host}')dnl
define(`confRUN_AS_USER', `{owner}:{group}')dnl
define(`QUEUE_DIR', `{here}/queue')dnl
define(`ALIAS_FILE', `{here}/aliases')dnl
define(`HELP_FILE', `{here}/helpfile')dnl
define(`STATUS_FILE', `{here}/statistics')dnl
define(`confPID_FILE', `{here}/pid')dnl
define(`confDELIVERY_MODE', `interactive')dnl
define(`confTO_IDENT', `0s')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELAY_LA', `0')dnl
define(`confDONT_PROBE_INTERFACES', `true')dnl
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')dnl
define(`confLOG_LEVEL', `14')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {sink}')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}')dnl
{lines}\
MAILER(`local')dnl
MAILER(`smtp')dnl
"""

SWITCHES = {
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
    "mail/service.switch": "hosts files\naliases files\npasswd files\n",
}

ISOLATED = """\
trap 'kill $!' TERM
cd "$2"
hostname $0 || exit
for device in $1; do mount --bind /dev/$device dev/$device || exit; done
mount --rbind dev /dev && mount --bind etc /etc || exit
"$3" -bD & wait $!; wait $!
"""
"""Told the host's name, the devices, the directory and the executable, of an MTA that is to end when its shell does.

Sendmail changes its user, and so loses the signal that a parent's death would bring.
"""


def isolation_refused() -> str:
    """Why this process may not make namespaces; empty when it may."""
    tried = subprocess.run(["unshare", "--mount", "--uts", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


class Sendmail(Running):
    """Runs while the ``with`` block does.

    *sink*: the port of 127.0.0.1 to deliver to. *lines* of the macro file, in which
    ``{socket}`` is a place where the unprivileged Sendmail reaches a milter, and
    ``{here}`` the directory; by default they attach one there. *hosts*: names
    of clients by their address; `client` has them come from there.
    """

    def __init__(self, sink: int, lines: str = ATTACHED, hosts: Mapping[str, str] | None = None) -> None:
        if os.geteuid():
            raise PermissionError("Sendmail changes users, and so must be started by root: use sudo")
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-sendmail-"))
        self.socket = f"unix:{self.directory}/milter.sock"
        self.configuration = self.directory / "etc/mail/sendmail.cf"
        self._sink = sink
        self._lines = lines.replace("{socket}", self.socket).replace("{here}", str(self.directory))
        self._hosts = dict(hosts or {})
        self._executable = program("sendmail-mta")

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        self._lay_out()
        self._make_configuration()
        undo.enter_context(_Syslog(self.directory / "dev/log", self.directory / "mail.log"))
        namespaces = ["unshare", "--mount", "--uts", "sh", "-c", ISOLATED, HOST, " ".join(DEVICES)]
        log = self.directory / "output"
        process = spawn([*namespaces, self.directory, self._executable], log, environment(self._executable))
        undo.callback(stop, process)
        self._pid = process.pid
        address = ("127.0.0.1", self.port)
        until_ready(process, "sendmail", lambda: is_listening(address), lambda: log.read_text() + self.log())

    def _lay_out(self) -> None:
        """Its directories, and what there is in its /etc and /dev."""
        self.directory.chmod(0o755)
        for name in ("queue", "etc/mail", "dev"):
            (self.directory / name).mkdir(parents=True)
        shutil.chown(self.directory / "queue", OWNER)
        (self.directory / "queue").chmod(0o700)
        for device in DEVICES:
            (self.directory / "dev" / device).touch()
        for name in filter(lambda name: Path("/etc", name).exists(), ETC):
            shutil.copy(Path("/etc", name), self.directory / "etc")
        for name, text in SWITCHES.items():
            (self.directory / "etc" / name).write_text(text)
        names = {"127.0.0.1": HOST, **self._hosts}
        (self.directory / "etc/hosts").write_text("".join(f"{address} {name}\n" for address, name in names.items()))

    def _make_configuration(self) -> None:
        """sendmail.cf, by m4."""
        here = self.directory
        values = {"here": here, "host": HOST, "owner": OWNER, "group": GROUP, "port": self.port, "sink": self._sink}
        (here / "sendmail.mc").write_text(MC.format_map(values | {"lines": self._lines}))
        macros = self._executable.parents[2] / "usr/share/sendmail/cf"
        m4 = program("m4")
        command = [m4, f"-D_CF_DIR_={macros}/", macros / "m4/cf.m4", here / "sendmail.mc"]
        made = subprocess.run(command, env=environment(m4), check=True, capture_output=True)
        self.configuration.write_bytes(made.stdout)

    @contextmanager
    def client(self, address: str = "127.0.0.1") -> Iterator[smtplib.SMTP]:
        """An SMTP client at *address*, any of the loopback device's."""
        origin = (address, 0)
        with smtplib.SMTP("127.0.0.1", self.port, "client.example.org", timeout=40, source_address=origin) as smtp:
            yield smtp

    def log(self) -> str:
        """The mail log so far."""
        return (self.directory / "mail.log").read_text("latin-1")

    def quarantine(self) -> str:
        """What ``mailq -qQ`` says of the messages in quarantine."""
        return self._run("-bp", "-qQ")

    def release(self) -> None:
        """Let every message out of quarantine, and deliver it."""
        self._run("-qQ", "-Q")
        self._run("-q")

    def _run(self, *arguments: str) -> str:
        """What the command prints, where the daemon is."""
        return subprocess.run(
            ["nsenter", "--mount", "--uts", "--target", str(self._pid), "--", self._executable, *arguments],
            env=environment(self._executable),
            check=True,
            capture_output=True,
            encoding="latin-1",
        ).stdout


class _Syslog:
    """Listens at *place*, as the system's logger does, and writes *file*, while the ``with`` block runs."""

    def __init__(self, place: Path, file: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(place))
        place.chmod(0o666)
        self._file = file
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._file.touch()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    def _write(self) -> None:
        with self._file.open("ab", buffering=0) as file:
            while line := self._socket.recv(65535):
                file.write(line.partition(b">")[2].rstrip(b"\0\n") + b"\n")
