"""A clean Debian in a directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".demo", "dist", "build", "__pycache__", ".*_cache", ".hypothesis")


@dataclass(frozen=True, slots=True)
class Tree:
    """What debootstrap made of *release* under *root*. Its commands are run as root, in namespaces of their own."""

    release: str
    root: Path

    @classmethod
    @contextmanager
    def made(cls, release: str, root: Path) -> Iterator[Tree]:
        """The smallest Debian with Python, with the host's name servers, certificates and settings of pip."""
        subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates,python3", release, str(root), MIRROR],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        for file in (CERTIFICATES, Path("/etc/resolv.conf"), Path("/etc/hosts"), Path("/etc/pip.conf")):
            if file.exists():
                shutil.copy(file, root / file.relative_to("/"))
        (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")  # packages start nothing here
        (root / "usr/sbin/policy-rc.d").chmod(0o755)
        yield cls(release, root)

    def copy(self, directory: Path, name: str) -> None:
        """Have a copy of *directory* as ``/NAME``."""
        shutil.copytree(directory, self.root / name, ignore=NOT_COPIED, symlinks=True)

    def run(self, command: str, check: bool = True) -> str:
        """What a shell in the tree prints; nothing it starts outlives it. Raises `subprocess.CalledProcessError`."""
        inside = f'mount -t proc proc {self.root}/proc && exec chroot {self.root} /bin/sh -ec "$0"'
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            **{
                name: value
                for name, value in os.environ.items()
                if name.lower().endswith("_proxy") or name.startswith("PIP_")
            },
        }
        return subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", inside, command],
            check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        ).stdout  # fmt: skip
