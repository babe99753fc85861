"""Where the milter listens."""

from __future__ import annotations

import os
import socket

import pytest

from policyd.server.descriptors import accepted, listening, retire
from policyd.server.listener import Place, _publish


@pytest.mark.parametrize(
    "text, place, conn",
    [
        ("unix:/run/x.sock", Place("unix", path="/run/x.sock"), "unix:/run/x.sock"),
        ("local:/run/x.sock", Place("unix", path="/run/x.sock"), "unix:/run/x.sock"),
        ("/run/x.sock", Place("unix", path="/run/x.sock"), "unix:/run/x.sock"),
        ("/run/a:b", Place("unix", path="/run/a:b"), "unix:/run/a:b"),
        ("inet:8891@127.0.0.1", Place("inet", host="127.0.0.1", port=8891), "inet:8891@[127.0.0.1]"),
        ("inet:8891@localhost", Place("inet", host="localhost", port=8891), "inet:8891@localhost"),
        ("inet:8891", Place("inet", port=8891), "inet:8891"),
        ("inet6:8891@::1", Place("inet6", host="::1", port=8891), "inet6:8891@[::1]"),
        ("inet6:8891@[::1]", Place("inet6", host="::1", port=8891), "inet6:8891@[::1]"),
    ],
)
def test_places(text, place, conn):
    assert Place.parse(text) == place
    assert place.conn == conn


@pytest.mark.parametrize("text", ["", "x.sock", "unix:x.sock", "unix:", "inet:", "inet:smtp", "inet:65536", "udp:1"])
def test_what_is_no_place(text):
    with pytest.raises(ValueError, match="is not unix:/path"):
        Place.parse(text)


@pytest.mark.parametrize("family, address", [(socket.AF_UNIX, ""), (socket.AF_INET, ("127.0.0.1", 0))])
def test_a_retired_socket(family, address):
    """New connections are for whoever else has the socket; old ones stay, and are counted."""
    with socket.socket(family) as listener, socket.socket(family) as early, socket.socket(family) as late:
        listener.bind(address)
        listener.listen()
        bound = listener.getsockname()
        assert listener.fileno() in listening()
        early.connect(bound)
        connection, _ = listener.accept()
        sibling = socket.socket(fileno=os.dup(listener.fileno()))
        assert accepted(bound) == 1
        retire(listener.fileno())
        late.connect(bound)
        with pytest.raises(BlockingIOError):
            listener.accept()
        assert accepted(bound) == 1
        with sibling, connection, sibling.accept()[0]:
            assert accepted(bound) == 2
        assert accepted(bound) == 0


def test_a_group_that_policyd_is_not_in(tmp_path, monkeypatch):
    """Who is not root cannot give it the socket; what is said tells what to do."""

    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refused)
    (tmp_path / "private").touch()
    with pytest.raises(OSError, match="neither root nor in the group 'mail': SupplementaryGroups=mail in the unit"):
        _publish(f"{tmp_path}/private", f"{tmp_path}/sock", 0o660, "mail")
    assert list(tmp_path.iterdir()) == []
