"""Log lines: one line each, whatever is in them."""

from __future__ import annotations

import json
import os
import re
import time

import pytest

from policyd.journal import Journal, Style, printable, report


def written(*lines: tuple[str, str], journald: bool = False) -> bytes:
    """What a journal writes for these targets and texts."""
    reader, writer = os.pipe()
    journal = Journal(writer, journald=journald)
    for target, text in lines:
        journal.write(target, text)
    os.close(writer)
    with open(reader, "rb") as file:
        return file.read()


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain", "plain"),
        ("", ""),
        ("a\nb\r\tc\0d\x1b[1m\x7f", r"a\x0ab\x0d\x09c\x00d\x1b[1m\x7f"),
        ("caf\xc3\xa9", "café"),  # octets that are UTF-8
        ("caf\xe9", r"caf\xe9"),  # and that are not
        ("\xc2\x85\xe2\x80\xa8\xe2\x80\xae", r"\xc2\x85\xe2\x80\xa8\xe2\x80\xae"),  # line ends and a turn of Unicode's
        ("x" * 5000, "x" * 3997 + "..."),
        ("\0" * 5000, r"\x00" * 999 + r"\..."),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown


def test_lines():
    assert written(("main", "one"), ("reject", "two"), ("panic", "three")) == b"one\nreject: two\npanic: three\n"


def test_lines_for_systemd():
    lines = ("main", "one"), ("reject", "two"), ("panic", "three\n<1>forged")
    assert written(*lines, journald=True) == b"<6>one\n<5>two\n<3>three\\x0a<1>forged\n"


def test_systemd_is_recognised(monkeypatch):
    reader, writer = os.pipe()
    for device, line in [("1:2", b"one\n"), (f"{os.fstat(writer).st_dev}:{os.fstat(writer).st_ino}", b"<6>one\n")]:
        monkeypatch.setenv("JOURNAL_STREAM", device)
        Journal(writer).write("main", "one")
        assert os.read(reader, 100) == line
    os.close(reader)
    os.close(writer)


def test_the_reject_log_does_not_repeat_the_main_log():
    lines = ("main", "one"), ("reject", "one"), ("reject", "two"), ("main", "three"), ("reject", "one")
    assert written(*lines) == b"one\nreject: two\nthree\nreject: one\n"


def test_a_log_without_a_reader():
    reader, writer = os.pipe()
    os.close(reader)
    Journal(writer).write("main", "to nobody")
    os.close(writer)


def test_report():
    lines: list[tuple[str, str]] = []
    try:
        raise RuntimeError("caf\xe9")
    except RuntimeError as error:
        report(lambda target, text: lines.append((target, text)), "a test", error)
    assert lines[0] == ("panic", "unexpected error in a test")
    assert lines[1] == ("panic", "  Traceback (most recent call last):")
    assert lines[-1] == ("panic", "  RuntimeError: caf\xc3\xa9")


# -- formats


class Decision:
    """One that is put together by the test."""

    def __init__(self, arrival="", **facts):
        self._arrival, self._facts = arrival, facts

    def facts(self):
        return self._facts

    def line(self):
        return " ".join(f"{name}={value}" for name, value in self._facts.items())

    def arrival(self):
        return self._arrival


def styled(*events, journald=False, **style) -> list[str]:
    """What is written to standard error, or to a pipe in its place: targets and texts, or decisions."""
    reader, writer = os.pipe()
    journal = Journal(writer, journald=journald)
    journal.settle(Style(**style))
    for event in events:
        journal.decided(event) if isinstance(event, Decision) else journal.write(*event)
    os.close(writer)
    with open(reader, "rb") as file:
        return file.read().decode().splitlines()


def test_decisions():
    refused, accepted = Decision(verdict="fail"), Decision("<= a@b", verdict="ok")
    assert styled(refused, accepted) == ["verdict=fail", "verdict=ok"]
    assert styled(refused, accepted, form="exim", journald=True) == ["<6><= a@b"]
    objects = [json.loads(line) for line in styled(refused, accepted, form="json")]
    assert [(found["event"], found["verdict"]) for found in objects] == [("decision", "fail"), ("decision", "ok")]


@pytest.mark.parametrize(
    "selector, shape",
    [
        ((), r"[-0-9]{10} [0-9:]{8} reject: one"),
        (("millisec",), r"[-0-9]{10} [0-9:]{8}\.[0-9]{3} reject: one"),
        (("pid",), r"[-0-9]{10} [0-9:]{8} \[PID\] reject: one"),
    ],
)
def test_times_of_files(tmp_path, selector, shape):
    path = tmp_path / "log"
    for form in ("policyd", "exim"):
        path.unlink(missing_ok=True)
        assert styled(("reject", "one"), form=form, file=str(path), selector=frozenset(selector)) == []
        assert re.fullmatch(shape.replace("PID", str(os.getpid())), path.read_text().rstrip("\n"))


def test_times_elsewhere():
    """The journal has its own."""
    assert styled(("main", "one"), form="exim", journald=True) == ["<6>one"]
    (line,) = styled(("panic", "one"), form="exim")
    assert re.fullmatch(r"panic: [-0-9]{10} [0-9:]{8} one", line)
    assert styled(("main", "one")) == ["one"]


def test_the_local_time(tmp_path, monkeypatch):
    monkeypatch.setattr("policyd.journal.time.time", lambda: 1_000_000_000.25)
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        styled(("main", "one"), file=str(tmp_path / "log"), selector=frozenset({"millisec"}))
        assert (tmp_path / "log").read_text() == "2001-09-09 03:46:40.250 one\n"
        assert json.loads(styled(("main", "one"), form="json")[0])["time"] == "2001-09-09T01:46:40.250Z"
    finally:
        monkeypatch.undo()
        time.tzset()


HOSTILE = 'a"b\\c\nd\re\x1b[31m\0 verdict=ok \xc3\xa9 \xe9 \xe2\x80\xa8\xe2\x80\xae </x>{"y":1}'


def test_hostile_text_in_objects():
    lines = styled(("main", HOSTILE), Decision(helo=HOSTILE, recipients=[HOSTILE]), form="json")
    assert all(line.isascii() and line.isprintable() for line in lines)
    text, decision = map(json.loads, lines)
    plain = 'a"b\\c\nd\re\x1b[31m\0 verdict=ok é \\xe9 \u2028\u202e </x>{"y":1}'
    assert (text["event"], text["log"], text["text"]) == ("line", "main", plain)
    assert (decision["helo"], decision["recipients"]) == (plain, [plain])


def test_hostile_text_in_lines():
    (line,) = styled(("main", HOSTILE), form="exim", journald=True)
    assert line == (
        "<6>" + r'a"b\c\x0ad\x0de\x1b[31m\x00 verdict=ok ' + "é" + r' \xe9 \xe2\x80\xa8\xe2\x80\xae </x>{"y":1}'
    )


@pytest.mark.parametrize("octet", ["x", "\0", "\x1b", "\xff", "\xc3\xa9", '"', "\\"])
@pytest.mark.parametrize("form", ["policyd", "exim", "json"])
def test_lines_are_never_too_long(form, octet):
    names = [f"name{number}" for number in range(15)]
    events = [
        ("main", octet * 10000),
        Decision(octet * 9999, **dict.fromkeys(names, octet * 10000), recipients=[octet * 10000] * 50),
    ]
    lines = styled(*events, form=form, journald=True)
    assert len(lines) == 2
    assert all(len(line.encode()) <= 4003 for line in lines)
    if form == "json":
        assert all(json.loads(line[3:]) for line in lines)


def test_a_file_that_is_moved(tmp_path):
    """As logrotate does: the next line is in a new file. What is removed comes again."""
    path = tmp_path / "log"
    journal = Journal(journald=False)
    journal.settle(Style("exim", str(path)))
    journal.write("main", "one")
    path.rename(tmp_path / "log.1")
    journal.write("main", "two")
    path.unlink()
    journal.write("main", "three")
    assert (tmp_path / "log.1").read_text().endswith(" one\n")
    assert path.read_text()[20:] == "three\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert (
        len([name for name in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{name}") == str(path)])
        == 1
    )


def test_a_file_that_cannot_be_written(tmp_path):
    """Its lines are where they would be without it, behind the reason, which is said once."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, reason in (
        (tmp_path / "no" / "log", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (fifo, "No such device or address"),
        ("/dev/full", "No space left on device"),
    ):
        told = f"panic: log_file {path}: {reason}: lines come here instead"
        assert styled(("main", "one"), Decision(a=1), file=str(path)) == [told, "one", "a=1"]


def test_a_file_that_can_be_written_again(tmp_path):
    """The next time that it cannot is told, too."""
    reader, writer = os.pipe()
    place = tmp_path / "there"
    journal = Journal(writer, journald=False)
    journal.settle(Style(file=str(place / "log")))
    for name in ("away", "there", "away"):
        (tmp_path / "away").mkdir(exist_ok=True)
        (tmp_path / "away").rename(tmp_path / name)
        journal.write("main", "one")
        journal.write("main", "two")
        (tmp_path / name).rename(tmp_path / "away")
    os.close(writer)
    with open(reader) as file:
        lines = file.read().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["panic", "one", "two"] * 2
    assert (tmp_path / "away" / "log").read_text().count("\n") == 2


def test_files_of_many_processes(tmp_path):
    """Lines do not mix."""
    path = tmp_path / "log"
    journal = Journal(journald=False)
    journal.settle(Style("json", str(path)))
    journal.write("main", "begin")
    children = []
    for letter in "abcd":
        if not (pid := os.fork()):
            for _ in range(200):
                journal.write("main", letter * 900)
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
    texts = [json.loads(line)["text"] for line in path.read_text().splitlines()]
    assert sorted(texts[1:]) == [letter * 900 for letter in "abcd" for _ in range(200)]


def test_the_first_style_stays():
    journal = Journal(journald=False)
    journal.settle(Style("json"))
    journal.settle(Style("exim"))
    assert journal._style.form == "json"
