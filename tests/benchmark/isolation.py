"""A network and a view of the file system of our own, where /etc/resolv.conf names our name server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "BENCHMARK_IS_ISOLATED"


def isolate() -> None:
    """Go on in namespaces of our own; needs root. Does not return where they have to be made first."""
    if os.environ.get(MARK) == str(os.getpid()):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    again = [sys.executable, *sys.orig_argv[1:]]
    os.environ[MARK] = str(os.getpid())  # unshare keeps the process, and so its id
    os.execvp("unshare", ["unshare", "--mount", "--net", "--", *again])


@contextmanager
def name_server(port: int, directory: Path) -> Iterator[None]:
    """Let /etc/resolv.conf say 127.0.0.1, which must serve *port* 53: that file has no word for another."""
    assert port == 53
    file = directory / "resolv.conf"
    file.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", file, "/etc/resolv.conf"], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "/etc/resolv.conf"], check=True)
