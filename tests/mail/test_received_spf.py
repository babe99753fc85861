"""Received-SPF: a field cannot hide whose it says it is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.mail.lexical import uncommented
from policyd.mail.received_spf import MAX_FIELD, claimed_receivers


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        (" pass (mx.test: domain of a@b.test designates 192.0.2.1) client-ip=192.0.2.1; receiver=mx.test;", "mx.test"),
        ("pass receiver=mx.test", "mx.test"),
        ("Pass (mailfrom) identity=mailfrom; receiver=<UNKNOWN>", "<UNKNOWN>"),
        ("pass (google.test: domain of a@b.test designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1;",
         "google.test"),
        ("pass (other.test: x) receiver=mx.test", "mx.test other.test"),
        ("pass (mx.test : x)", "mx.test"),
        ("pass (\r\n\tmx.test: x)", "mx.test"),
        ("pass; RECEIVER\r\n = MX.Test", "MX.Test"),
        ('pass receiver="mx.test"', "mx.test"),
        ('pass receiver="mx\\.test"', "mx.test"),
        ("pass receiver(c)=(c)mx.test(c)", "mx.test"),
        ("pass receiver=(a (nested) \\) c) mx.test", "mx.test (a"),
        ("pass receiver=a receiver=b", "a b"),
        ('pass problem="; receiver=mx.test"; receiver=a', "mx.test a"),
        ("pass (never closed receiver=mx.test", "mx.test"),
        ('pass "never closed receiver=mx.test', "mx.test"),
        ("pass", ""),
        ("", ""),
        ("pass (nobody says)", ""),
        ("pass receiver=", ""),
        ("pass receiver=\"\"", ""),
        ("pass client-ip=192.0.2.1", ""),
    ],
)  # fmt: skip
def test_whose_it_is(value, hosts):
    assert list(claimed_receivers(value)) == hosts.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a(b)c", "a c"),
        ('"(a)"(b)', '"(a)" '),
        ("a(b", "a(b"),
        ('a(b)"c(d)', 'a "c(d)'),
        ("(a)(b)", "  "),
        ("", ""),
    ],
)
def test_comments(text, expected):
    assert uncommented(text) == expected


def test_nobody_reads_a_field_that_is_too_long():
    value = "pass receiver=mx.test "
    assert claimed_receivers(value.ljust(MAX_FIELD)) == ("mx.test",)
    assert claimed_receivers(value.ljust(MAX_FIELD + 1)) == ()


@given(st.text(st.characters(max_codepoint=255)) | st.text('"();=\\ receiv.\r\n', max_size=60))
def test_any_field_can_be_read(value):
    assert all(claimed_receivers(value))


@pytest.mark.parametrize("unit", ["(", '"', "\\", " ", "()", '"\\', "receiver=", 'receiver="\\', "receiver ", "a(b)"])
def test_the_time_is_linear(unit):
    start = time.process_time()
    for _ in range(10):
        claimed_receivers(unit * (MAX_FIELD // len(unit)))
    uncommented(unit * (1_000_000 // len(unit)))
    assert time.process_time() - start < 5
