"""The daemon's processes: real ones, started as ``policyd serve`` starts them."""

from __future__ import annotations

import grp
import os
import signal
import socket
import stat
import time
from pathlib import Path
from statistics import median

import pytest
from milter_client import MilterClient
from parts.ports import free_port, wait_until
from parts.serving import alive

# -- serving


@pytest.mark.parametrize("count", [1, 3])
def test_workers(start, count):
    daemon = start(workers=count)
    daemon.serving(count)
    assert [daemon.verdict() for _ in range(20)] == ["550 5.7.1 first"] * 20
    assert len(daemon.workers()) == count
    assert daemon.stop() == 0
    assert not os.path.exists(daemon.socket)


def test_no_workers_means_one_per_core(start):
    daemon = start(workers=0)
    daemon.serving(len(os.sched_getaffinity(0)))
    assert len(daemon.workers()) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("kind, host", [("inet", "127.0.0.1"), ("inet6", "[::1]")])
def test_internet_sockets(start, kind, host):
    port = free_port()
    daemon = start(milter_socket=f"{kind}:{port}@{host}")
    daemon.socket = (host.strip("[]"), port)
    daemon.serving()
    assert daemon.verdict() == "550 5.7.1 first"


def test_a_message_with_edits_is_not_held_back(start):
    """TCP_NODELAY: with Nagle's algorithm, each of these would wait 40 ms for the MTA's delayed acknowledgement."""
    port = free_port()
    daemon = start(milter_socket=f"inet:{port}@127.0.0.1")
    daemon.policy.write_text(
        daemon.policy.read_text()
        .replace("acl_smtp_mail", "acl_smtp_data")
        .replace("deny message = first", "accept add_header = X: y")
    )
    daemon.serving()
    with MilterClient(("127.0.0.1", port)) as mta:
        mta.connect()
        wait_until(lambda: median(seconds(mta) for _ in range(10)) < 0.02, "messages that are judged at once")


def seconds(mta):
    """How long the verdict on a message takes, and its edit."""
    mta.edits.clear()
    mta.mail(b"<a@example.org>")
    mta.rcpt(b"<b@example.org>")
    begun = time.perf_counter()
    assert mta.message([(b"Subject", b" x")]) == "continue"
    assert len(mta.edits) == 1
    return time.perf_counter() - begun


# -- the socket


@pytest.mark.parametrize("mode", ["0600", "0666", "0660"])
def test_mode(start, mode):
    daemon = start(milter_socket_mode=mode)
    daemon.serving()
    assert stat.S_IMODE(os.stat(daemon.socket).st_mode) == int(mode, 8)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a socket to any group")
def test_group(start):
    daemon = start(milter_socket_group="mail")
    daemon.serving()
    assert os.stat(daemon.socket).st_gid == grp.getgrnam("mail").gr_gid


def test_a_dead_socket_is_replaced(start, tmp_path):
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    daemon = start(milter_socket=f"local:{path}")
    daemon.socket = str(path)
    daemon.serving()
    assert daemon.verdict() == "550 5.7.1 first"


def test_a_socket_that_became_somebody_elses_is_left_alone(start):
    daemon = start()
    daemon.serving()
    os.unlink(daemon.socket)
    Path(daemon.socket).touch()
    daemon.stop()
    assert os.path.exists(daemon.socket)


@pytest.mark.parametrize(
    "options, complaint",
    [
        ({"milter_socket": "unix:/nowhere/x.sock"}, "milter_socket: /nowhere: No such file or directory"),
        ({"milter_socket": "unix:/dev/null"}, "/dev/null exists and is not a socket"),
        ({"milter_socket": "inet:25@192.0.2.1"}, "milter_socket: inet:25@[192.0.2.1]: Cannot assign requested address"),
        ({"milter_socket": "inet:70000"}, "milter_socket: 'inet:70000' is not"),
        ({"milter_socket_group": "no-such-group"}, "milter_socket_group: there is no group 'no-such-group'"),
        ({"metrics_address": "192.0.2.1:80"}, "metrics_address 192.0.2.1:80: Cannot assign requested address"),
        ({"workers": "many"}, "policyd.conf:4:11: "),
    ],
)
def test_what_cannot_start_says_why(start, options, complaint):
    daemon = start(**options)
    assert daemon.process.wait(30) == 1
    assert complaint in daemon.log()
    assert "Traceback" not in daemon.log()


def test_a_socket_in_use_is_not_taken_away(start):
    first = start()
    first.serving()
    second = start(milter_socket=f"unix:{first.socket}")
    assert second.process.wait(30) == 1
    assert "is in use" in second.log()
    assert first.verdict() == "550 5.7.1 first"


def test_a_worker_that_cannot_start_stops_the_daemon(start, tmp_path):
    (tmp_path / "file").touch()
    daemon = start(state_directory=tmp_path / "file")
    assert daemon.process.wait(30) == 1
    assert "panic: worker-0 cannot start: " in daemon.log()
    assert "ended unasked: exit code 3" in daemon.log()
    assert "Traceback" not in daemon.log()


# -- processes that die


def test_a_killed_worker_is_replaced(start):
    daemon = start()
    daemon.serving()
    first = daemon.workers()
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: len(daemon.workers()) == 2 and daemon.workers() != first, "a new worker")
    assert "ended unasked: SIGKILL" in daemon.log()
    assert [daemon.verdict() for _ in range(20)] == ["550 5.7.1 first"] * 20


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_worker_that_is_sent_a_signal_leaves_the_socket_in_place(start, signum):
    """libmilter would unlink the path that it bound; it has lost that path, and the thread for orders dies first."""
    daemon = start()
    daemon.serving()
    first = daemon.workers()
    os.kill(first[0], signum)
    wait_until(lambda: f"ended unasked: {signum.name}" in daemon.log(), "the end of the worker")
    wait_until(lambda: len(daemon.workers()) == 2 and first[0] not in daemon.workers(), "a new worker")
    assert [daemon.verdict() for _ in range(20)] == ["550 5.7.1 first"] * 20


def test_a_worker_that_keeps_dying_is_replaced_ever_more_slowly(start):
    daemon = start(workers=1)
    daemon.serving(1)
    began = time.monotonic()
    for _ in range(5):
        (pid,) = daemon.workers()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: daemon.workers() not in ([], [pid]), "a new worker")
    assert time.monotonic() - began > 0.1 + 0.2 + 0.4 + 0.8 + 1.6


def test_nobody_outlives_a_killed_supervisor(start):
    daemon = start(metrics_port=free_port())
    daemon.serving(3)
    children = daemon.workers()
    daemon.process.kill()
    wait_until(lambda: not any(map(alive, children)), "the end of all children")


def test_a_session_outlives_a_killed_supervisor(start):
    daemon = start()
    daemon.serving()
    children = daemon.workers()
    with MilterClient(daemon.socket) as mta:
        mta.connect()
        daemon.process.kill()
        time.sleep(0.3)
        assert mta.mail(b"<a@example.org>") == "550 5.7.1 first"
        mta.send("Q")
    wait_until(lambda: not any(map(alive, children)), "the end of all children")


# -- stopping


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_running_session_is_served_to_its_end(start, signum):
    daemon = start()
    daemon.serving()
    with MilterClient(daemon.socket) as mta:
        mta.connect()
        daemon.process.send_signal(signum)
        wait_until(lambda: not os.path.exists(daemon.socket), "the socket to vanish")
        time.sleep(0.5)
        assert mta.mail(b"<a@example.org>") == "550 5.7.1 first"
        assert not daemon.ended()
        mta.send("Q")
    assert daemon.process.wait(15) == 0  # and not only when it may wait no longer, after 20 s


def test_an_idle_daemon_stops_at_once(start):
    daemon = start()
    daemon.serving()
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 4  # libmilter by itself looks every 5 s whether it shall end


def test_a_session_that_does_not_end_is_cut_off(start):
    daemon = start(drain=0.5)
    daemon.serving()
    with MilterClient(daemon.socket) as mta:
        mta.connect()
        assert daemon.stop() == 0
        with pytest.raises(ConnectionError):
            mta.mail(b"<a@example.org>")
    assert "1 connections cut off" in daemon.log()


def test_told_twice_it_stops_at_once(start):
    daemon = start()
    daemon.serving()
    with MilterClient(daemon.socket) as mta:
        mta.connect()
        daemon.process.terminate()
        wait_until(lambda: not os.path.exists(daemon.socket), "the socket to vanish")
        daemon.process.terminate()
        assert daemon.process.wait(15) == 0


# -- reloading


def test_a_new_policy(start):
    daemon = start()
    daemon.serving()
    before = daemon.workers()
    with MilterClient(daemon.socket) as mta:
        mta.connect()
        daemon.write("second")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: daemon.verdict() == "550 5.7.1 second", "the new policy")
        wait_until(lambda: {daemon.verdict() for _ in range(20)} == {"550 5.7.1 second"}, "it in all workers")
        assert mta.mail(b"<a@example.org>") == "550 5.7.1 first"
    assert daemon.workers() == before


def test_a_bad_policy_changes_nothing(start):
    daemon = start()
    daemon.serving()
    before = daemon.workers()
    daemon.policy.write_text(daemon.policy.read_text().replace("deny", "dney"))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the policy stays as it was" in daemon.log(), "the complaint")
    assert 'did you mean "deny"?' in daemon.log()
    assert [daemon.verdict() for _ in range(20)] == ["550 5.7.1 first"] * 20
    assert daemon.workers() == before


def test_a_replacement_has_the_new_policy(start):
    daemon = start(workers=1)
    daemon.serving(1)
    daemon.write("second")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.verdict() == "550 5.7.1 second", "the new policy")
    daemon.policy.unlink()
    (pid,) = daemon.workers()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: daemon.workers() not in ([], [pid]), "a new worker")
    assert daemon.verdict() == "550 5.7.1 second"


def test_a_setting_that_waits_for_a_restart_is_named(start):
    daemon = start()
    daemon.serving()
    daemon.policy.write_text(daemon.policy.read_text().replace("workers = 2", "workers = 3"))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "workers has changed: that takes effect when policyd is started again" in daemon.log(), "it")
    assert len(daemon.workers()) == 2


# -- systemd


def test_systemd_is_told(start, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        daemon = start()

        def hear(wanted: str) -> None:
            while wanted not in systemd.recv(4096).decode().splitlines():
                pass

        hear("READY=1")
        assert daemon.verdict() == "550 5.7.1 first"
        hear("WATCHDOG=1")
        daemon.process.send_signal(signal.SIGHUP)
        hear("RELOADING=1")
        hear("READY=1")
        daemon.process.terminate()
        hear("STOPPING=1")
