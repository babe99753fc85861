"""Redis: what one call is, what is never done twice, and every way in which a server may not be there."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

import pytest
from parts.ports import free_port, wait_until
from parts.redis_server import RedisServer
from parts.redis_sets import SecureRedis, Watched

from policyd.checks.counting import Counting
from policyd.checks.ratelimit import Bucket, Event, Update
from policyd.errors import Defer
from policyd.links.places import place
from policyd.stores.dialler import Dialler
from policyd.stores.protocol import Unavailable
from policyd.stores.redis import RedisStore
from policyd.stores.servers import slot
from policyd.words.seen import Sight
from tests.lookups.conftest import at_most, at_once, stopped
from tests.lookups.test_redis import scripted

pytestmark = pytest.mark.xdist_group("redis")

MANUAL = Path(__file__).parents[2] / "docs" / "scaling.md"
RATE = Counting(Event(limit=1e9, period=3600, update=Update.STRICT))


def count(store, key=b"k"):
    return round(store.update(key, RATE, 60), 1)


def failure(store, kind=Unavailable):
    """Why an update fails."""
    with pytest.raises(Defer) as caught:
        count(store)
    assert type(caught.value) is kind
    return str(caught.value).partition(": ")[2]


def calls(server):
    """The commands that a server has had, by name."""
    return {
        line.partition(b":")[0].removeprefix(b"cmdstat_").decode(): int(line.partition(b"calls=")[2].partition(b",")[0])
        for line in server.ask("INFO", "commandstats").split(b"\r\n")
        if line.startswith(b"cmdstat_") and b"info" not in line and b"config" not in line
    }


# -- calls


@pytest.mark.parametrize("operation", [RATE, Sight(300.0)], ids=["ratelimit", "seen"])
def test_a_check_is_one_call(redis, redis_server, operation):
    redis.update(b"k", operation, 60)
    redis_server.ask("CONFIG", "RESETSTAT")
    for _ in range(10):
        redis.update(b"k", operation, 60)
        redis.read(b"k", operation)
    assert calls(redis_server)["evalsha"] == 20
    assert set(calls(redis_server)) == {"evalsha", "get", "set", "time"}  # what the script does counts as well


def test_the_time_is_the_servers(redis, redis_server):
    seconds, microseconds = map(int, redis_server.ask("TIME"))
    count(redis)
    assert Bucket.decoded(redis.get(b"k")).time - (seconds + microseconds / 1e6) == pytest.approx(0, abs=1)
    assert redis.read(b"k", lambda stored, now: (None, now)) >= seconds


def test_how_it_is_stored(redis, redis_server):
    redis.put(b"ratelimit/1h/x", b"1", 60)
    assert redis_server.ask("KEYS", "*") == [b"policyd:{ratelimit/1h/x}"]
    assert redis_server.ask("PTTL", "policyd:{ratelimit/1h/x}") == pytest.approx(60_000, abs=5000)
    assert redis_server.ask("GET", "policyd:{ratelimit/1h/x}") == b"1"


def test_a_server_that_has_forgotten_the_scripts(redis, redis_server):
    assert count(redis) == 1
    redis_server.ask("SCRIPT", "FLUSH")
    assert count(redis) == 2
    redis_server.ask("CONFIG", "RESETSTAT")
    assert count(redis) == 3
    assert "eval" not in calls(redis_server)


def test_threads_use_as_many_connections_as_they_need(redis, redis_server):
    before = redis_server.ask("INFO", "clients")

    def work(number):
        for _ in range(200):
            redis.update(b"%d" % number, RATE, 60)
        return redis.read(b"%d" % number, lambda stored, now: (None, round(Bucket.decoded(stored).rate, 1)))

    assert at_once(8, work) == [200] * 8
    after = redis_server.ask("INFO", "clients")
    assert 0 < _clients(after) - _clients(before) <= 8


def _clients(info):
    return int(info.partition(b"connected_clients:")[2].partition(b"\r\n")[0])


def test_a_child_has_connections_of_its_own(redis):
    count(redis)
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            try:
                for _ in range(200):
                    count(redis)
            finally:
                os._exit(0)
        children.append(child)
    for _ in range(200):
        count(redis)
    for child in children:
        os.waitpid(child, 0)
    assert count(redis) == pytest.approx(5 * 200 + 2, abs=0.5)


def test_steps_that_redis_does_not_know_take_turns(redis):
    def add(stored, now):
        return b"%d" % (int(stored or 0) + 1), None

    at_once(4, lambda _: [redis.update(b"n", add, 60) for _ in range(100)] and None)
    assert redis.get(b"n") == b"400"


def test_a_key_of_somebody_else(redis, redis_server):
    redis_server.ask("RPUSH", "policyd:{k}", "x")
    assert "WRONGTYPE" in failure(redis, Defer)
    assert [key for key, _ in redis.scan(b"")] == []


# -- logging in


def test_password_and_database(shared):
    with RedisServer(password="s@crét/") as server:
        here, text = f"127.0.0.1:{server.port}", "s%40cr%c3%a9t%2f"
        assert count(shared(f"redis://:{text}@{here}")) == 1
        assert count(shared(f"redis://default:{text}@{here}/3")) == 1
        assert count(shared(f"unix://:{text}@{server.socket}?db=3")) == 2
        assert failure(shared(f"redis://{here}")) == "NOAUTH Authentication required."
        assert failure(shared(f"redis://:wrong@{here}")).startswith("WRONGPASS")
        assert failure(shared(f"redis://nobody:{text}@{here}")).startswith("WRONGPASS")
        assert failure(shared(f"redis://:{text}@{here}/99")).startswith("ERR DB index is out of range")


def test_the_user_that_the_manual_makes(shared):
    (line,) = re.findall("^user (.*)$", MANUAL.read_text(), re.MULTILINE)
    with RedisServer() as server:
        assert server.ask("ACL", "SETUSER", *line.split()) == b"OK"
        store = shared(f"redis://policyd:s3cret@127.0.0.1:{server.port}/1")
        assert [count(store), store.update(b"s", Sight(300.0), 60)] == [1, False]
        assert store.update(b"n", lambda stored, now: (b"1", stored), 60) is None
        store.put(b"a", b"1", 60)
        store.delete(b"a")
        assert (store.get(b"n"), sorted(key for key, _ in store.scan(b""))) == (b"1", [b"k", b"n", b"s"])
        foreign = shared(f"redis://policyd:s3cret@127.0.0.1:{server.port}", prefix=b"other:")
        assert failure(foreign).startswith("NOPERM")


def test_tls(tmp_path):
    with SecureRedis(tmp_path) as server:
        there = place(f"rediss://127.0.0.1:{server.port}")
        for authority, client, host, want in [
            (server.authority, server.client, "127.0.0.1", ""),
            (server.authority, server.client, "localhost", "Hostname mismatch"),
            ("", server.client, "127.0.0.1", "certificate verify failed"),
            (server.authority, "", "127.0.0.1", ""),
            ("/nowhere.pem", "", "127.0.0.1", "/nowhere.pem: No such file or directory"),
            (server.client, "/dev/null", "127.0.0.1", "PEM"),
        ]:
            there = place(f"rediss://{host}:{server.port}")
            store = RedisStore(there, dialler=Dialler(there, str(authority), str(client)))
            if client and not want:
                assert count(store) == 1
            else:
                assert want in failure(store)
            store.close()
        plain = RedisStore(place(f"redis://127.0.0.1:{server.port}"))
        failure(plain)


# -- servers that are not there


def test_nobody_listens(shared):
    assert failure(shared(f"redis://127.0.0.1:{free_port()}")) == "Connection refused"
    assert failure(shared("unix:///nowhere/redis.sock")) == "No such file or directory"
    assert failure(shared("redis://nosuch.invalid"))


def test_a_server_that_is_restarted(shared):
    with RedisServer() as server:
        store = shared(f"redis://127.0.0.1:{server.port}")
        assert [count(store), count(store)] == [1, 2]
        server.kill()
        assert failure(store) == "Connection refused"
        server.start()
        assert count(store) == 1


def test_a_server_that_does_not_move(redis, redis_server, shared):
    store = shared(f"redis://127.0.0.1:{redis_server.port}", timeout=0.3)
    assert count(store) == 1
    with stopped(redis_server.pid):
        with at_most(10):
            assert failure(store) in ("timed out", "no answer in time")
        with at_most(10):
            assert failure(store) in ("timed out", "no answer in time")  # a new connection
        patient = shared(f"redis://127.0.0.1:{redis_server.port}", timeout=60)
        with at_most(10):
            failure(patient.until(time.monotonic() + 0.05), Defer)  # our own lack of time is not the server's fault
        failure(store.until(time.monotonic() + 0.25), Unavailable)
    wait_until(lambda: _try(store), "Redis to move")


def _try(store):
    try:
        return count(store)
    except Defer:
        return None


@pytest.mark.parametrize(
    "reply, want",
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING Redis is loading the dataset in memory"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM command not allowed"),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "MISCONF Redis is configured"),
        (b"-CLUSTERDOWN Hash slot not served\r\n", "CLUSTERDOWN Hash slot not served"),
        (b"-\r\n", ""),
        (b"", "the server has closed the connection"),
        (b"$5\r\nab", "the server has closed the connection"),
        (b"$5\r\nab...", "timed out"),
        (b"?what\r\n", "Protocol error"),
    ],
)
def test_replies_that_are_none(shared, reply, want):
    with scripted(reply) as node:
        patience = 0.3 if want == "timed out" else 20
        assert want in failure(shared(redis_url(node), timeout=patience))


def redis_url(node):
    """Of a scripted server, which is called as the lookup calls its servers."""
    return f"redis://{node.replace('::', ':').rstrip('/')}"


@pytest.mark.parametrize(
    "reply", [b"+OK\r\n", b":1\r\n", b"*0\r\n", b"$-1\r\n", b"$7\r\n1234567\r\n", b"*1\r\n-ERR\r\n"]
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.update(b"k", RATE, 60),
        lambda store: store.read(b"k", Sight(300.0)),
        lambda store: store.update(b"k", lambda stored, now: (b"1", None), 60),
        lambda store: list(store.scan(b"")),
    ],
    ids=["ratelimit", "seen", "a step", "scan"],
)
def test_replies_to_something_else(shared, ask, reply):
    with scripted(reply) as node, pytest.raises(Unavailable, match="unexpected reply"):
        ask(shared(redis_url(node), timeout=20))


def test_keys_that_are_none(shared):
    with scripted(b"*2\r\n$1\r\n0\r\n*1\r\n:5\r\n") as node, pytest.raises(Unavailable, match="unexpected reply 5"):
        list(shared(redis_url(node), timeout=20).scan(b""))


@pytest.mark.parametrize("reply", [b":1\r\n", b"*0\r\n"])
def test_a_value_that_is_none(shared, reply):
    with scripted(reply) as node, pytest.raises(Unavailable, match="unexpected reply"):
        shared(redis_url(node), timeout=20).get(b"k")


def test_what_a_server_says_is_octets(shared):
    with scripted(b"-OOPS \xc3\xa9\xff\x01\r\n") as node:
        said = failure(shared(redis_url(node), timeout=20))
    assert said == "OOPS \xc3\xa9\xef\xbf\xbd\x01"


def test_a_full_server(shared):
    with RedisServer(options=["--maxmemory", "1"]) as server:
        store = shared(f"redis://127.0.0.1:{server.port}")
        assert "OOM command not allowed" in failure(store)
        with pytest.raises(Unavailable, match="OOM command not allowed"):
            store.put(b"a", b"1", 60)
        assert store.get(b"a") is None


def test_a_replica_is_no_store(shared):
    with Watched() as watched:
        assert failure(shared(f"redis://127.0.0.1:{watched.replica.port}")).startswith("READONLY")

        # Sentinels: the master dies, and comes back as a replica
        store = shared(watched.url)
        assert [count(store), count(store)] == [1, 2]
        stored = watched.master.ask("GET", "policyd:{k}")
        wait_until(lambda: watched.replica.ask("GET", "policyd:{k}") == stored, "the replica to receive it")
        watched.master.kill()
        assert failure(store) == "Connection refused"
        wait_until(lambda: _try(store), "the failover", 60)
        rate = count(store)
        assert rate >= 3  # what was counted before has been there
        assert watched.replica.ask("GET", "policyd:{k}") is not None
        watched.master.start()
        assert count(store) == pytest.approx(rate + 1, abs=0.2)


def test_sentinels_that_know_nothing(shared, redis_server):
    assert failure(shared(f"redis+sentinel://127.0.0.1:{free_port()}/main")) == "no master: Connection refused"
    said = failure(shared(f"redis+sentinel://127.0.0.1:{redis_server.port}/main"))
    assert said.startswith("no master: ERR unknown command")


# -- clusters


@pytest.mark.parametrize(
    "key, want",
    [
        (b"123456789", 12739),  # of the specification of clusters
        (b"foo", 12182),
        (b"{user1000}.following", slot(b"user1000")),
        (b"foo{}{bar}", slot(b"foo{}{bar}{")),
        (b"foo{{bar}}zap", slot(b"{bar")),
        (b"foo{bar}{zap}", slot(b"bar")),
    ],
)
def test_slots(cluster, key, want):
    assert slot(key) == cluster.nodes[0].ask("CLUSTER", "KEYSLOT", key.decode())
    if b"}{bar}" not in key:
        assert slot(key) == want


def test_every_key_has_its_node(cluster, shared):
    store = shared(cluster.url)
    keys = [b"%d" % number for number in range(50)] + [b"{x}y", b"}", b"{", b"{}", b"\xff{\0}"]
    for key in keys:
        assert [count(store, key), count(store, key)] == [1, 2]
    assert sorted(key for key, _ in store.scan(b"")) == sorted(keys)
    assert all(0 < node.ask("DBSIZE") < len(keys) for node in cluster.nodes)


def test_a_cluster_is_asked_once_who_has_what(cluster, shared):
    store = shared(cluster.url)
    count(store)
    for node in cluster.nodes:
        node.ask("CONFIG", "RESETSTAT")
    for number in range(100):
        count(store, b"%d" % number)
    had = [calls(node) for node in cluster.nodes]
    assert sum(each["evalsha"] for each in had) == pytest.approx(100, abs=3)  # scripts that a node does not know yet
    assert not any("cluster|slots" in each for each in had)


def test_a_slot_that_moves(cluster, shared):
    store = shared(cluster.url)
    old, new = b"old{moving}", b"new{moving}"
    number = slot(store._named(old))
    target = (cluster.holder(number) + 1) % 3
    twin = next(key for key in (b"t%d" % n for n in range(1_000_000)) if slot(store._named(key)) == number)
    assert [count(store, old), count(store, old)] == [1, 2]
    cluster.begin_move(number, target)
    assert count(store, old) == 3  # still where it was
    assert [count(store, twin), count(store, twin)] == [1, 2]  # asked for at the other node
    cluster.end_move(number, target)
    assert [count(store, old), count(store, twin), count(store, new)] == [4, 3, 1]


def test_a_cluster_with_a_node_missing(cluster, shared):
    """Started with a node that is gone, and with all of them."""
    there = ",".join(f"127.0.0.1:{port}" for port in (free_port(), cluster.nodes[1].port))
    assert count(shared(f"redis+cluster://{there}"), b"missing") == 1
    assert failure(shared(f"redis+cluster://127.0.0.1:{free_port()}")) == "Connection refused"


def test_a_server_that_is_no_cluster(shared, redis_server):
    said = failure(shared(f"redis+cluster://127.0.0.1:{redis_server.port}"))
    assert said == "ERR This instance has cluster support disabled"


@pytest.mark.parametrize("slots", [b"*0\r\n", b"*1\r\n:1\r\n", b"$2\r\nOK\r\n", b"*1\r\n*2\r\n:0\r\n:5\r\n"])
def test_slots_that_are_none(shared, slots):
    with scripted(slots) as node:
        assert failure(shared(redis_url(node).replace("redis:", "redis+cluster:")))


# -- under load


def load(store, stop):
    """Threads that count, each its own key, until *stop*: how many checks worked, by key, and what was raised."""
    done, raised = {b"load%d" % number: 0 for number in range(4)}, []

    def work(key):
        while not stop.is_set():
            try:
                store.update(key, RATE, 60)
                done[key] += 1
            except Defer as error:
                raised.append(error)
                time.sleep(0.005)
            except BaseException as error:
                raised.append(error)
                raise

    threads = [threading.Thread(target=work, args=(key,)) for key in done]
    for thread in threads:
        thread.start()
    return done, raised, threads


def go_on(done):
    """Wait until every thread has counted."""
    before = dict(done)
    wait_until(lambda: all(done[key] > before[key] for key in before), "every thread to count")


def test_killed_and_restarted_under_load(shared):
    with RedisServer() as server:
        store, stop = shared(f"redis://127.0.0.1:{server.port}", timeout=0.5), threading.Event()
        done, raised, threads = load(store, stop)
        for _ in range(3):
            go_on(done)
            before = len(raised)
            server.kill()
            wait_until(lambda before=before: len(raised) >= before + 4, "the threads to notice")
            server.start()
        go_on(done)
        stop.set()
        for thread in threads:
            thread.join()
        assert raised and {type(error) for error in raised} == {Unavailable}
        assert store._pools._idle


def test_nothing_is_counted_twice(shared):
    """Connections are cut in the middle of calls: what is stored is never more than what was asked for."""
    with RedisServer() as server:
        store, stop = shared(f"redis://127.0.0.1:{server.port}", timeout=0.5, clock=lambda: 1000.0), threading.Event()
        done, raised, threads = load(store, stop)
        for _ in range(30):
            go_on(done)
            server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        stop.set()
        for thread in threads:
            thread.join()
        stored = sum(Bucket.decoded(value).rate for _, value in store.scan(b"load"))
        assert raised and sum(done.values()) <= stored <= sum(done.values()) + len(raised)
