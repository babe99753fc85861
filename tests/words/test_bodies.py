"""The body of the message, and counts of what arrived (the numbers are those of a live Exim)."""

from __future__ import annotations

import pytest
from parts.expanding import Expander, kept

FIELDS = [
    ("To", " x@y"),
    ("Subject", " a\n  b=?utf-8?q?=c3=a9?="),
    ("From", " f@g, h@i"),
    ("Received", " x"),
    ("received", " y"),
    ("Reply-To", " r@s"),
]
BODY = b"line1\r\nline two\r\n.dot\r\n\0zero\r\nlast\r\n"


def message(config="", body=BODY):
    return kept(Expander(config, FIELDS), body)


@pytest.mark.parametrize(
    ("string", "before", "after"),
    [
        ("$message_linecount", "0", "13"),
        ("$body_linecount", "0", "5"),
        ("$body_zerocount", "0", "1"),
        ("$message_body_size", "0", "31"),
        ("$max_received_linelength", "0", "21"),
        ("$message_body", "", "line1 line two .dot  zero last "),
        ("$message_body_end", "", "line1 line two .dot  zero last "),
        ("$received_count", "0", "3"),
    ],
)
def test_counts(string, before, after):
    assert Expander("", FIELDS)(string) == before
    with message() as expand:
        assert expand(string) == after


@pytest.mark.parametrize(
    ("config", "start", "end"),
    [
        ("message_body_newlines", "line1\nline two\n.dot\n zero\nlast\n", "line1\nline two\n.dot\n zero\nlast\n"),
        ("message_body_visible = 7", "line1 l", "o last "),
        ("message_body_visible = 0", "", ""),
    ],
)
def test_how_much_of_the_body_is_shown(config, start, end):
    with message(f"{config}\n") as expand:
        assert (expand("$message_body"), expand("$message_body_end")) == (start, end)


def test_a_long_body():
    with message(body=b"0123456789\r\n" * 100_000) as expand:
        assert expand("$message_body") == ("0123456789 " * 50)[:500]
        assert expand("$message_body_end") == ("0123456789 " * 50)[-500:]
        assert expand("$body_linecount $message_body_size $body_zerocount") == "100000 1100000 0"
        assert expand("$max_received_linelength") == "21"


def test_a_body_that_was_not_kept_is_empty():
    expand = Expander("", FIELDS)
    expand.tx.message.body(BODY)
    expand.tx.message.complete = True
    assert expand("[$message_body][$message_body_end][$body_zerocount]") == "[][][0]"
    assert expand("$body_linecount $message_body_size") == "5 31"


def test_an_empty_message():
    with kept(Expander("", [("To", " x@y")]), b"\r\n") as expand:
        assert expand("$message_linecount $body_linecount $message_body_size [$message_body]") == "3 1 1 [ ]"


@pytest.mark.parametrize("name", ["message_body", "message_body_end", "body_zerocount", "max_received_linelength"])
def test_a_policy_that_uses_it_needs_the_body(name):
    policy = f"begin acl\nacl_check_data:\n warn set acl_m_x = ${name}\n accept\n"
    assert "body" in Expander(policy).policy.needs
    assert "body" in Expander(policy.replace(f"${name}", "${expand:$acl_m_y}")).policy.needs
    assert "body" not in Expander(policy.replace(f"${name}", "$body_linecount")).policy.needs
