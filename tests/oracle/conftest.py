"""A live Exim to ask: Debian's own build, unpacked beside whatever MTA the host has, never installed."""

from __future__ import annotations

import fcntl
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

USER = "Debian-exim"  # compiled into Debian's binary, which does not start without it
MARK = "=== next ==="
PACKAGES = ("exim4-daemon-heavy", "exim4-base")
DEPENDS = ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks"]


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
    program, libraries = _installed() or _unpacked()
    _make_user()
    directory = Path(tempfile.mkdtemp(prefix="policyd-exim-"))
    try:
        directory.chmod(0o755)
        shutil.chown(directory, USER)
        yield Exim(program, libraries, directory)
    finally:
        shutil.rmtree(directory)


def _installed() -> tuple[Path, str] | None:
    """The program that ``POLICYD_EXIM`` names, or the host's own heavy Exim."""
    named = os.environ.get("POLICYD_EXIM")
    if named:
        return Path(named), os.environ.get("LD_LIBRARY_PATH", "")
    found = shutil.which("exim4", path="/usr/sbin")
    if found and "SPF" in subprocess.run([found, "-bV"], capture_output=True, text=True, check=False).stdout:
        return Path(found), ""
    return None


def _unpacked() -> tuple[Path, str]:
    """Debian's packages, unpacked once into the user's cache."""
    if not shutil.which("apt-get"):
        pytest.skip("no Exim here, and no apt to fetch Debian's")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "policyd" / "exim"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "complete").exists():
            _fetch(cache)
    libraries = (str(path) for part in ("lib", "usr/lib") for path in (cache / part, *(cache / part).glob("*-linux-*")))
    return cache / "usr/sbin/exim4", ":".join(libraries)


def _fetch(cache: Path) -> None:
    packages = [*PACKAGES, *_missing_libraries()]
    fetched = _ask(["apt-get", "-q", "download", *packages], cache)
    if fetched.returncode:
        pytest.skip(f"Debian's Exim cannot be fetched (is apt-get update needed?): {fetched.stderr.strip()[-300:]}")
    for archive in cache.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, cache], check=True)
        archive.unlink()
    (cache / "complete").touch()


def _missing_libraries() -> list[str]:
    """The libraries that Exim depends on and the host does not have."""
    tree = _ask([*DEPENDS, "--no-replaces", "--no-enhances", PACKAGES[0]], Path("/")).stdout
    wanted = sorted(set(re.findall(r"^(lib\S+)$", tree, re.MULTILINE)))
    listed = _ask(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *wanted], Path("/")).stdout
    present = {line.split()[0] for line in listed.splitlines() if line.split()[1:] == ["ii"]}
    return [name for name in wanted if name not in present]


def _ask(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)


def _make_user() -> None:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER], check=True)
