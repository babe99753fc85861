"""policyd itself, as ``policyd serve`` runs it: with a policy of the test's, and everything it writes in one place."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.error import URLError

from parts.ports import free_port
from parts.programs import Running, remove, spawn, stop, until_ready

from policyd import __version__

POLICYD = Path(sys.executable).with_name("policyd")


class Policyd(Running):
    """Runs while the ``with`` block does.

    *policy*: the text of a configuration, or a ``conf.d`` directory, whose
    files from 10 on are used in place. *socket* as in ``milter_socket``. *options* are
    main options, stronger than the policy's own; *macros* weaker (they come
    first, and a policy asks ``.ifndef``). *command*: what policyd is to do.
    """

    def __init__(
        self,
        policy: str | Path,
        socket: str,
        options: Mapping[str, str] | None = None,
        macros: Mapping[str, str] | None = None,
        command: str = "serve",
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="policyd-daemon-"))
        self.metrics_port = free_port()
        self.socket = socket
        self._policy = policy
        self._command = command
        self._macros = dict(macros or {})
        self._options = {
            "primary_hostname": "policyd.test",
            "state_directory": f"{self.directory}/state",
            "milter_socket": socket,
            "milter_socket_mode": "0666",
            "metrics_address": f"127.0.0.1:{self.metrics_port}",
            "workers": "2",
        } | dict(options or {})

    @property
    def configuration(self) -> Path:
        """The directory given to ``-c``."""
        return self.directory / "conf.d"

    def _start(self, undo: ExitStack) -> None:
        undo.callback(remove, self.directory)
        self._lay_out()
        self._process = spawn([POLICYD, self._command, "-c", self.configuration], self.directory / "log")
        undo.callback(stop, self._process)
        until_ready(self._process, f"policyd {self._command}", self._is_complete, self.log)

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def workers(self) -> list[int]:
        """The process ids of the workers: those children that have the store open."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(child) for child in children if f"{self.directory}/state" in _maps(child)]

    def write(self, policy: str) -> None:
        """Replace the policy's text, for the next `reload`."""
        (self.configuration / "10-policy.conf").write_text(policy)

    def reload(self) -> None:
        """SIGHUP."""
        os.kill(self.pid, signal.SIGHUP)

    def _lay_out(self) -> None:
        """The configuration, and an empty state."""
        self.configuration.mkdir()
        (self.directory / "state").mkdir()
        (self.configuration / "00-local.conf").write_text(_lines(self._macros))
        (self.configuration / "zz-local.conf").write_text(_lines(self._options))
        if isinstance(self._policy, Path):
            for file in self._policy.glob("[1-9]*.conf"):
                (self.configuration / file.name).symlink_to(file.absolute())
        else:
            self.write(self._policy)

    def log(self) -> str:
        """Everything logged so far."""
        return (self.directory / "log").read_text()

    def page(self, path: str) -> str:
        """What the exporter answers to GET *path*. Raises URLError."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=30) as answer:
            return str(answer.read(), "utf-8")

    def is_ready(self) -> bool:
        """Whether ``/readyz`` says so."""
        try:
            return bool(self.page("/readyz"))
        except (URLError, ConnectionError):
            return False

    def _is_complete(self) -> bool:
        """Whether all of it is at work, and not only the first of several workers, and has said so."""
        return self.is_ready() and f"policyd {__version__}: " in self.log()


def _lines(settings: Mapping[str, str]) -> str:
    """Macros and options have the same form."""
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def _maps(pid: str) -> str:
    """The files that a process has mapped; none of one that has just been collected."""
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
