"""A disk without room: a file system of a few MiB that only one process sees."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOUNT = 'mount -t tmpfs -o size="$2" none "$1" && exec "$3" -c "$4" "$1"'
BEGINNING = """
import sys
from pathlib import Path

place = Path(sys.argv[1])
ballast = place / "ballast"

def fill():
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            return error.strerror
"""
"""What a program finds: the disk's *place*, and how to `fill` it with *ballast*; that says why no more goes in."""


def printed(directory: Path, size: str, *program: str) -> list[str]:
    """The lines that a Python *program* prints for whom *directory* is a disk of that *size*, as tmpfs has it."""
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("only root can mount")
    text = "\n".join(textwrap.dedent(part) for part in (BEGINNING, *program))
    mount = ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh", directory, size]
    done = subprocess.run([*mount, sys.executable, text], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()
