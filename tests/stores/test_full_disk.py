"""LMDB on a disk without room: a file system of 3 MiB that only this test sees."""

from __future__ import annotations

from parts.small_disk import printed

PROGRAM = """
import os
from policyd.errors import Defer
from policyd.stores import LmdbStore

store = LmdbStore(place / "store", complain=print)

def attempt(operation):
    try:
        print(operation())
    except Defer as error:
        print("Defer:", str(error).rpartition(": ")[2])
"""
FULL = "Defer: No space left on device"


def test_full_at_the_start(tmp_path):
    text = """
        fill()
        attempt(store.open)
        attempt(lambda: store.put(b"a", b"1", 60))
        ballast.unlink()
        attempt(lambda: store.put(b"a", b"1", 60))
        attempt(lambda: store.get(b"a"))
    """
    assert printed(tmp_path, "3m", PROGRAM, text) == [FULL, FULL, "None", "b'1'"]


def test_full_later(tmp_path):
    """What is known can be read, by any number of threads, and nothing is lost."""
    text = """
        from threading import Thread

        store.put(b"a", b"1", 60)
        fill()
        for number in range(3):
            attempt(lambda: store.put(b"%d" % number, bytes(500), 60))
        attempt(lambda: store.put(b"a", b"2", 60))
        readers = [Thread(target=store.get, args=(b"a",)) for _ in range(300)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        attempt(lambda: store.get(b"a"))
        ballast.unlink()
        attempt(lambda: store.put(b"a", b"3", 60))
        attempt(lambda: store.get(b"a"))
        store.close()
        attempt(lambda: store.get(b"a"))
    """
    assert printed(tmp_path, "3m", PROGRAM, text) == [FULL] * 4 + ["b'1'", "None", "b'3'", "b'3'"]


def test_opened_again_while_full(tmp_path):
    """A worker that is replaced meanwhile."""
    text = """
        store.put(b"a", b"1", 60)
        store.close()
        fill()
        attempt(store.open)
        attempt(lambda: store.get(b"a"))
        attempt(lambda: store.put(b"b", b"2", 60))
        store.close()
        ballast.unlink()
        attempt(lambda: store.put(b"b", b"2", 60))
        attempt(lambda: store.get(b"a"))
    """
    assert printed(tmp_path, "3m", PROGRAM, text) == ["None", "b'1'", FULL, "None", "b'1'"]


def test_full_and_killed(tmp_path):
    """A process that dies on a full disk leaves a sound file."""
    text = """
        for number in range(500):
            store.put(b"%d" % number, bytes(500), 600)
        fill()
        if not (child := os.fork()):
            try:
                while True:
                    store.put(os.urandom(8), bytes(500), 600)
            except Defer:
                os.kill(os.getpid(), 9)
        print(os.waitpid(child, 0)[1])
        ballast.unlink()
        (place / "store" / "sound").unlink()
        second = LmdbStore(place / "store", complain=print)
        store.close()
        attempt(lambda: len(list(second.scan(b""))) >= 500)
    """
    assert printed(tmp_path, "3m", PROGRAM, text) == ["9", "True"]
