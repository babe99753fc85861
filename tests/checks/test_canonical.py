"""Canonical forms: RFC 6376 3.4, against the rules in their plainest words, however a body is cut."""

from __future__ import annotations

import hashlib
import time
import tracemalloc
from collections.abc import Iterable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts.signing import naive_body, naive_field

from policyd.checks.canonical import BODIES, BodyHashes, BodyMethod, Fields, canonical_field, compressed

METHODS = ["simple", "relaxed"]
TRICKY = st.binary(max_size=200) | st.text(alphabet=" \t\r\na.", max_size=60).map(str.encode)


def canonical(method: str, chunks: Iterable[bytes]) -> bytes:
    written: list[bytes] = []
    stream = BODIES[method](written.append)
    for chunk in chunks:
        stream.feed(chunk)
    stream.finish()
    return b"".join(written)


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),  # 3.4.3, 3.4.4
        (b"\r\n", b"\r\n", b""),
        (b"\r\n\r\n\r\n", b"\r\n", b""),
        (b" \t\r\n\r\n", b" \t\r\n", b""),
        (b"a", b"a\r\n", b"a\r\n"),
        (b"a\r\n", b"a\r\n", b"a\r\n"),
        (b"a\r\n\r\n\r\n", b"a\r\n", b"a\r\n"),
        (b"\r\na\r\n", b"\r\na\r\n", b"\r\na\r\n"),
        (b"a\r\n\r\nb\r\n", b"a\r\n\r\nb\r\n", b"a\r\n\r\nb\r\n"),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),  # the example of 3.4.5
        (b"a \r\n", b"a \r\n", b"a\r\n"),
        (b"a\t\t \tb\r\n", b"a\t\t \tb\r\n", b"a b\r\n"),
        (b"a \r\n \r\n\t\r\n", b"a \r\n \r\n\t\r\n", b"a\r\n"),
        (b"a ", b"a \r\n", b"a\r\n"),  # a last line that nothing ends
        (b"a \r", b"a \r\r\n", b"a \r\r\n"),  # a CR alone is data
        (b"a\n\n", b"a\n\n\r\n", b"a\n\n\r\n"),  # so is an LF
        (b"a \n", b"a \n\r\n", b"a \n\r\n"),
        (b"a\r\n\n", b"a\r\n\n\r\n", b"a\r\n\n\r\n"),
        (b"a\r\r\n\r\n", b"a\r\r\n", b"a\r\r\n"),
        (b"\r\n\r", b"\r\n\r\r\n", b"\r\n\r\r\n"),
        (b"a\x0b\x0c \r\n", b"a\x0b\x0c \r\n", b"a\x0b\x0c\r\n"),  # other blanks are not white space here
        (b"\xff \xa0\r\n", b"\xff \xa0\r\n", b"\xff \xa0\r\n"),
    ],
)
def test_bodies(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert canonical("simple", [body]) == simple
    assert canonical("relaxed", [body]) == relaxed


@pytest.mark.parametrize("method", METHODS)
def test_every_short_body_octet_by_octet(method: str) -> None:
    for length in range(7):
        for octets in product(b"a \r\n", repeat=length):
            body = bytes(octets)
            expected = naive_body(body, method)
            assert canonical(method, [body]) == expected, body
            assert canonical(method, [body[at : at + 1] for at in range(length)]) == expected, body


@pytest.mark.parametrize("method", METHODS)
@given(chunks=st.lists(TRICKY, max_size=8))
def test_every_cut_gives_the_same(method: str, chunks: list[bytes]) -> None:
    body = b"".join(chunks)
    assert canonical(method, chunks) == canonical(method, [body]) == naive_body(body, method)


@given(octets=TRICKY)
def test_compressed(octets: bytes) -> None:
    assert compressed(octets) == b" ".join(part for part in _runs(octets))


def _runs(octets: bytes) -> list[bytes]:
    """What is between the runs of blanks; empty at an end that is blank."""
    parts = octets.replace(b"\t", b" ").split(b" ")
    inner = [part for part in parts[1:-1] if part]
    return parts if len(parts) == 1 else [parts[0], *inner, parts[-1]]


# -- header fields


@pytest.mark.parametrize(
    ("name", "value", "simple", "relaxed"),
    [
        ("A", " X", b"A: X\r\n", b"a:X\r\n"),  # the example of 3.4.5
        ("B ", " Y\t\n\tZ  ", b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z\r\n"),
        ("Subject", "", b"Subject:\r\n", b"subject:\r\n"),
        ("Subject", " \t ", b"Subject: \t \r\n", b"subject:\r\n"),
        ("SUBJect", "a\r\n b\n  c", b"SUBJect:a\r\n b\r\n  c\r\n", b"subject:a b c\r\n"),
        ("X", " a\r b", b"X: a\r b\r\n", b"x:a\r b\r\n"),
        ("X", "\x0b a \x0c", b"X:\x0b a \x0c\r\n", b"x:\x0b a \x0c\r\n"),
        ("\xc4", " \xe4\xc4", b"\xc4: \xe4\xc4\r\n", b"\xc4:\xe4\xc4\r\n"),
    ],
)
def test_fields(name: str, value: str, simple: bytes, relaxed: bytes) -> None:
    assert canonical_field((name, value), "simple") == simple
    assert canonical_field((name, value), "relaxed") == relaxed


@given(value=st.text(alphabet=" \t\na.", max_size=60))
def test_fields_as_the_rules_say(value: str) -> None:
    for method in METHODS:
        assert canonical_field(("Name", value), method) == naive_field("Name", value, method)


HEADER = [("To", " 1"), ("Cc", " 2"), ("TO", " 3"), ("to", " 4"), ("Subject ", " 5")]


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (["to"], ["4"]),  # the lowest first, RFC 6376 5.4.2
        (["to", "to", "to"], ["4", "3", "1"]),
        (["to", "cc", "to"], ["4", "2", "3"]),
        (["to"] * 5, ["4", "3", "1"]),  # there are only three
        (["date", "from"], []),
        (["subject"], ["5"]),
        ([""], []),
        ([], []),
    ],
)
def test_selected(names: list[str], values: list[str]) -> None:
    forms = Fields(HEADER).selected(names, "relaxed")
    assert [form.decode().strip().partition(":")[2] for form in forms] == values


@pytest.mark.parametrize(
    ("own", "values"),
    [(0, ["4", "3"]), (2, ["4", "1"]), (3, ["3", "1"]), (1, ["4", "3", "1"]), (None, ["4", "3", "1"])],
)
def test_a_signature_does_not_sign_itself(own: int | None, values: list[str]) -> None:
    """RFC 6376 3.5, h=."""
    forms = Fields(HEADER).selected(["to"] * 4, "relaxed", own)
    assert [form.decode().strip().partition(":")[2] for form in forms] == values


# -- hashing


def digest(octets: bytes, algorithm: str = "sha256") -> bytes:
    return hashlib.new(algorithm, octets).digest()


@given(chunks=st.lists(TRICKY, max_size=6), length=st.integers(0, 100))
def test_hashes(chunks: list[bytes], length: int) -> None:
    bodies = BodyHashes()
    methods = [
        BodyMethod(method, algorithm, octets)
        for method in METHODS
        for algorithm in ("sha256", "sha1")
        for octets in (None, 0, length)
    ]
    for method in methods:
        bodies.want(method)
    for chunk in chunks:
        bodies.feed(chunk)
    for method in methods:
        whole = naive_body(b"".join(chunks), method.canonicalization)
        found = bodies.result(method)
        assert found.octets == len(whole)
        assert found.digest == digest(whole[: method.length], method.algorithm)


def test_only_what_was_wanted() -> None:
    bodies = BodyHashes()
    bodies.want(BodyMethod("simple", "sha256"))
    with pytest.raises(KeyError):
        bodies.result(BodyMethod("relaxed", "sha256"))


def test_asked_twice() -> None:
    bodies, method = BodyHashes(), BodyMethod("simple", "sha256")
    bodies.want(method)
    bodies.want(method)
    bodies.feed(b"a")
    assert bodies.result(method) == bodies.result(method)
    assert bodies.result(method).digest == digest(b"a\r\n")


# -- how long, and how much


PATHOLOGICAL = {
    "blanks": b" " * 10_000_000 + b"x",
    "blanks in every line": (b" " * 999 + b"x" + b"\t" * 999 + b"\r\n") * 5_000,
    "lines of blanks": b" \r\n" * 3_333_333,
    "empty lines": b"\r\n" * 5_000_000 + b"x",
    "carriage returns": b"\r" * 10_000_000,
    "line feeds": b"\n" * 10_000_000,
    "blank by blank": b"a " * 5_000_000,
    "broken line ends": b"\r\n\r" * 3_333_333,
    "short and long blanks": (b" a" * 30_000 + b" " * 5_000) * 150,
}


@pytest.mark.parametrize("chunk", [65_535, 10_000_001])
@pytest.mark.parametrize("body", PATHOLOGICAL.values(), ids=PATHOLOGICAL)
def test_time_is_linear(body: bytes, chunk: int) -> None:
    bodies, start = BodyHashes(), time.process_time()
    for method in METHODS:
        bodies.want(BodyMethod(method, "sha256"))
    for at in range(0, len(body), chunk):
        bodies.feed(body[at : at + chunk])
    bodies.result(BodyMethod("relaxed", "sha256"))
    assert time.process_time() - start < 1


@pytest.mark.parametrize("line", [b"\r\n", b" ", b"\r", b"text\r\n"])
def test_memory_is_constant(line: bytes) -> None:
    bodies, chunk = BodyHashes(), line * (60_000 // len(line))
    for method in METHODS:
        bodies.want(BodyMethod(method, "sha256"))
    tracemalloc.start()
    for _ in range(100):
        bodies.feed(chunk)
    bodies.feed(b"x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_header_of_many_fields() -> None:
    fields, start = [("X-Field", " value")] * 100_000, time.process_time()
    assert len(Fields(fields).selected(["x-field"] * 100_000, "relaxed")) == 100_000
    assert time.process_time() - start < 1


@pytest.mark.parametrize("value", ["a " * 5_000_000, " " * 10_000_000, "a\n b" * 2_500_000, "\n" * 10_000_000])
def test_a_field_of_10_megabytes(value: str) -> None:
    start = time.process_time()
    for method in METHODS:
        canonical_field(("Subject", value), method)
    assert time.process_time() - start < 1
