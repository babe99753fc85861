"""The exporter's pages: from a real daemon, and for clients of every kind."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path
from threading import Thread

import pytest
from milter_client import MilterClient
from parts.ports import free_port, wait_until
from parts.programs import program
from parts.serving import Daemon

from policyd.server import pages
from policyd.server.exporter import Exporter
from policyd.server.pages import Page
from policyd.server.state import State


class Quiet:
    """A log that nobody reads."""

    def write(self, target: str, text: str) -> None:
        """Nothing."""


READY = State(started=1.0, listening=True, workers=["worker-0", "worker-1"], restarts=2, reloads=3, digest="abc")


@pytest.mark.parametrize(
    "state, status",
    [
        (READY, 200),
        (State(), 503),
        (State(listening=True), 503),
        (State(workers=["worker-0"]), 503),
    ],
)
def test_readiness(tmp_path, state, status):
    exporter = Exporter(str(tmp_path), Quiet())
    exporter.state = state
    assert exporter.page("/readyz").status == status
    assert exporter.page("/healthz").status == 200


def test_state_travels():
    assert State.decode(READY.encode()) == READY


def test_what_the_supervisor_knows(tmp_path):
    exporter = Exporter(str(tmp_path), Quiet())
    exporter.state = READY
    lines = exporter.page("/metrics").body.decode().splitlines()
    assert 'policyd_config_info{hash="abc"} 1.0' in lines
    assert 'policyd_worker_restarts_total{reason="crash"} 2.0' in lines
    assert 'policyd_workers{state="idle"} 2.0' in lines
    assert 'policyd_config_reloads_total{result="success"} 3.0' in lines
    assert "# TYPE policyd_config_reloads_total counter" in lines


def test_a_damaged_file_is_not_the_end(tmp_path):
    (tmp_path / "counter_worker-0.db").write_bytes(struct.pack("<ii", 64, 0) + struct.pack("<i", 1 << 30) + bytes(52))
    exporter = Exporter(str(tmp_path), Quiet())
    assert exporter.page("/metrics").status == 500
    (tmp_path / "counter_worker-0.db").unlink()
    assert exporter.page("/metrics").status == 200


# -- a daemon's


def test_promtool_has_no_complaint(start):
    daemon = start(metrics_port=free_port())
    daemon.serving(3)
    daemon.verdict()
    command = [program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=daemon.page("/metrics"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_counts_of_all_workers(start):
    daemon = start(metrics_port=free_port())
    daemon.serving(3)
    with MilterClient(daemon.socket) as mta:
        mta.connect()
        mta.mail(b"<a@example.org>")
        busy, idle = ('policyd_workers{state="busy"} 1.0', 'policyd_workers{state="idle"} 1.0')
        wait_until(lambda: daemon.shows("policyd_connections 1.0", busy, idle), "the exporter to know both workers")
    for _ in range(19):
        daemon.verdict()
    lines = daemon.page("/metrics").splitlines()
    assert "policyd_connections_total 20.0" in lines
    assert 'policyd_decisions_total{action="reject",enforced="true",phase="mail"} 20.0' in lines
    assert 'policyd_client_address_sources_total{source="milter"} 20.0' in lines
    assert 'policyd_phase_duration_seconds_count{phase="mail"} 20.0' in lines


def test_a_killed_worker(start):
    """Its connections are gone, its counts are not."""
    daemon = start(metrics_port=free_port(), workers=1)
    daemon.serving(2)
    with MilterClient(daemon.socket) as mta:
        mta.connect()
        wait_until(lambda: daemon.shows("policyd_connections 1.0"), "the connection")
        (worker,) = (pid for pid in daemon.workers() if pid != exporter(daemon))
        os.kill(worker, signal.SIGKILL)
        wait_until(
            lambda: 'policyd_worker_restarts_total{reason="crash"} 1.0' in daemon.page("/metrics"), "a new worker"
        )
        wait_until(lambda: daemon.shows("policyd_connections 0.0"), "it to count")
        assert "policyd_connections_total 1.0" in daemon.page("/metrics").splitlines()


def test_workers_that_die_leave_no_growing_scrape(start):
    """Five of them, four times each."""
    daemon = start(metrics_port=free_port(), workers=5)
    daemon.serving(6)
    daemon.verdict()
    wait_until(lambda: 'process_memory_bytes{process="worker-4"}' in daemon.page("/metrics"), "all to be known")
    before, files = names(daemon.page("/metrics")), len(list(daemon.directory.glob("policyd-metrics-*/*")))
    watching = exporter(daemon)
    for killed in range(5, 25, 5):
        for pid in daemon.workers():
            if pid != watching:
                os.kill(pid, signal.SIGKILL)
        counted = f'policyd_worker_restarts_total{{reason="crash"}} {killed}.0'
        wait_until(lambda counted=counted: counted in daemon.page("/metrics"), "deaths to be counted")
        wait_until(lambda: daemon.shows('policyd_workers{state="idle"} 5.0'), "successors")
    assert names(daemon.page("/metrics")) == before
    assert len(list(daemon.directory.glob("policyd-metrics-*/*"))) == files == 15
    assert "policyd_connections_total 1.0" in daemon.page("/metrics").splitlines()


def names(page: str) -> list[str]:
    """The series of a scrape."""
    return [line.rpartition(" ")[0] for line in page.splitlines()]


def test_memory_of_all_processes(start):
    daemon = start(metrics_port=free_port())
    daemon.serving(3)
    wait_until(lambda: 'process_memory_bytes{process="worker-1"}' in daemon.page("/metrics"), "all to be known")
    lines = [line for line in daemon.page("/metrics").splitlines() if line.startswith("policyd_process_memory_bytes")]
    shown = {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines}
    assert set(shown) == {"supervisor", "exporter", "worker-0", "worker-1"}
    assert all(5e6 < memory < 1e9 for memory in shown.values())


def test_memory_of_a_process_that_is_gone(tmp_path):
    exporter = Exporter(str(tmp_path), Quiet())
    exporter.state = State(processes={"worker-0": 2**22 + 1, "supervisor": os.getpid()})
    lines = exporter.page("/metrics").body.decode()
    assert 'process="supervisor"' in lines
    assert 'process="worker-0"' not in lines


def test_a_killed_exporter_is_replaced(start):
    daemon = start(metrics_port=free_port())
    daemon.serving(3)
    daemon.verdict()
    first = exporter(daemon)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(daemon.workers()) == 3 and first not in daemon.workers(), "a new exporter")
    wait_until(lambda: daemon.shows('policyd_workers{state="idle"} 2.0'), "it to hear of the workers")
    assert "policyd_connections_total 1.0" in daemon.page("/metrics").splitlines()
    assert 'policyd_worker_restarts_total{reason="crash"} 0.0' in daemon.page("/metrics")
    assert daemon.page("/readyz") == "ready\n"


def test_reloads_are_counted(start):
    daemon = start(metrics_port=free_port())
    daemon.serving(3)
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: 'policyd_config_reloads_total{result="success"} 1.0' in daemon.page("/metrics"), "success")
    assert "policyd_config_last_reload_successful 1.0" in daemon.page("/metrics")
    daemon.policy.write_text("nonsense")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: 'policyd_config_reloads_total{result="failure"} 1.0' in daemon.page("/metrics"), "failure")
    assert "policyd_config_last_reload_successful 0.0" in daemon.page("/metrics")


def test_the_directory_of_counts_is_removed(start):
    daemon = start(metrics_port=free_port())
    daemon.serving(3)
    assert list(daemon.directory.glob("policyd-metrics-*"))
    daemon.stop()
    assert not list(daemon.directory.glob("policyd-metrics-*"))


def test_a_directory_of_counts_that_is_given(start, tmp_path, monkeypatch):
    """Files of an earlier life are removed from it, and nothing else."""
    (tmp_path / "counts").mkdir()
    (tmp_path / "counts" / "counter_worker-7.db").write_bytes(b"old")
    (tmp_path / "counts" / "other").touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "counts"))
    daemon = start(metrics_port=free_port(), workers=1)
    daemon.serving(2)
    daemon.verdict()
    wait_until(lambda: daemon.shows("policyd_connections_total 1.0"), "a count")
    daemon.stop()
    assert sorted(file.name for file in (tmp_path / "counts").iterdir()) == [
        "counter_worker-0.db",
        "gauge_livesum_worker-0.db",
        "histogram_worker-0.db",
        "other",
    ]


def exporter(daemon: Daemon) -> int:
    """The process id of the child that is no worker: it has not opened the store."""
    (pid,) = (pid for pid in daemon.workers() if "data.mdb" not in Path(f"/proc/{pid}/maps").read_text())
    return pid


# -- HTTP


@pytest.fixture(scope="module")
def server() -> tuple[str, int]:
    """A server whose only page says what was asked for."""
    sock = pages.listen("127.0.0.1:0")
    Thread(target=pages.serve, args=(sock, lambda path: Page(200, path.encode())), daemon=True).start()
    address: tuple[str, int] = sock.getsockname()
    return address


def ask(server: tuple[str, int], *pieces: bytes) -> bytes:
    """The answer to a request that comes in *pieces*."""
    with socket.create_connection(server, timeout=10) as client:
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.01)
        with client.makefile("rb") as answer:
            return answer.read()


@pytest.mark.parametrize(
    "pieces, status, body",
    [
        ([b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"], b"200 OK", b"/metrics"),
        ([b"GET /metrics?name=x HTTP/1.0\r\n\r\n"], b"200 OK", b"/metrics"),
        ([b"GET / HTTP/1.1\n\n"], b"200 OK", b"/"),
        ([b"GE", b"T / HT", b"TP/1.1\r\n", b"Host: x\r", b"\n\r", b"\n"], b"200 OK", b"/"),
        ([b"HEAD /metrics HTTP/1.1\r\n\r\n"], b"200 OK", b""),
        (
            [b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"],
            b"405 Method Not Allowed",
            b"these pages can only be read\n",
        ),
        ([b"\x16\x03\x01\r\n\r\n"], b"400 Bad Request", b"this is not a request\n"),
        ([b"GET  / HTTP/1.1\r\n\r\n"], b"400 Bad Request", b"this is not a request\n"),
        ([b"GET /\xff HTTP/1.1\r\n\r\n"], b"400 Bad Request", b"this is not a request\n"),
        ([b"GET / HTTP/1.1\r\n" + b"x" * 8192], b"400 Bad Request", b"this is not a request\n"),
    ],
)
def test_requests(server, pieces, status, body):
    head, _, answer = ask(server, *pieces).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert answer == body


def test_a_client_that_says_nothing_is_let_go(server, monkeypatch):
    monkeypatch.setattr(pages, "PATIENCE", 0.2)
    assert ask(server) == b""
    assert ask(server, b"GET / HT") == b""


def test_clients_that_hang_do_not_keep_others_out_for_long(server, monkeypatch):
    monkeypatch.setattr(pages, "PATIENCE", 0.3)
    hanging = [socket.create_connection(server) for _ in range(2 * pages.CLIENTS)]
    time.sleep(0.6)
    assert ask(server, b"GET / HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n/")
    for client in hanging:
        client.close()
