"""The process that shows how the daemon is: /metrics, /healthz and /readyz."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from glob import glob
from threading import Thread

from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from policyd.journal import report
from policyd.metrics import FAMILIES, PREFIX, Kind
from policyd.server.channel import Channel, Order
from policyd.server.pages import Page, serve
from policyd.server.state import GATEWAY, State, samples
from policyd.transaction import Log


class Exporter:
    """Reads the workers' files in *directory*; hears the rest from the supervisor."""

    def __init__(self, directory: str, log: Log) -> None:
        self._directory = directory
        self._log = log
        self.state = State()

    def page(self, path: str) -> Page:
        """What there is at *path*."""
        if path == "/metrics":
            return self._metrics()
        if path == "/healthz":  # without a supervisor there is no exporter
            return Page(200, b"ok\n")
        if path == "/readyz":
            return Page(200, b"ready\n") if self.state.ready else Page(503, b"not ready\n")
        return Page(404, b"there are /metrics, /healthz and /readyz\n")

    def _metrics(self) -> Page:
        try:
            return Page(200, generate_latest(self), CONTENT_TYPE_LATEST)
        except Exception as error:  # whatever a file that is being written looks like, the next scrape comes
            report(self._log.write, "the exporter", error)
            return Page(500, b"the metrics cannot be read\n")

    def collect(self) -> Iterator[Metric]:
        """Every metric: a collector, as the library sees it."""
        yield from self._merged("counter_*.db")
        yield from self._merged("histogram_*.db")
        gauges = {worker: self._file(worker) for worker in self.state.workers}
        yield from self._merged(*gauges.values(), *([self._file(GATEWAY)] if self.state.gateway else []))
        open_by_worker = {worker: _total(self._merged(file), "connections") for worker, file in gauges.items()}
        yield from _supervised(self.state, open_by_worker)

    def _file(self, worker: str) -> str:
        return f"gauge_livesum_{worker}.db"

    def _merged(self, *patterns: str) -> Iterable[Metric]:
        """The sum over these files; apart by type, for the library takes a gauge and a counter of one name for one."""
        paths = [path for pattern in patterns for path in glob(os.path.join(self._directory, pattern))]
        metrics: Iterable[Metric] = MultiProcessCollector.merge(paths)  # type: ignore[no-untyped-call]
        return metrics


def _total(metrics: Iterable[Metric], name: str) -> float:
    return sum(sample.value for metric in metrics for sample in metric.samples if metric.name == PREFIX + name)


def _supervised(state: State, connections: dict[str, float]) -> Iterator[Metric]:
    """The metrics that the supervisor knows, grouped by family."""
    metrics: dict[str, Metric] = {}
    for name, labels, value in samples(state, connections):
        family = FAMILIES[name]
        stem = name.removesuffix("_total") if family.kind is Kind.COUNTER else name
        metric = metrics.setdefault(name, Metric(PREFIX + stem, family.help, family.kind.value))
        metric.add_sample(PREFIX + name, dict(labels), value)
    yield from metrics.values()


def export(sock: socket.socket, channel: Channel, directory: str, log: Log) -> int:
    """Serve until the supervisor is gone. Does not return before."""
    exporter = Exporter(directory, log)
    Thread(target=_listen, args=(channel, exporter), daemon=True).start()
    serve(sock, exporter.page)
    return 0


def _listen(channel: Channel, exporter: Exporter) -> None:
    """Keep up with the supervisor, and end with it."""
    try:
        while (message := channel.receive()) is not None and message[0] is Order.STATE:
            exporter.state = State.decode(message[1])
    finally:
        os._exit(0)
