"""The shadow policy of a daemon: a file under its state directory, which every worker looks at."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile

from policyd.config import compile
from policyd.policy import Policy, Snapshot
from policyd.settings import Settings
from policyd.trials.shadow import harmless

FILE = "shadow"  # under state_directory


def place(settings: Settings) -> Path:
    """Where the shadow policy lies, if there is one."""
    return Path(settings.state_directory) / FILE


def install(snapshot: Snapshot, file: Path) -> None:
    """Have workers try the policy of *snapshot* from their next connection on. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    owner, root = file.parent.stat(), os.geteuid() == 0
    with NamedTemporaryFile("w", dir=file.parent, prefix=f"{FILE}.", delete=False) as new:  # 0600, and nobody's before
        new.write(json.dumps(asdict(snapshot)))
        if root:
            os.fchown(new.fileno(), owner.st_uid, owner.st_gid)
    os.replace(new.name, file)


def remove(file: Path) -> bool:
    """End it. Whether there was one. Raises OSError."""
    existed = file.exists()
    file.unlink(missing_ok=True)
    return existed


def installed(file: Path) -> Snapshot:
    """What `install` has written. Raises OSError and ValueError: a file that others could write is not believed."""
    status = file.stat()
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(f"{file} belongs to somebody else, or others may write it")
    try:
        values = json.loads(file.read_text())
        roots = tuple(tuple(root) for root in values["roots"])
        faults = {name: (number, text) for name, (number, text) in values["faults"].items()}
        return Snapshot(roots, values["texts"], faults, values["macros"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: {error!r}") from None


class Installed:
    """The shadow policy at *file* as it is now. *complain* is told of one that cannot be used, *tell* of all others."""

    def __init__(self, file: Path, complain: Callable[[str], object], tell: Callable[[str], object]) -> None:
        self._file = file
        self._path = os.fspath(file)  # it is looked at for every connection
        self._complain = complain
        self._tell = tell
        self._seen = 0
        self._policy: Policy | None = None

    @property
    def policy(self) -> Policy | None:
        """The policy to try, if there is one. Compiled once."""
        changed = self._changed()
        if changed is None:
            if self._policy is not None:
                self._tell("tries no shadow policy any more")
            self._seen, self._policy = 0, None
            return None
        if changed != self._seen:
            self._seen, self._policy = changed, self._read()
        return self._policy

    def _changed(self) -> int | None:
        """When the file was last changed; None where there is none, which is asked first: it costs no exception."""
        try:
            return os.stat(self._path).st_mtime_ns if os.access(self._path, os.F_OK) else None
        except OSError:
            return None

    def _read(self) -> Policy | None:
        try:
            policy = harmless(compile(installed(self._file)))
        except Exception as error:  # a shadow keeps nobody from being judged
            self._complain(f"the shadow policy cannot be used: {error or type(error).__name__}")
            return None
        self._tell(f"tries the shadow policy {policy.snapshot.digest}")
        return policy
