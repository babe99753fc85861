"""Watching the DNS lists of the policy in force: one that is dead, or lists everybody, is found out."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread

from policyd.checks.dnslist_health import is_healthy
from policyd.journal import report
from policyd.metrics import Metrics
from policyd.resolver import Resolver
from policyd.transaction import Log

FIRST, INTERVAL = 60.0, 900.0
"""Seconds from the start to the first look, and from one look to the next."""

NEED = "dnslist "
"""How a need begins (`policyd.policy.Policy`) that names a list."""


class ListWatch:
    """Asks each list of *needs* now and then, as `policyd.checks.dnslist_health` does."""

    def __init__(self, needs: Callable[[], frozenset[str]], resolver: Resolver, metrics: Metrics, log: Log) -> None:
        self._needs = needs
        self._resolver = resolver
        self._metrics = metrics
        self._log = log
        self._healthy: dict[str, bool] = {}  # as it is counted

    def start(self) -> None:
        """Begin, in a thread that ends with the process. Until the first look, no list is known to be unhealthy."""
        for zone in self._zones():
            self._metrics.count("dnsbl_unhealthy", zone, amount=0)
        Thread(target=self._run, name="lists", daemon=True).start()

    def _run(self) -> None:
        pause = FIRST
        while True:
            time.sleep(pause)
            try:
                self.look()
            except Exception as error:
                report(self._log.write, "the watch over DNS lists", error)
            pause = INTERVAL

    def look(self) -> None:
        """Ask all of them, and say what has changed. A list that the policy no longer asks is nobody's trouble."""
        zones = self._zones()
        for zone in sorted(zones | self._healthy.keys()):
            self._note(zone, zone not in zones or is_healthy(self._resolver, zone))

    def _zones(self) -> set[str]:
        return {need.removeprefix(NEED) for need in self._needs() if need.startswith(NEED)}

    def _note(self, zone: str, healthy: bool) -> None:
        before = self._healthy.get(zone)
        if before is not healthy:
            self._metrics.count("dnsbl_unhealthy", zone, amount=1 if not healthy else -1 if before is False else 0)
            if not healthy or before is False:
                self._log.write("main", f"DNS list {zone} {'works again' if healthy else 'fails its test'} (RFC 5782)")
        self._healthy[zone] = healthy
