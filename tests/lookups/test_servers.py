"""Lists of servers: how entries are read, how time is shared, and names that take too long to resolve."""

from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace

import pytest

from policyd.errors import Defer
from policyd.links import sockets
from policyd.links.sockets import Bounded, addresses, connected, reason, wait
from policyd.lookups.answers import Answer
from policyd.lookups.servers import Final, Server, Service, answer, read
from policyd.transaction import Connection, Transaction
from tests.lookups.conftest import at_most

SQL = Service("pgsql", "PostgreSQL", 3, lambda *_: Answer(None))
REDIS = Service("redis", "Redis", 2, lambda *_: Answer(None))


@pytest.mark.parametrize(
    "service, entry, want",
    [
        (SQL, "host/db/user/pw", Server("host", 0, "", "", ("db", "user", "pw"))),
        (SQL, "host:5433/db/user/", Server("host", 5433, "", "", ("db", "user", ""))),
        (SQL, "(/run/x/.s.PGSQL.5432)/db/u/p", Server("", 0, "/run/x/.s.PGSQL.5432", "", ("db", "u", "p"))),
        (
            SQL,
            "localhost(/run/my.sock)[group]/db/u/p",
            Server("localhost", 0, "/run/my.sock", "group", ("db", "u", "p")),
        ),
        (SQL, "h:1[g]/db/u/p", Server("h", 1, "", "g", ("db", "u", "p"))),
        (SQL, "[2001:db8::1]:5432/db/u/p", Server("2001:db8::1", 5432, "", "", ("db", "u", "p"))),
        (SQL, "[::1]/db/u/p", Server("::1", 0, "", "", ("db", "u", "p"))),
        (REDIS, "127.0.0.1//", Server("127.0.0.1", 0, "", "", ("", ""))),
        (REDIS, "127.0.0.1:6380/10/pass word", Server("127.0.0.1", 6380, "", "", ("10", "pass word"))),
        (REDIS, "h(/run/r.sock)/1/", Server("h", 0, "/run/r.sock", "", ("1", ""))),
    ],
)
def test_an_entry(service, entry, want):
    assert read(entry, service) == want


@pytest.mark.parametrize(
    "service, entry, shown",
    [
        (SQL, "host/db/secret", "host"),
        (SQL, "host:port/db/u/secret", "host:port"),
        (SQL, "a(b/db/u/secret", "a(b"),
        (REDIS, "host/secret", "host"),
    ],
)
def test_an_entry_that_is_none_is_reported_without_its_password(service, entry, shown):
    with pytest.raises(Final) as caught:
        read(entry, service)
    assert str(caught.value) == f"incomplete {service.title} server data: {shown}"


@pytest.mark.parametrize(
    "text, want",
    [
        ("pgsql_servers = host/db/user", "incomplete server data"),
        ("mysql_servers = a/b/c/d : host", "incomplete server data"),
        ("redis_servers = 127.0.0.1/0", "incomplete server data"),
        ("redis_servers = 127.0.0.1:6379//", "incomplete server data"),
        ("sqlite_dbfile = relative", "not an absolute path"),
    ],
)
def test_options_are_looked_at_when_they_are_loaded(looking, text, want):
    with pytest.raises(Exception, match=want):
        looking(text)


class Servers:
    """A service whose servers take their time, or fail."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.patience = []

    def ask(self, _pools, _server, _query, deadline):
        self.patience.append(round(deadline - time.monotonic(), 1))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, float):
            time.sleep(outcome)
            outcome = Defer("slow")
        if isinstance(outcome, Defer):
            raise outcome
        return Answer(outcome)

    def put(self, look, seconds=float("inf")):
        service = Service("redis", "Redis", 2, self.ask)
        deadline = time.monotonic() + seconds
        tx = Transaction(look.services, look.policy.settings, Connection(None), deadline=deadline)
        return answer(tx, service, "query", ())


THREE = "redis_servers = a// : b// : c//\nlookup_timeout = 3s"


@pytest.mark.parametrize(
    "outcomes, want",
    [
        (["one"], "one"),
        ([None], None),
        ([Defer("down"), "two"], "two"),
        ([Defer("down"), Defer("down"), "three"], "three"),
    ],
)
def test_the_first_that_answers(looking, outcomes, want):
    assert Servers(*outcomes).put(looking(THREE)) == want


@pytest.mark.parametrize(
    "outcomes, want",
    [
        ([Defer("1"), Defer("2"), Defer("3")], "3"),
        ([Final("1")], "1"),
        ([Defer("1"), Final("2")], "2"),
    ],
)
def test_nobody_answers(looking, outcomes, want):
    with pytest.raises(Defer, match=f"^{want}$"):
        Servers(*outcomes).put(looking(THREE))


@pytest.fixture
def clock(monkeypatch):
    """Time passes only where somebody sleeps."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(clock, "now", clock.now + seconds))


def test_time_is_shared_among_those_left(looking, clock):
    servers = Servers(0.6, Defer("down at once"), "third")
    assert servers.put(looking(THREE)) == "third"
    assert servers.patience == [1.0, 1.2, 2.4]


def test_the_end_of_the_phase_comes_first(looking, clock):
    servers = Servers("one")
    servers.put(looking(THREE), seconds=1.5)
    assert servers.patience == [0.5]


# -- sockets


def test_a_name_that_takes_too_long(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30) and [])
    with at_most(10), pytest.raises(TimeoutError, match=r"the address of slow\.example is not known in time"):
        list(addresses("slow.example", time.monotonic() + 0.2))
    over.set()


def test_a_name_that_does_not_exist():
    with pytest.raises(OSError):
        list(addresses("nosuch.invalid", time.monotonic() + 5))


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_is_not_asked_for(monkeypatch, address):
    monkeypatch.delattr(socket, "getaddrinfo")
    assert list(addresses(address, 0.0)) == [address]


def test_the_next_address_of_a_name(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = [(None, None, None, None, (address, 0)) for address in ("::1", "127.0.0.1")]
        monkeypatch.setattr(sockets.socket, "getaddrinfo", lambda *_, **__: found)
        with connected("both.example", port, "", time.monotonic() + 20) as made:
            assert made.getpeername() == ("127.0.0.1", port)


def test_no_time_left():
    with pytest.raises(TimeoutError, match="no answer in time"):
        connected("127.0.0.1", 1, "", time.monotonic() - 1)
    with pytest.raises(TimeoutError, match="no answer in time"):
        wait(0, False, time.monotonic() - 1)


def test_a_socket_that_knows_how_long_it_has():
    """Also against a peer that sends a little all the time, and whatever its user thinks of timeouts."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        connected("127.0.0.1", listener.getsockname()[1], "", time.monotonic() + 5) as made,
        listener.accept()[0] as peer,
        made.makefile("rb") as file,
    ):
        made.deadline = time.monotonic() + 0.5
        made.settimeout(None)
        made.settimeout(100)
        with at_most(10), pytest.raises(TimeoutError):
            for _ in range(1000):
                peer.sendall(b"x")
                file.read(1)
                time.sleep(0.05)
        with pytest.raises(TimeoutError):
            made.sendall(b"x")
        with pytest.raises(TimeoutError):
            made.recv(1)


def test_a_socket_without_a_deadline_still_ends():
    made = Bounded(socket.AF_INET, socket.SOCK_STREAM)
    made.hurry()
    assert made.gettimeout() == 3600
    made.close()


@pytest.mark.parametrize(
    "error, want",
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError("no answer in time"), "no answer in time"),
        (TimeoutError(), "TimeoutError"),
        (ValueError(1045, "Access denied"), "Access denied"),
    ],
)
def test_reasons(error, want):
    assert reason(error) == want
