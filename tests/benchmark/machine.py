"""Where figures come from: the machine, and what was measured on it."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]


def facts() -> str:
    """One line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}; {os.cpu_count()} cores, {_processor()}, {memory:.0f} GB; "
        f"Linux {platform.release()}; Python {platform.python_version()}"
    )


def _processor() -> str:
    """Its model, or the kind of machine where the kernel names none."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    """Of the checkout, and whether it has been changed since."""
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit}, changed" if _git("status", "--porcelain", "--", "policyd", "conf.d") else commit


def _git(*words: str) -> str:
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"
