"""Files that change, in every way that a file can, while they are read."""

from __future__ import annotations

import fcntl
import os
import resource
import threading
import time

import pytest

from policyd.errors import Unopened
from policyd.files import MAX_KEPT, Files


def upper(text):
    CALLS.append(text)
    return text.upper()


CALLS = []


@pytest.fixture
def path(tmp_path):
    CALLS.clear()
    file = tmp_path / "file"
    file.write_text("one")
    os.utime(file)
    time.sleep(0.12)  # until it counts as settled
    return file


def test_it_is_parsed_once(path):
    files = Files()
    assert [files.parsed(str(path), upper) for _ in range(5)] == ["ONE"] * 5
    assert CALLS == ["one"]
    assert files.read(str(path)) == "one"


class Counted:
    """Counts of one counter, by its label."""

    def __init__(self):
        self.results = []

    def count(self, name, *labels, amount=1):
        assert (name, amount) == ("lookup_reloads_total", 1)
        self.results.extend(labels)


def test_what_is_read_is_counted(path):
    metrics = Counted()
    files = Files(metrics)
    for _ in range(3):
        files.read(str(path))
    rewrite(path)
    time.sleep(0.12)
    for _ in range(3):
        files.read(str(path))
    path.unlink()
    for _ in range(2):
        with pytest.raises(Unopened):
            files.read(str(path))
    assert metrics.results == ["success", "success", "failure", "failure"]


def rewrite(path):
    path.write_text("two")


def replace(path):
    fresh = path.with_name("fresh")
    fresh.write_text("two")
    os.utime(fresh, ns=(0, path.stat().st_mtime_ns))  # as old as the one it replaces
    fresh.rename(path)


def rewrite_and_put_the_clock_back(path):
    before = path.stat().st_mtime_ns
    path.write_text("two")
    os.utime(path, ns=(before, before))


@pytest.mark.parametrize("change", [rewrite, replace, rewrite_and_put_the_clock_back])
def test_a_change_is_seen(path, change):
    files = Files()
    assert files.parsed(str(path), upper) == "ONE"
    change(path)
    assert files.parsed(str(path), upper) == "TWO"


def test_two_changes_within_a_tick_of_the_clock_are_seen(path, monkeypatch):
    """Same size, same inode, and here always the same time: a file is not trusted before it has rested."""
    monkeypatch.setattr("policyd.files._identity", lambda _: (0,))
    files = Files()
    for step in range(20):
        with open(path, "r+") as file:
            file.write(f"{step:03}")
        assert files.read(str(path)) == f"{step:03}"
    time.sleep(0.12)
    assert files.read(str(path)) == "019"
    path.write_text("020")
    assert files.read(str(path)) == "019"  # what the clock does not tell, nobody knows


def test_octets_are_characters(path):
    path.write_bytes(bytes(range(256)))
    assert Files().read(str(path)) == bytes(range(256)).decode("latin-1")


def test_a_name_of_octets(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xc3\xa9"
    with open(name, "w") as file:
        file.write("here")
    assert Files().read(name.decode("latin-1")) == "here"


@pytest.mark.parametrize(
    "name, purpose, want",
    [
        ("none", "", "failed to open {here}/none: No such file or directory"),
        ("none", "for tea", "failed to open {here}/none for tea: No such file or directory"),
        (".", "", "failed to open {here}/.: not a regular file"),
        ("pipe", "", "failed to open {here}/pipe: not a regular file"),
        ("a\0b", "", "failed to open {here}/a\0b: stat: embedded null character in path"),
        ("large", "", "failed to open {here}/large: larger than 67108864 octets"),
        ("x" * 300, "", "failed to open {here}/" + "x" * 300 + ": File name too long"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, purpose, want):
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "large", "w") as large:
        large.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(Unopened) as caught:
        Files().parsed(f"{tmp_path}/{name}", str, purpose)
    assert str(caught.value) == want.format(here=tmp_path)


def test_it_vanishes_between_looking_and_opening(path, monkeypatch):
    status = os.stat(path)
    path.unlink()
    monkeypatch.setattr(os, "stat", lambda _: status)
    with pytest.raises(Unopened, match="No such file"):
        Files().read(str(path))


def test_one_that_was_gone_is_read_when_it_is_back(path):
    files = Files()
    assert files.read(str(path)) == "one"
    path.unlink()
    with pytest.raises(Unopened):
        files.read(str(path))
    path.write_text("back")
    assert files.read(str(path)) == "back"


def fussy(text):
    if text == "bad":
        raise ValueError("bad text")
    return text


def test_what_the_parser_raises_is_not_remembered(path):
    metrics = Counted()
    files = Files(metrics)
    path.write_text("bad")
    for _ in range(2):
        with pytest.raises(ValueError, match="bad text"):
            files.parsed(str(path), fussy)
    path.write_text("good")
    assert files.parsed(str(path), fussy) == "good"
    assert set(metrics.results[:2]) == {"failure"}


def test_the_least_used_one_is_forgotten(tmp_path):
    files = Files()
    for number in range(MAX_KEPT + 10):
        (tmp_path / str(number)).write_text("x")
        files.read(f"{tmp_path}/{number}")
    assert len(files._entries) == MAX_KEPT
    assert (f"{tmp_path}/0", str) not in files._entries


def slow(text):
    CALLS.append(text)
    time.sleep(0.2)
    return text


def test_many_who_want_it_wait_for_one_who_reads(path):
    files = Files()
    found = []
    threads = [threading.Thread(target=lambda: found.append(files.parsed(str(path), slow))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["one"] * 20
    assert CALLS == ["one"]


def test_appending(tmp_path):
    file = tmp_path / "new"
    Files().append(str(file), "one\n")
    Files().append(str(file), "two\xff\n", mode=0o600)  # it is there already
    assert file.read_bytes() == b"one\ntwo\xff\n"
    assert file.stat().st_mode & 0o777 == 0o640 & ~_mask()


def test_what_there_is_no_room_for_is_not_there_in_part(tmp_path):
    file = tmp_path / "short"
    file.write_text("whole\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))  # octets
    try:
        with pytest.raises(Unopened, match="No space left on device"):
            Files().append(str(file), "too long a line\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_text() == "whole\n"


def test_a_file_that_somebody_else_keeps_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("policyd.files.PATIENCE", 0.05)
    with open(tmp_path / "file", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Unopened, match="to append: Resource temporarily unavailable"):
            Files().append(str(tmp_path / "file"), "x")
    assert (tmp_path / "file").read_text() == ""


def _mask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
