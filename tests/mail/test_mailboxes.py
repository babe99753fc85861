"""The addresses in header fields, right, lenient and wrong."""

from __future__ import annotations

import pytest

from policyd.mail.mailboxes import EMPTY, mailbox, mailboxes


@pytest.mark.parametrize(
    "text, addresses",
    [
        ("", []),
        ("  ", []),
        (",, ,", []),
        ("a@b", ["a@b"]),
        ("a@b, c@d", ["a@b", "c@d"]),
        ("a@b,, c@d,", ["a@b", "c@d"]),
        ("<a@b>", ["a@b"]),
        ("Name <a@b>", ["a@b"]),
        ("First M Last <a@b>", ["a@b"]),
        ("J. Q. Public <a@b>", ["a@b"]),
        ('"Public, J." <a@b>, c@d', ["a@b", "c@d"]),
        ("(a, comment) a@b (another (nested)), c@d", ["a@b", "c@d"]),
        ("a (x) @ (y) b . (z) c", ["a@b.c"]),
        ('"a b"@c', ['"a b"@c']),
        ('a."b".c@d', ['a."b".c@d']),
        (r'"a\"b"@c', [r'"a\"b"@c']),
        ("a\\ b@c", ["a\\ b@c"]),
        ("a..b@c", ["a..b@c"]),
        ("a@[192.0.2.1]", ["a@[192.0.2.1]"]),
        ("a@[IPv6:2001:db8::1]", ["a@[IPv6:2001:db8::1]"]),
        ("<@one,@two:a@b>, c@d", ["a@b", "c@d"]),
        ("@one,@two:a@b", ["a@b"]),
        ("group: a@b, c@d;, e@f", ["a@b", "c@d", "e@f"]),
        ("group: a@b; , other: c@d;", ["a@b", "c@d"]),
        ("a@b\n\t, c@d", ["a@b", "c@d"]),
        ("\xe9@b", ["\xe9@b"]),
        ("just", ["just"]),
    ],
)
def test_addresses(text, addresses):
    found = list(mailboxes(text))
    assert [item.address for item in found] == addresses
    assert not any(item.error for item in found)


@pytest.mark.parametrize(
    "text, error",
    [
        ("group:;", EMPTY),
        ("(only a comment)", EMPTY),
        ("<>", "missing or malformed local part"),
        ("<@b>", "no local part"),
        ("a b@c", 'missing or malformed local part (expected word or "<")'),
        ("a@", "domain missing or malformed"),
        ("a@b.", "domain missing or malformed"),
        ("a@-b", "domain missing or malformed"),
        ("<a@b", "'>' missing at end of address"),
        ("<a@b c>", "malformed address: c> may not follow <a@b "),
        ("a@b c", "malformed address: c may not follow a@b "),
        ("a@b;", "malformed address: ; may not follow a@b"),
        (f"a@b {'x' * 50}", f"malformed address: {'x' * 32} may not follow a@b "),
        ('"a@b', "unmatched doublequote in local part"),
        ("a@[192.0.2.1", "malformed domain literal"),
        ("<@one:a>", "domain missing in source-routed address"),
        ("@one a@b", "no local part"),
        (">", 'missing or malformed local part (expected word or "<")'),
        ("one: two: a@b", 'missing or malformed local part (expected word or "<")'),
    ],
)
def test_errors(text, error):
    assert [item.error for item in mailboxes(text)] == [error]


def test_one_wrong_item_spoils_no_other():
    found = list(mailboxes("a@b, c d@e, f@g"))
    assert [(item.text, item.address) for item in found] == [("a@b", "a@b"), ("c d@e", ""), ("f@g", "f@g")]


def test_a_group_ends_where_it_ends():
    assert [item.address for item in mailboxes("g: a@b; c@d, e@f")] == ["a@b", "e@f"]  # behind it is no item
    assert [bool(item.error) for item in mailboxes("g: a@b;, c@d;")] == [False, True]


@pytest.mark.parametrize(
    "text, domain",
    [("a@b", "b"), ("a", ""), ('"a@b"@c', "c"), ('"a@b"', ""), ("a@[192.0.2.1]", "[192.0.2.1]")],
)
def test_domains(text, domain):
    assert mailbox(text).domain == domain


def test_one_mailbox_is_no_group():
    assert mailbox("x <a@b>").address == "a@b"
    assert mailbox("g: a@b;").error
