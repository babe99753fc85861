"""A live Exim to ask: Debian's own build, unpacked beside whatever MTA the host has, never installed."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from parts.programs import PRIVATE, environment

USER = "Debian-exim"  # compiled into Debian's binary, which does not start without it
MARK = "=== next ==="


@dataclass(frozen=True)
class Transcript:
    """What Exim answered (from the banner on), and the lines it would have logged."""

    replies: str
    log: tuple[str, ...]


@dataclass(frozen=True)
class Exim:
    """The program, the libraries it needs, and a directory for its configurations and its spool."""

    program: Path
    libraries: str
    directory: Path

    def run(self, config: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run Exim with *config*; texts are one character per octet."""
        file = self.directory / "exim.conf"
        file.write_text(self._base(config) + config, encoding="latin-1", newline="")
        file.chmod(0o644)
        return subprocess.run(
            [self.program, "-C", file, *arguments],
            input=stdin,
            capture_output=True,
            encoding="latin-1",
            env={**os.environ, "LD_LIBRARY_PATH": self.libraries},
            cwd=self.directory,
            timeout=60,
            check=False,
        )

    def expand(self, strings: Sequence[str], config: str = "") -> list[str]:
        """What each string expands to; a failing one gives Exim's line that begins with ``Failed: ``."""
        answer = self.run(config, "-be", stdin="".join(f"{string}\n{MARK}\n" for string in strings))
        assert answer.returncode == 0, answer.stderr
        *results, _ = answer.stdout.split(f"> {MARK}\n")
        return [result.removeprefix("> ").removesuffix("\n") for result in results]

    def session(self, config: str, client_ip: str, dialogue: str) -> Transcript:
        """An SMTP dialogue from *client_ip* that Exim plays through without receiving anything."""
        answer = self.run(config, "-bh", client_ip, stdin=dialogue)
        replies = answer.stdout.replace("\r", "").partition("This is not for real!\n\n")[2]
        log = re.findall(r"^LOG: (.*)$", answer.stderr, re.MULTILINE)
        return Transcript(replies, tuple(log))

    def refusal(self, config: str, *arguments: str) -> str:
        """What Exim has against *config*; nothing when it takes it."""
        answer = self.run(config, *arguments, "-bP", "exim_path")
        lines = (line.strip() for line in answer.stderr.splitlines() if line.startswith("  "))
        return next((line for line in lines if "configuration error" not in line), "") if answer.returncode else ""

    def option(self, config: str, name: str, *arguments: str) -> str:
        """How Exim prints option *name*."""
        return self.run(config, *arguments, "-bP", name).stdout.removesuffix("\n")

    def _base(self, config: str) -> str:
        """What a private Exim needs, as far as *config* does not say it."""
        needed = {
            "spool_directory": str(self.directory),
            "log_file_path": f"{self.directory}/%slog",
            "keep_environment": "",
            "primary_hostname": "mx.example.org",
        }
        return "".join(f"{name} = {value}\n" for name, value in needed.items() if f"{name} =" not in config)


@pytest.fixture(scope="session")
def exim() -> Iterator[Exim]:
    """A live Exim; tests are skipped where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("Exim reads a configuration of ours only for root")
    program = _program()
    _make_user()
    directory = Path(tempfile.mkdtemp(prefix="policyd-exim-"))
    try:
        directory.chmod(0o755)
        shutil.chown(directory, USER)
        yield Exim(program, environment(program).get("LD_LIBRARY_PATH", ""), directory)
    finally:
        shutil.rmtree(directory)


def _program() -> Path:
    """The one that `.ci/setup test` unpacked, else the host's own, if it has what there is to compare."""
    for root in (PRIVATE, Path("/")):
        found = root / "usr/sbin/exim4"
        if found.exists() and "SPF" in _ask([found, "-bV"], environment(found)):
            return found
    pytest.skip("no Exim to compare with: `.ci/setup test` unpacks Debian's exim4-daemon-heavy")


def _ask(command: list[str | Path], env: dict[str, str]) -> str:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout


def _make_user() -> None:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER], check=True)
