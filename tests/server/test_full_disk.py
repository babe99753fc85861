"""Counts on a disk without room: a file system of a few MiB that only the test sees."""

from __future__ import annotations

from parts.small_disk import printed

PROGRAM = """
from policyd.policy import Policy
from policyd.server.counts import PrometheusMetrics
from policyd.server.exporter import Exporter
from policyd.server.state import State
from policyd.server.worker import Post, Worker
from policyd.settings import Settings

def opened():
    metrics = PrometheusMetrics(str(place), "worker-0")
    metrics.open()
    return metrics

def hits(metrics, number):
    for rule in range(number):
        metrics.count("rule_hits_total", "rcpt", f"/etc/policyd/conf.d/60-site.conf:{rule}")

def shown(start):
    exporter = Exporter(str(place), None)
    exporter.state = State(workers=["worker-0"])
    lines = exporter.page("/metrics").body.decode().splitlines()
    return [line for line in lines if line.startswith("policyd_" + start)]
"""
FULL = "No space left on device"


def test_full_while_counting(tmp_path):
    """Series that nobody has heard of before have their room."""
    text = """
        metrics = opened()
        print(fill())
        hits(metrics, 450)
        print(len(shown("rule_hits_total")))
    """
    assert printed(tmp_path, "8m", PROGRAM, text) == [FULL, "450"]


def test_replaced_while_full(tmp_path):
    """A successor goes on counting; what its predecessor had open is forgotten."""
    text = """
        metrics = opened()
        metrics.count("connections", amount=3)
        metrics.count("connections_total", amount=3)
        print(fill())
        metrics = opened()
        metrics.count("connections")
        metrics.count("connections_total")
        hits(metrics, 450)
        print(*shown("connections"))
    """
    assert printed(tmp_path, "8m", PROGRAM, text) == [FULL, "policyd_connections_total 4.0 policyd_connections 1.0"]


def test_full_at_the_start(tmp_path):
    """Then it works without counts, and says so."""
    text = """
        class Log:
            def write(self, target, text):
                print(target, text.replace(str(place), "HERE"))

        print(fill())
        worker = Worker(None, Post("worker-0", None, None, Settings(), str(place), 0.0), Log())
        worker._count()
        worker.metrics.count("connections_total")
        print(type(worker.metrics).__name__)
    """
    lines = [FULL, "panic worker-0 counts nothing: HERE: No space left on device", "NoMetrics"]
    assert printed(tmp_path, "8m", PROGRAM, text) == lines


def test_a_file_does_not_outgrow_its_room(tmp_path):
    text = """
        import policyd.server.counts as counts
        counts.MAX_SERIES = 20_000
        hits(opened(), 10_000)
        print((place / "counter_worker-0.db").stat().st_size, 2_000 < len(shown("rule_hits_total")) < 10_000)
    """
    assert printed(tmp_path, "8m", PROGRAM, text) == ["1048576 True"]
