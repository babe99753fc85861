"""A supervisor with its children, started as ``policyd serve`` starts them, from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from milter_client import MilterClient
from parts.ports import wait_until

ROOT = Path(__file__).parents[2]
SERVE = "import sys; from policyd.server import serve; sys.exit(serve(sys.argv[1], drain=float(sys.argv[2])))"

POLICY = """
acl_smtp_mail = check
begin acl
check:
  deny message = {text}
"""


class Daemon:
    """A running supervisor, in a directory of its own."""

    def __init__(self, directory: Path, drain: float = 20, metrics_port: int = 0, **options: object) -> None:
        self.directory = directory
        self.metrics_port = metrics_port
        self.socket = str(directory / "milter.sock")
        self.policy = directory / "policyd.conf"
        self._options = {
            "state_directory": directory / "state",
            "milter_socket": f"unix:{self.socket}",
            "metrics_address": f"127.0.0.1:{metrics_port}" if metrics_port else "",
            "workers": 2,
        } | options
        self.write("first")
        with (directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", SERVE, self.policy, str(drain)],
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(directory)},
                start_new_session=True,
            )

    def write(self, text: str) -> None:
        """A policy that refuses every sender with *text*."""
        options = "".join(f"{name} = {value}\n" for name, value in self._options.items())
        self.policy.write_text(options + POLICY.format(text=text))

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def workers(self) -> list[int]:
        """The process ids of the children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return sorted(map(int, children.read_text().split()))

    def serving(self, count: int = 2) -> None:
        """Wait until that many workers live and the daemon answers."""
        wait_until(lambda: self.ended() or (" workers at " in self.log() and self.workers()[count - 1 :]), "workers")
        assert not self.ended(), self.log()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)

    def page(self, path: str) -> str:
        """What the exporter says. Needs a *metrics_port*."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def shows(self, *lines: str) -> bool:
        """Whether the exporter has all these lines. It hears of workers a little later than they are at work."""
        return set(lines) <= set(self.page("/metrics").splitlines())

    def verdict(self) -> str:
        """What a new connection hears after MAIL."""
        with MilterClient(self.socket) as mta:
            mta.connect()
            return mta.mail(b"<a@example.org>")


def alive(pid: int) -> bool:
    """Whether the process exists and is more than an entry in a table."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
