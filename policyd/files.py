"""Files that a policy names, read again when they change."""

from __future__ import annotations

import os
import threading

from policyd.errors import Defer

MAX_SIZE = 64 * 1024 * 1024  # octets; larger ones belong into a database


class Files:
    """Texts by path: the same string object as long as the file on disk is the same."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[tuple[int, int, int], str]] = {}
        self._lock = threading.Lock()

    def read(self, path: str) -> str:
        """The file's octets as text. Raises `Defer` when it cannot be read."""
        try:
            status = os.stat(path)
            identity = (status.st_mtime_ns, status.st_ino, status.st_size)
            with self._lock:
                known = self._texts.get(path)
            if known is not None and known[0] == identity:
                return known[1]
            text = self._load(path, status.st_size)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise Defer(f"failed to open {path}: {getattr(error, 'strerror', None) or error}") from None
        with self._lock:
            self._texts[path] = (identity, text)
        return text

    def _load(self, path: str, size: int) -> str:
        if size > MAX_SIZE:
            raise Defer(f"{path} is larger than {MAX_SIZE} octets")
        with open(path, encoding="latin-1", newline="") as file:
            return file.read()
