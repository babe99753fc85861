"""``make fuzz``: every target gets its share of the time; what breaks one is shown, fit for its seeds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from fuzz.targets import TARGETS

SECONDS = 60  # for all of them together
STARTING = 3  # of these, what a target needs before its first input
PATIENCE = 60  # seconds for a target that does not end by itself


def main() -> int:
    """The number of targets that broke."""
    if not find_spec("atheris"):
        print(f"atheris cannot be had for Python {sys.version.split()[0]} here: nothing was fuzzed")
        return 0
    at_once = os.cpu_count() or 1
    share = max(SECONDS * at_once // len(TARGETS) - STARTING, 1)
    with ThreadPoolExecutor(at_once) as pool:
        return sum(pool.map(lambda name: _broke(name, share), TARGETS))


def _broke(name: str, seconds: int) -> bool:
    """Fuzz one target, and tell about it."""
    with tempfile.TemporaryDirectory(prefix="policyd-fuzz-") as directory:
        command = [sys.executable, "-m", "fuzz.one", name, str(seconds), directory]
        try:
            run = subprocess.run(command, capture_output=True, timeout=seconds + PATIENCE, check=False)
            code, output = run.returncode, run.stdout + run.stderr
        except subprocess.TimeoutExpired as error:
            code, output = -1, (error.stdout or b"") + (error.stderr or b"")
        culprits = [path.read_bytes() for path in Path(directory).iterdir() if path.is_file()]
        inputs = len(list(Path(directory, "corpus").iterdir()))
    if not code:
        print(f"{name:16} {seconds} s, {inputs} kinds of input", flush=True)
        return False
    print(f"{name:16} BROKE", *map(repr, culprits), output.decode(errors="replace"), sep="\n", flush=True)
    return True


sys.exit(main())
