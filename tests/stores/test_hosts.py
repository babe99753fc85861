"""Several daemons, each as a host of its own, that share a Redis: what they count together, and without it."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory

import pytest
from milter_client import MilterClient
from parts.daemon import Policyd
from parts.nsd import Nsd
from parts.ports import wait_until
from parts.redis_server import RedisServer

from tests.lookups.conftest import stopped

POLICY = """
acl_smtp_mail = check
begin acl
check:
  deny ratelimit = {limit} / 1w / per_cmd / strict / everybody
       message = over
  accept
"""
PASSED, OVER, DEFERRED = "continue", "550 5.7.1 over", "451"
PATIENCE = 5.0  # seconds for a phase; those of the test's own are above


@contextmanager
def hosts(count, url, limit=100, policy=POLICY, **options):
    """So many daemons."""
    shared = {"store": url, "store_timeout": "1s", "phase_timeout": f"{PATIENCE:g}s"} | options
    with ExitStack() as stack:
        sockets = stack.enter_context(TemporaryDirectory(prefix="policyd-hosts-"))
        yield [
            stack.enter_context(Policyd(policy.replace("{limit}", str(limit)), f"unix:{sockets}/{number}", shared))
            for number in range(count)
        ]


def ask(host):
    """What a new connection hears at MAIL, and after how many seconds."""
    with MilterClient(host.socket.removeprefix("unix:")) as mta:
        mta.connect()
        start = time.monotonic()
        answer = mta.mail(b"<a@example.org>")
        return answer if answer in (PASSED, OVER) else answer[:3], time.monotonic() - start


def metric(host, name):
    found = re.findall(rf"^policyd_{name}(?:{{.*}})? (\S+)$", host.page("/metrics"), re.MULTILINE)
    return sum(map(float, found))


class Load:
    """Four clients that ask without an end. *answers*: when each asked, what it heard, and after how many seconds."""

    def __init__(self, host):
        self.answers = []
        self._host = host
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]

    def _ask(self):
        while not self._end.is_set():
            self.answers.append((time.monotonic(), *ask(self._host)))
            time.sleep(0.01)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()

    def next(self, count=20):
        """The words of the next answers to questions that are asked from now on."""
        now = time.monotonic()
        wait_until(lambda: len(self._since(now)) >= count, "answers")
        return set(self._since(now)[:count])

    def _since(self, start):
        return [word for begun, word, _ in list(self.answers) if begun >= start]


@pytest.fixture
def server():
    with RedisServer() as server:
        yield server


def test_three_hosts_have_one_limit(server):
    patient = {"store_timeout": "5s", "phase_timeout": "20s"}
    with hosts(3, f"redis://127.0.0.1:{server.port}", **patient) as three, ThreadPoolExecutor(9) as pool:
        answers = [word for word, _ in pool.map(ask, three * 50)]
        assert (answers.count(PASSED), answers.count(OVER)) == (100, 50)


@pytest.mark.parametrize(
    "word, without",
    [("local", {PASSED}), ("accept", {PASSED}), ("defer", {DEFERRED})],
)
def test_redis_goes_and_comes_back_under_load(server, word, without):
    """Killed and restarted, then stopped: nobody waits for long, no worker dies, and each goes back."""
    options = {"store_error": word, "store_nodes": "2"}
    with hosts(1, f"redis://127.0.0.1:{server.port}", limit=1_000_000, **options) as (host,), Load(host) as load:
        assert load.next() == {PASSED}
        server.kill()
        assert load.next() == without
        wait_until(lambda: host.log().count("store not available") == 2, "both workers to notice")
        server.start()
        wait_until(lambda: host.log().count("store available again") == 2, "both workers to go back", 40)
        assert load.next() == {PASSED}
        with stopped(server.pid):
            wait_until(lambda: host.log().count("store not available") == 4, "both workers to notice")
            assert load.next() == without
        wait_until(lambda: host.log().count("store available again") == 4, "both workers to go back", 40)
        assert load.next() == {PASSED}
        gone = [line for line in host.log().splitlines() if "store not available" in line]
        assert len(gone) == 4 and all(f"store_error = {word}: redis://127.0.0.1:" in line for line in gone)
        assert (metric(host, "store_breakers_open"), metric(host, "worker_restarts_total")) == (0, 0)
        assert metric(host, "store_errors_total") >= 4 and metric(host, "store_substitutions_total") >= 40
        assert metric(host, "deadline_exceeded_total") == 0
    assert max(seconds for _, _, seconds in load.answers) < PATIENCE
    assert {word for _, word, _ in load.answers} == {PASSED} | without


def test_alone_a_host_has_its_part_of_the_limit():
    """Nobody listens at all, from the start: two of four messages for each of two hosts, as two counts are four."""
    with hosts(1, "redis://127.0.0.1:1", limit=5, store_nodes="2") as (host,):
        assert [ask(host)[0] for _ in range(5)] == [PASSED, PASSED, OVER, OVER, OVER]
        assert metric(host, "store_breakers_open") >= 1


DNS = """
acl_smtp_mail = check
begin acl
check:
  deny message = ${lookup dnsdb{txt=example.org}}
"""
ZONE = '$ORIGIN example.org.\n@ 300 SOA ns h 1 3600 600 86400 60\n@ NS ns\n@ 300 TXT "shared"\n'


def test_what_one_host_has_asked_the_other_knows(server):
    with Nsd({"example.org": ZONE}) as nsd:
        dns = {"dns_servers": "127.0.0.1", "dns_port": str(nsd.port), "dns_shared_cache": "yes", "workers": "1"}
        patient = {"store_timeout": "5s", "phase_timeout": "20s"}
        with hosts(2, f"redis://127.0.0.1:{server.port}", policy=DNS, **dns, **patient) as two:
            assert [ask(host)[0] for host in two] == ["550", "550"]
            assert [metric(host, "dns_queries_total") for host in two] == [1, 0]
    assert server.ask("KEYS", "*") == [b"policyd:{dns/TXT/example.org}"]
