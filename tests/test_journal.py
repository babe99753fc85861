"""Log lines: one line each, whatever is in them."""

from __future__ import annotations

import os

import pytest

from policyd.journal import Journal, printable, report


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
