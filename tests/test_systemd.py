"""The unit, judged by systemd itself: what it says is understood, and how far it keeps the daemon from the host."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from parts.programs import environment, program

UNIT = Path(__file__).parents[1] / "systemd" / "policyd.service"
MOST_EXPOSED = 1.5
"""Of 10, which is what a unit without any hardening has."""

TARGETS = ("basic", "multi-user", "network-online", "nss-lookup", "shutdown", "sysinit")


def analyzed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What ``systemd-analyze`` says; no systemd has to run."""
    executable = program("systemd-analyze")
    command = [executable, *arguments]
    return subprocess.run(command, env=environment(executable), capture_output=True, text=True, check=False)


def test_exposure():
    limit = f"--threshold={MOST_EXPOSED * 10:.0f}"
    done = analyzed("security", "--offline=true", "--no-pager", limit, UNIT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level for policyd.service" in done.stdout


def test_the_limit_is_one(tmp_path):
    """Without its capabilities taken away, the unit is over it."""
    (tmp_path / UNIT.name).write_text(UNIT.read_text().replace("CapabilityBoundingSet=\n", ""))
    assert analyzed("security", "--offline=true", "--no-pager", "--threshold=15", tmp_path / UNIT.name).returncode == 1


@pytest.fixture
def host(tmp_path):
    """The root of one that has the unit, the units it names, and stand-ins for the programs it starts."""
    units, programs = tmp_path / "etc/systemd/system", tmp_path / "usr/bin"
    for directory in (units, programs):
        directory.mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    shutil.copy(UNIT, units)
    for target in TARGETS:
        (units / f"{target}.target").write_text("[Unit]\n")
    for name in ("policyd", "kill"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    return tmp_path


def test_it_is_understood(host):
    done = analyzed("verify", "--man=no", f"--root={host}", UNIT.name)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("Type=notice", "Failed to parse service type"),
        ("ProtectSystems=strict", "Unknown key"),
        ("ExecStartPre=/usr/bin/policed check", "/usr/bin/policed is not executable"),
    ],
)
def test_mistakes_would_be_seen(host, line, complaint):
    unit = host / "etc/systemd/system" / UNIT.name
    unit.write_text(unit.read_text().replace("[Service]\n", f"[Service]\n{line}\n"))
    assert complaint in analyzed("verify", "--man=no", f"--root={host}", UNIT.name).stderr
