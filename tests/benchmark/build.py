"""The programs in C: the load generator, and a filter that does nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCES = Path(__file__).with_name("loadgen")
HOME = Path(__file__).parents[2] / ".demo" / "benchmark"
PROGRAMS = {"loadgen": ["loadgen.c", "connection.c", "pack.c"], "empty": ["empty.c", "-lmilter", "-lpthread"]}


def built(name: str) -> Path:
    """The program, compiled if its sources are newer."""
    HOME.mkdir(parents=True, exist_ok=True)
    target = HOME / name
    newest = max(file.stat().st_mtime for file in SOURCES.iterdir())
    if not target.exists() or target.stat().st_mtime < newest:
        subprocess.run(["gcc", "-O2", "-Wall", "-o", target, *PROGRAMS[name]], cwd=SOURCES, check=True)
    return target
