"""Stores: what they keep, for how long, among threads and processes, and what they survive."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lmdb.verify import verify
from parts.ports import wait_until
from parts.redis_server import RedisServer

from policyd.errors import Defer
from policyd.links.places import place
from policyd.stores import LmdbStore, MemoryStore
from policyd.stores.redis import RedisStore
from policyd.stores.soundness import DAMAGED, DATA, MARK, RESERVE


class Clock:
    """Time as the test sets it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def complaints():
    return []


@pytest.fixture
def lmdb_store(tmp_path, clock, complaints):
    store = LmdbStore(tmp_path / "store", size=1 << 20, clock=clock, complain=complaints.append)
    yield store
    store.close()


@pytest.fixture(scope="module")
def redis_server():
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_store(redis_server, clock):
    redis_server.ask("FLUSHALL")
    store = RedisStore(place(f"redis://127.0.0.1:{redis_server.port}"), clock=clock)
    yield store
    store.close()


def chosen(request, clock):
    return MemoryStore(clock) if request.param == "memory" else request.getfixturevalue(f"{request.param}_store")


@pytest.fixture(params=["memory", "lmdb", "redis"])
def store(request, clock):
    return chosen(request, clock)


@pytest.fixture(params=["memory", "lmdb"])
def clocked(request, clock):
    """A store in which values expire by the test's clock; Redis has its own."""
    return chosen(request, clock)


def put(store, key, value, ttl=60.0):
    store.put(key, value, ttl)


def increment(stored, now):
    number = struct.unpack("<q", stored)[0] + 1 if stored else 1
    return struct.pack("<q", number), number


def nothing(stored, now):
    return None, stored


PROGRAM = """
import os, struct, sys, threading, time
from policyd.stores import LmdbStore

def increment(stored, now):
    number = struct.unpack("<q", stored)[0] + 1 if stored else 1
    return struct.pack("<q", number), number

store = LmdbStore(sys.argv[1], clock=lambda: 1000.0)
"""


def program(directory, text):
    """Another process that runs *text*, with a `store` in *directory*."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + textwrap.dedent(text), directory], stdout=subprocess.PIPE, text=True
    )


def output(process):
    answer = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    return answer


# -- every store


def test_what_is_put_is_got(store):
    put(store, b"a", b"1")
    put(store, b"b", b"")
    assert [store.get(key) for key in (b"a", b"b", b"c")] == [b"1", b"", None]


def test_a_step_sees_what_is_stored_and_answers(store):
    assert [store.update(b"n", increment, 60) for _ in range(3)] == [1, 2, 3]


def test_a_step_may_leave_things_alone(store):
    put(store, b"a", b"1")
    assert store.update(b"a", nothing, 60) == b"1"
    assert store.update(b"b", nothing, 60) is None
    assert (store.get(b"a"), store.get(b"b")) == (b"1", None)


def test_a_step_that_raises_changes_nothing(store):
    put(store, b"a", b"1")
    with pytest.raises(ZeroDivisionError):
        store.update(b"a", lambda stored, now: (b"2", 1 / 0), 60)
    put(store, b"b", b"2")
    assert store.get(b"a") == b"1"


@pytest.mark.parametrize("later, found", [(0, b"1"), (59.9, b"1"), (60, None), (1e9, None), (-1e3, b"1")])
def test_values_expire(clocked, clock, later, found):
    put(clocked, b"a", b"1", ttl=60)
    clock.now += later
    assert clocked.get(b"a") == found
    assert clocked.update(b"a", nothing, 60) == found


def test_an_update_prolongs_life(clocked, clock):
    for _ in range(5):
        clocked.update(b"n", increment, 60)
        clock.now += 50
    assert clocked.update(b"n", increment, 60) == 6


def test_a_step_is_told_the_time_of_the_store(store, clock):
    clock.now = 12.5
    assert store.update(b"a", lambda stored, now: (b"1", now), 60) == 12.5
    clock.now = 13.5
    assert store.read(b"a", lambda stored, now: (b"2", (stored, now))) == (b"1", 13.5)
    assert store.get(b"a") == b"1"


def test_what_is_deleted_is_gone(store):
    put(store, b"a", b"1")
    put(store, b"b", b"2")
    store.delete(b"a")
    store.delete(b"nothing")
    assert (store.get(b"a"), store.get(b"b")) == (None, b"2")


def test_a_put_replaces_value_and_lifetime(clocked, clock):
    put(clocked, b"a", b"1", ttl=1000)
    put(clocked, b"a", b"2", ttl=10)
    assert clocked.get(b"a") == b"2"
    clock.now += 10
    assert clocked.get(b"a") is None


def test_values_expire_in_redis(redis_store):
    put(redis_store, b"a", b"1", ttl=1)
    redis_store.update(b"b", increment, 1)
    assert redis_store.get(b"a") == b"1"
    wait_until(lambda: (redis_store.get(b"a"), redis_store.get(b"b")) == (None, None), "the end of both")
    assert redis_store.update(b"b", increment, 1e18) == 1


def test_scanning(store):
    put(store, b"a/old", b"0", ttl=0)
    wanted = {b"a/%d" % number: b"%d" % number for number in range(1000)} | {b"a/" + b"x" * 509: b"", b"a/*[": b"y"}
    for key, value in wanted.items():
        put(store, key, value)
    for key in (b"a", b"b/1", b"A/1", b"\0", b"\xff"):
        put(store, key, b"other")
    found = list(store.scan(b"a/"))
    assert (len(found), dict(found)) == (1002, wanted)
    assert dict(store.scan(b"a/*[")) == {b"a/*[": b"y"}
    assert list(store.scan(b"c")) == []
    assert len(list(store.scan(b""))) == 1007


def test_scanning_while_things_change(store):
    for number in range(600):
        put(store, b"%03d" % number, b"")
    seen = []
    for key, _ in store.scan(b""):
        seen.append(key)
        store.delete(key)
        put(store, b"new", b"")
    assert set(seen) - {b"new"} == {b"%03d" % number for number in range(600)}


@pytest.mark.parametrize("length", [512, 100_000])
def test_a_key_that_is_too_long_keeps_its_beginning(store, length):
    put(store, b"ratelimit/" + b"k" * length, b"1")
    ((key, value),) = store.scan(b"ratelimit/kkk")
    assert (len(key), value) == (511, b"1")
    assert store.get(key) == b"1"
    store.delete(b"ratelimit/" + b"k" * length)
    assert store.get(key) is None


@pytest.mark.parametrize("key", [b"", b"\0", b"k" * 511, b"k" * 512, b"k" * 100_000], ids=len)
def test_keys_of_any_length(store, key):
    put(store, key, b"1")
    put(store, key + b"x", b"2")
    assert (store.get(key), store.get(key + b"x")) == (b"1", b"2")


def test_threads_lose_no_update(store):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: store.update(b"n", increment, 60), range(4000)))
    assert store.update(b"n", increment, 60) == 4001


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.integers(0, 30), st.integers(0, 30))))
def test_both_stores_are_a_dictionary_with_an_expiry(tmp_path_factory, events):
    clock, model = Clock(), {}
    stores = MemoryStore(clock), LmdbStore(tmp_path_factory.mktemp("store"), clock=clock)
    for number, (key, pause, ttl) in enumerate(events):
        clock.now += pause
        expires, value = model.get(key, (0, None))
        expected = value if expires > clock.now else None
        written = b"%d" % number
        assert [s.update(key, lambda old, now, new=written: (new, old), ttl) for s in stores] == [expected, expected]
        model[key] = clock.now + ttl, written
    stores[1].close()


# -- memory


def test_memory_does_not_grow_with_what_has_expired(clock):
    store = MemoryStore(clock)
    for number in range(20_000):
        put(store, b"%d" % number, b"x", ttl=100)
        clock.now += 1
    assert len(store._values) <= 2048


# -- LMDB: one host


def entries(store):
    return store._environment.stat()["entries"]


def test_expired_records_are_removed_while_others_are_written(lmdb_store, clock):
    for number in range(5000):
        put(lmdb_store, b"%d" % number, b"x", ttl=100)
        clock.now += 1
    assert entries(lmdb_store) < 200
    clock.now += 100
    for number in range(100):
        put(lmdb_store, b"new %d" % number, b"x", ttl=1)
        clock.now += 1
    assert entries(lmdb_store) < 10


def test_nothing_that_is_valid_is_swept(lmdb_store, clock):
    for number in range(1000):
        put(lmdb_store, b"%d" % number, b"x", ttl=1e6 if number % 2 else 0)
        clock.now += 1
    for _ in range(1000):
        put(lmdb_store, b"one key", b"x")
    assert [lmdb_store.get(b"%d" % number) is not None for number in range(1000)] == [False, True] * 500


@pytest.mark.parametrize("value", [b"x" * 24, b"x" * 3000, b"x" * 100_000], ids=["small", "large", "huge"])
def test_a_full_store_makes_room(directory, lmdb_store, clock, complaints, value):
    number = 2 * (1 << 20) // (len(value) + 60)  # far more than fit
    for each in range(number):
        key = b"%d" % (each * 7919 % number)
        put(lmdb_store, key, value)
        assert lmdb_store.get(key) == value
    assert entries(lmdb_store) * (len(value) + 60) > 0.25 * (1 << 20)
    assert (directory / DATA).stat().st_size <= (1 << 20) * 17 // 16 + RESERVE
    assert complaints == [f"{directory}: full: 1 MiB; what would expire first makes room"]


def test_what_would_expire_first_makes_room(lmdb_store):
    kept = [b"kept %d" % number for number in range(500)]
    for key in kept:
        put(lmdb_store, key, b"x" * 24, ttl=1e6)
    for number in range(30_000):
        put(lmdb_store, b"%d" % number, b"x" * 24, ttl=1e3)
        if number % 50 == 0:
            put(lmdb_store, b"l%d" % number, b"x" * 24, ttl=1e6)
    assert sum(lmdb_store.get(key) is not None for key in kept) >= 495


def test_what_has_expired_makes_room_before_anything_valid(lmdb_store, clock, complaints):
    for number in range(5000):
        put(lmdb_store, b"%d" % number, b"x" * 24)
    clock.now += 60
    lmdb_store._hand = b"l"  # so that sweeping has not come to them
    put(lmdb_store, b"mine", b"x" * 24)
    for number in range(15_000):
        put(lmdb_store, b"%d" % (number % 4000), b"y" * 24, ttl=1e6)
    assert lmdb_store.get(b"mine") == b"x" * 24
    assert complaints == []


def test_a_record_that_cannot_fit_is_refused(lmdb_store):
    put(lmdb_store, b"small", b"x")
    with pytest.raises(Defer, match="store: full: a record does not fit into 1 MiB"):
        put(lmdb_store, b"large", b"x" * (3 << 20))
    put(lmdb_store, b"small", b"y")
    assert lmdb_store.get(b"small") == b"y"


def test_it_is_told_once_an_hour(lmdb_store, clock, complaints):
    for number in range(20_000):
        put(lmdb_store, b"%d" % number, b"x" * 24, ttl=1e6)
        clock.now += 1
    assert 3 <= len(complaints) <= 5


# -- LMDB: several processes


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "store"


def test_processes_share(directory, lmdb_store):
    lmdb_store.update(b"n", increment, 60)
    assert output(program(directory, "print(store.update(b'n', increment, 60))")) == "2\n"
    assert lmdb_store.update(b"n", increment, 60) == 3


def test_processes_and_threads_lose_no_update(directory, lmdb_store):
    work = """
        def count():
            for _ in range(500):
                store.update(b"n", increment, 60)

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """
    for process in [program(directory, work) for _ in range(2)]:
        output(process)
    assert lmdb_store.update(b"n", increment, 60) == 2 * 8 * 500 + 1


def test_a_child_opens_it_anew(directory):
    work = """
        store.update(b"n", increment, 60)
        child = os.fork()
        for _ in range(1000):
            store.update(b"n", increment, 60)
        if child:
            assert os.waitpid(child, 0)[1] == 0
            print(store.update(b"n", increment, 60))
        store.close()
    """
    assert output(program(directory, work)) == "2002\n"


def test_what_a_killed_process_wrote_is_there(directory, lmdb_store):
    process = program(directory, "while True: print(store.update(b'n', increment, 60), flush=True)")
    told = [int(process.stdout.readline()) for _ in range(100)]
    process.kill()
    told += [int(line) for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
    assert lmdb_store.update(b"n", increment, 60) - told[-1] in (1, 2)


def test_killed_in_the_middle_of_updates(directory, lmdb_store, complaints):
    count = lmdb_store.update(b"n", increment, 60)
    for milliseconds in range(1, 20):
        process = program(
            directory,
            "print(store.update(b'n', increment, 60), flush=True)\nwhile True: store.update(b'n', increment, 60)",
        )
        assert int(process.stdout.readline()) == count + 1
        time.sleep(milliseconds / 1000)
        process.kill()
        process.communicate()
        before, count = count, lmdb_store.update(b"n", increment, 60)
        assert count > before + 1
    assert (verify(directory / DATA), complaints) == ([], [])


def test_killed_while_it_makes_room(directory, complaints):
    """Every record is as it was written, whenever the process that wrote it died, and there is room for more."""
    work = """
        from itertools import count
        store = LmdbStore(sys.argv[1], size=1 << 20, complain=lambda text: None)
        start = int.from_bytes(os.urandom(4), "big")
        for number in count(start):
            store.put(b"%d" % number, b"%d" % number * 20, 1e6)
            if number == start:
                print("begun", flush=True)
    """
    for milliseconds in (300, 5, 40, 10, 80, 20):
        process = program(directory, work)
        assert process.stdout.readline() == "begun\n"
        time.sleep(milliseconds / 1000)
        process.kill()
        process.communicate()
        store = LmdbStore(directory, size=1 << 20, complain=complaints.append)
        records = list(store.scan(b""))
        assert records
        assert all(value == key * 20 for key, value in records)
        store.put(b"mine", b"1", 60)
        assert store.get(b"mine") == b"1"
        store.delete(b"mine")
        store.close()
    assert verify(directory / DATA) == []
    assert not any("damaged" in complaint for complaint in complaints)


# -- LMDB: opening


def test_nothing_is_opened_before_it_is_needed(directory):
    LmdbStore(directory)
    assert not directory.exists()


def test_the_directory_is_private(directory, lmdb_store):
    lmdb_store.open()
    assert oct(directory.stat().st_mode) == "0o40700"
    assert oct((directory / DATA).stat().st_mode) == "0o100600"


def test_it_lasts(directory, clock, lmdb_store):
    put(lmdb_store, b"a", b"1")
    lmdb_store.close()
    assert lmdb_store.get(b"a") == b"1"


@pytest.mark.parametrize("operation", [lambda s: s.open(), lambda s: s.get(b"a"), lambda s: put(s, b"a", b"1")])
def test_where_there_can_be_no_directory(tmp_path, operation):
    (tmp_path / "file").touch()
    with pytest.raises(Defer, match="file/store: Not a directory"):
        operation(LmdbStore(tmp_path / "file" / "store"))


def test_a_process_opens_it_once(directory, lmdb_store):
    lmdb_store.open()
    with pytest.raises(Defer, match="already open in this process"):
        LmdbStore(directory).open()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_owner_of_the_place(tmp_path):
    os.chown(tmp_path, 12345, 23456)
    store = LmdbStore(tmp_path / "store")
    store.open()
    store.close()
    owners = {
        (path.stat().st_uid, path.stat().st_gid) for path in (tmp_path / "store", *(tmp_path / "store").iterdir())
    }
    assert owners == {(12345, 23456)}


def cut(data):
    os.truncate(data, data.stat().st_size // 2)


def scribble(data):
    with data.open("r+b") as file:
        file.seek(data.stat().st_size // 2)
        file.write(b"\xff" * 8192)


def replace(data):
    data.write_bytes(b"#" * data.stat().st_size)


def filled(directory):
    store = LmdbStore(directory)
    for number in range(2000):
        put(store, b"%d" % number, b"x" * 50, ttl=1e6)
    store.close()
    return directory / DATA


@pytest.mark.parametrize(
    "harm, crashed",
    [(cut, True), (cut, False), (replace, True), (replace, False), (scribble, True)],
    ids=lambda value: getattr(value, "__name__", ["same boot", "after a crash"][value is True]),
)
def test_a_damaged_file_is_moved_aside(directory, lmdb_store, complaints, harm, crashed):
    data = filled(directory)
    lmdb_store.open()
    lmdb_store.close()
    harm(data)
    if crashed:
        (directory / MARK).write_text("another-boot 4096")
    assert lmdb_store.get(b"1") is None
    put(lmdb_store, b"1", b"new")
    assert lmdb_store.get(b"1") == b"new"
    assert (directory / DAMAGED).stat().st_size > 0
    (complaint,) = complaints
    assert complaint.startswith(f"{directory}: damaged: ")


@pytest.mark.parametrize("mark", ["another-boot 4096", "", None], ids=["rebooted", "killed while opening", "no mark"])
def test_a_sound_file_is_kept(directory, lmdb_store, complaints, mark):
    filled(directory)
    (directory / MARK).unlink() if mark is None else (directory / MARK).write_text(mark)
    assert lmdb_store.get(b"1999") == b"x" * 50
    assert complaints == []


def test_damage_that_shows_later_is_found_at_the_next_start(directory, lmdb_store, complaints):
    filled(directory)
    lmdb_store.open()

    def damaged(stored, now):
        raise lmdb.CorruptedError("page 7")

    with pytest.raises(Defer, match="damaged, will be verified at the next start"):
        lmdb_store.update(b"1", damaged, 60)
    lmdb_store.close()
    scribble(directory / DATA)
    assert lmdb_store.get(b"1") is None
    assert len(complaints) == 1
