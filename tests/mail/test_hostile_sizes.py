"""No input makes a reader take more time than its length deserves: long header lines of every nasty kind."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from policyd.checks.canonical import canonical_field
from policyd.checks.dmarc_record import parse_record
from policyd.mail.authres import AuthResult, authentication_results
from policyd.mail.mailboxes import mailbox, mailboxes
from policyd.mail.message import Message, added_lines
from policyd.mail.rfc2047 import decoded, unknown_charset

LONG, SHORTER = 10_000_000, 1_000_000  # octets; what is read sign by sign gets the shorter line
SECONDS = 8  # of CPU time: many times what any of them takes, and a small part of quadratic time

ADDRESSES = ["a,", "a@b.test,", "<", "(", "()", '"', '"\\', "g:;", " ", "\r\n ", "\\", "a.", "a ", "[", "@", ","]
WORDS = ["=?", "=?a", "=?a?q?", "=?a?q?x", "=?a?q?=", "=?utf-8?q?x?= ", "=?x?q?x?=\n ", " ", "?="]
RECORDS = ["a=b;", ";", "=", " ", "rua=mailto:a@b.test!1,", "fo=1:", "!1", "mailto:a@"]
VALUES = [" ", "\t", "\r\n ", "\n", "a ", "\r"]


def all_addresses(text: str) -> None:
    for _ in mailboxes(text):
        pass


def a_result(text: str) -> None:
    authentication_results(text, [AuthResult("spf", text, (("smtp.mailfrom", text),), text)])


def a_record(text: str) -> None:
    parse_record(f"v=DMARC1; {text}")
    parse_record(f"v=DMARC1; rua={text}")


def a_field(text: str) -> None:
    canonical_field(("X", text), "relaxed")
    canonical_field(("X", text), "simple")


READERS: list[tuple[Callable[[str], object], int, list[str]]] = [
    (all_addresses, SHORTER, ADDRESSES),
    (mailbox, SHORTER, ADDRESSES),
    (decoded, LONG, WORDS),
    (unknown_charset, LONG, WORDS),
    (a_result, LONG, ["a", '"', "\xff", "@"]),
    (a_record, LONG, RECORDS),
    (a_field, LONG, VALUES),
    (added_lines, SHORTER, ["\n y", "\n", "\nx:y", " "]),
]
CASES = [
    pytest.param(read, size, unit, id=f"{read.__name__} {unit!r}") for read, size, units in READERS for unit in units
]


@pytest.mark.parametrize(("read", "size", "unit"), CASES)
def test_one_long_line(read: Callable[[str], object], size: int, unit: str) -> None:
    text = unit * (size // len(unit))
    start = time.process_time()
    read(text)
    assert time.process_time() - start < SECONDS


def test_many_fields() -> None:
    start, message = time.process_time(), Message()
    for number in range(100_000):
        message.receive([(f"X-{number % 1000}", "a\n b")])
    assert len(message.find("x-7")) == 100
    message.discard(message.find("X-7"))
    assert len(message.headers) == 99_900
    message.add("X-8", "c", "at_start_rfc")
    assert sum(1 for _ in message.lines()) == 199_802
    assert time.process_time() - start < SECONDS
