"""The world as commands see it: real DNS or zone files, the real state, and a log on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from policyd.metrics import NoMetrics
from policyd.resolver import Resolver
from policyd.resolver.cache import Cache
from policyd.resolver.cached import CachedResolver
from policyd.settings import Settings
from policyd.stores import MemoryStore
from policyd.stores.configured import DIRECTORY, configured
from policyd.transaction import Services


class ErrorLog:
    """``LOG: text`` on standard error; what goes to several logs is shown once."""

    def __init__(self) -> None:
        self._last = ""
        self._targets: set[str] = set()

    def write(self, target: str, text: str) -> None:
        """Show a line, unless it has just been shown for another log."""
        if text != self._last or target in self._targets:
            show(f"LOG: {text}")
            self._targets.clear()
        self._last = text
        self._targets.add(target)


def show(line: str) -> None:
    """One line on standard error, in octets."""
    sys.stderr.buffer.write(line.encode("latin-1", "backslashreplace") + b"\n")
    sys.stderr.buffer.flush()


def services(settings: Settings, zones: Sequence[str]) -> Services:
    """Everything a command's transactions need. *zones*: answer all DNS from these files. Raises `PolicyError`."""
    log = ErrorLog()
    store = configured(settings, NoMetrics(), partial(log.write, "panic"))
    return Services(_resolver(settings, zones), store, NoMetrics(), log)


def for_anybody(world: Services, settings: Settings) -> Services:
    """*world*; for a user who may not open the daemon's state, with one that begins empty, and a word about it."""
    state = Path(settings.state_directory, DIRECTORY)
    nearest = next(path for path in (state, *state.parents) if os.path.exists(path))
    if settings.store or os.access(nearest, os.W_OK | os.X_OK):
        return world
    show(f"{settings.state_directory} is not open to you: rates, and what was seen, begin with nothing here")
    return replace(world, store=MemoryStore())


def _resolver(settings: Settings, zones: Sequence[str]) -> Resolver:
    if zones:
        from policyd.resolver.zone import ZoneResolver  # dnspython takes 50 ms to load

        return ZoneResolver(zones)
    return CachedResolver(
        servers=settings.dns_servers,
        port=settings.dns_port,
        timeout=settings.dns_timeout,
        cache=Cache(settings.dns_cache_size, settings.dns_serve_stale),
    )
