"""The world as commands see it: real DNS or zone files, the real state, and a log on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from policyd.metrics import NoMetrics
from policyd.resolver import Answer, Resolver
from policyd.settings import Settings
from policyd.transaction import Services


class ErrorLog:
    """``LOG: text`` on standard error, for the main and the panic log; what goes to both is shown once."""

    def __init__(self) -> None:
        self._last = ""

    def write(self, target: str, text: str) -> None:
        """Show a line, unless it has just been shown for another log."""
        if target == "main" or text != self._last:
            show(f"LOG: {text}")
        self._last = text


def show(line: str) -> None:
    """One line on standard error, in octets."""
    sys.stderr.buffer.write(line.encode("latin-1", "backslashreplace") + b"\n")
    sys.stderr.buffer.flush()


class LazyResolver:
    """Real DNS, loaded when the first question is asked: most policies being tried ask none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: Resolver | None = None

    def lookup(self, rtype: str, name: str) -> Answer:
        """See `policyd.resolver.Resolver`."""
        return self._resolver().lookup(rtype, name)

    def until(self, deadline: float) -> Resolver:
        """See `policyd.resolver.Resolver`."""
        return _Until(self, deadline)

    def _resolver(self) -> Resolver:
        if self._opened is None:
            from policyd.resolver.cached import CachedResolver  # dnspython takes 60 ms to load

            self._opened = CachedResolver(
                servers=self._settings.dns_servers,
                port=self._settings.dns_port,
                timeout=self._settings.dns_timeout,
                cache_size=self._settings.dns_cache_size,
            )
        return self._opened


class _Until:
    """A `LazyResolver` with a deadline."""

    def __init__(self, lazy: LazyResolver, deadline: float) -> None:
        self._lazy = lazy
        self._deadline = deadline

    def lookup(self, rtype: str, name: str) -> Answer:
        return self._lazy._resolver().until(self._deadline).lookup(rtype, name)

    def until(self, deadline: float) -> Resolver:
        return _Until(self._lazy, deadline)


def services(settings: Settings, zones: Sequence[str]) -> Services:
    """Everything a command's transactions need. *zones*: answer all DNS from these files. Raises `PolicyError`."""
    from policyd.stores import LmdbStore

    log = ErrorLog()
    resolver: Resolver = LazyResolver(settings)
    if zones:
        from policyd.resolver.zone import ZoneResolver

        resolver = ZoneResolver(zones)
    store = LmdbStore(Path(settings.state_directory) / "store", complain=lambda text: log.write("panic", text))
    return Services(resolver, store, NoMetrics(), log)
