"""Lookups as a policy meets them: expansions, with what a configuration says about servers. And the servers."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from parts.mariadb import MariaDB
from parts.ports import wait_until
from parts.postgres import Postgres
from parts.redis_server import RedisServer

from policyd import words
from policyd.config import load
from policyd.errors import Defer, ExpansionError
from policyd.metrics import NoMetrics
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Connection, Services, Transaction

SCHEMA = """\
CREATE TABLE people (name varchar(100), quota int, note varchar(200));
INSERT INTO people VALUES ('bob', 250, 'two words'), ('al', NULL, ''), ('o''hara', 7, 'x');
CREATE TABLE secrets (secret varchar(100));
INSERT INTO secrets VALUES ('s3cret');
"""


class Log:
    """Nobody reads it."""

    def write(self, target, text):
        pass


class Look:
    """Expands strings; each call is a message of its own, unless it is given one."""

    def __init__(self, directory, settings="", resolver=None):
        words.load()
        file = directory / "policy.conf"
        file.write_text(f"primary_hostname = mx.example.org\n{settings}")
        self.policy = load(file)
        self.services = Services(resolver or ZoneResolver([]), MemoryStore(), NoMetrics(), Log())

    def message(self, seconds=float("inf")):
        connection = Connection(Client(ip_address("192.0.2.1")))
        return Transaction(self.services, self.policy.settings, connection, deadline=time.monotonic() + seconds)

    def __call__(self, text, tx=None):
        return self.policy.expansion(text)(tx or self.message())

    def failure(self, text, tx=None):
        """Why an expansion fails or is deferred."""
        with pytest.raises((Defer, ExpansionError)) as caught:
            self(text, tx)
        return f"{type(caught.value).__name__}: {caught.value}"


def asking(lookup):
    """``asked(look, query, options)`` for one type of lookup: what was found, in brackets, or ``none``."""

    def asked(look, query, options=""):
        return look(f"${{lookup {lookup}{options}{{{query}}}{{[$value]}}{{none}}}}")

    return asked


@pytest.fixture
def looking(tmp_path):
    """Make a `Look` with settings."""
    made = []

    def make(settings="", resolver=None):
        made.append(Look(tmp_path, settings, resolver))
        return made[-1]

    yield make
    for look in made:
        look.services.pools.close()


@pytest.fixture
def look(looking):
    return looking()


@pytest.fixture(scope="session")
def postgres():
    with Postgres(SCHEMA) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb():
    with MariaDB(SCHEMA) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server():
    with RedisServer() as server:
        yield server


@contextmanager
def stopped(*pids):
    """Processes that do not move, but are still there."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda pid=pid: "T (stopped)" in Path(f"/proc/{pid}/status").read_text(), f"{pid} to stop")
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def at_most(seconds):
    """Much less than what would be waited for otherwise, and much more than is needed: machines may be busy."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


@contextmanager
def little_work(seconds):
    """Of the processor's: what others take of it does not count."""
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


def each_hears_itself(look, text, times):
    """Whether each of twenty threads is answered its own ``$acl_m_number``, whenever it expands *text*."""
    expand = look.policy.expansion(text)

    def work(number):
        for step in range(times):
            tx = look.message()
            tx.acl_variables["acl_m_number"] = f"{number}.{step}"
            if expand(tx) != f"{number}.{step}":
                return False
        return True

    return all(at_once(20, work))


def at_once(threads, work):
    """What *work*(number) gives in each of so many threads that begin together."""
    barrier = threading.Barrier(threads)

    def run(number):
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))
