"""Header fields, and what is known about a message (compared with a live Exim in tests/oracle)."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

from policyd.mail.message import MAX_HEADER_TEXT
from policyd.policy import Phase

FIELDS = [
    ("Subject", " =?utf-8?q?caf=c3=a9?= and\n =?iso-8859-1?q?=e9?=  end  "),
    ("X-One", "one"),
    ("X-One", "  two  "),
    ("To", " x@y.z,\n u@v.w"),
    ("to", " third@t"),
    ("Empty", ""),
    ("Empty", "   "),
    ("X-Colon", " a:b::c"),
    ("From", " A <a@b>\n (c) "),
]
expand = Expander("", FIELDS)

CASES = [
    ("$h_subject:", "caf\xc3\xa9 and\n \xc3\xa9  end"),
    ("$bh_subject:", "caf\xc3\xa9 and\n \xe9  end"),
    ("$rh_subject:", " =?utf-8?q?caf=c3=a9?= and\n =?iso-8859-1?q?=e9?=  end  \n"),
    ("$lh_subject:", " =?utf-8?q?caf=c3=a9?= and\n =?iso-8859-1?q?=e9?=  end  "),
    ("$header_x-one:", "one\ntwo"),
    ("$rheader_X-ONE:", "one\n  two  \n"),
    ("$lheader_x-one:", "one:  two  "),
    ("$bheader_x-one:", "one\ntwo"),
    ("$h_to:", "x@y.z,\n u@v.w,\nthird@t"),
    ("$lh_x-colon:", " a::b::::c"),
    ("[$h_empty:][$rh_empty:][$lh_empty:]", "[][\n   \n][   ]"),
    ("[$h_nosuch:][$rh_nosuch:][$lh_nosuch:]", "[][][]"),
    ("${if def:h_empty:{y}{n}}${if def:h_nosuch:{y}{n}}", "yn"),
    ("$reply_address", "A <a@b>  (c)"),
    ("${if match{$message_headers}{\\N^Subject: caf\xc3\xa9 and\\n \xe9  end\\nX-One:one\\N}{y}{n}}", "y"),
    ("${if match{$message_headers_raw}{\\N^Subject: =\\?utf-8.*end  \\nX-One:one\\n\\N}{y}{n}}", "n"),
    ("${length_30:$message_headers_raw}", "Subject: =?utf-8?q?caf=c3=a9?="),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_header_fields(string, want):
    assert expand(string) == want


def test_a_header_has_an_end():
    long = Expander("", [("X", "a" * 40_000)] * 3)
    for kind in ("h", "rh", "bh", "lh"):
        assert len(long(f"${kind}_x:")) == MAX_HEADER_TEXT


def test_reply_to_comes_first():
    assert Expander("", [*FIELDS, ("Reply-To", " r@s\n ")])("$reply_address") == "r@s"
    assert Expander("", [*FIELDS, ("Reply-To", "  ")])("$reply_address") == "A <a@b>  (c)"
    assert Expander()("[$reply_address]") == "[]"


@pytest.mark.parametrize(
    ("phase", "parameters", "want"),
    [
        (Phase.CONNECT, (), "0"),
        (Phase.MAIL, (), "-1"),
        (Phase.MAIL, ("BODY=8BITMIME", "size=123"), "123"),
        (Phase.RCPT, ("SIZE=x",), "-1"),
    ],
)
def test_the_size_before_the_message(phase, parameters, want):
    early = Expander()
    early.tx.phase, early.tx.sender_parameters = phase, parameters
    assert early("$message_size") == want


def test_the_size_of_the_message():
    late = Expander("", [("A", " b")])
    late.tx.message.complete = True
    late.tx.message.body(b"12345")
    assert late("$message_size") == str(len("A: b\r\n") + 5)


def test_what_the_mta_tells():
    told = Expander()
    told.tx.connection.macros.update(i="4XYZ")
    told.tx.connection.commands.extend(["EHLO", "MAIL", "RCPT"])
    told.tx.command, told.tx.command_argument = "MAIL FROM:<a@b> SIZE=1", "<a@b> SIZE=1"
    assert told("$message_exim_id $message_id") == "4XYZ 4XYZ"
    assert told("$smtp_command|$smtp_command_argument") == "MAIL FROM:<a@b> SIZE=1|<a@b> SIZE=1"
    assert told("$smtp_command_history") == "EHLO,MAIL,RCPT"


def test_headers_that_acls_have_added():
    added = Expander()
    added.tx.add_headers("X-A: 1\nX-B: 2")
    assert added("$headers_added") == "X-A: 1\nX-B: 2"
