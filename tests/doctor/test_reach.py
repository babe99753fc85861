"""Who can connect, tried as somebody else: whatever is tried, there is an answer."""

from __future__ import annotations

import os
import socket

import pytest

from policyd.doctor.reach import counted, refusal
from policyd.server.place import Place


@pytest.mark.parametrize(
    "place, reason",
    [
        (Place("inet", host="127.0.0.1", port=99999), "nobody listens there"),
        (Place("inet", host="a" * 70 + ".test", port=9), "encoding"),
        (Place("inet", host="127.0.0.1", port=1), "nobody listens there"),
        (Place("unix", path="/" + "x" * 200), "too long"),
        (Place("unix", path="/\0"), "permission denied"),
        (Place("unix", path="/nonexistent/socket"), "there is no such socket"),
    ],
)
def test_what_cannot_be_reached(place, reason):
    assert reason in refusal(place, "daemon")


def test_a_file_that_is_no_root_directory():
    assert (
        refusal(Place("unix", path="/socket"), "daemon", "/etc/passwd") == "[Errno 20] Not a directory: '/etc/passwd'"
    )


def test_who_is_not_root_tries_it_as_nobody_else(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(PermissionError, match="only root can try it as daemon"):
        refusal(Place("unix", path="/socket"), "daemon")


def test_whom_nobody_knows():
    with pytest.raises(KeyError):
        refusal(Place("unix", path="/socket"), "nobody-at-all")


@pytest.mark.parametrize(
    "answer, count",
    [
        (b"HTTP/1.0 200 OK\r\n\r\npolicyd_x_total 2.0\npolicyd_x_total_more 5\n", 2.0),
        (b"HTTP/1.0 200 OK\r\n\r\n\xff\n", 0.0),
        (b"nonsense\r\n", 0.0),
        (b"", 0.0),
    ],
)
def test_what_a_daemon_counts(answer, count):
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            try:
                with server.accept()[0] as link:
                    link.recv(4096)
                    link.sendall(answer)
            finally:
                os._exit(0)
        assert counted(f"127.0.0.1:{server.getsockname()[1]}", "policyd_x_total") == count
        os.waitpid(child, 0)


@pytest.mark.parametrize("address", ["", "127.0.0.1:1"])
def test_a_daemon_that_does_not_tell(address):
    assert counted(address, "policyd_x_total") == 0.0
