"""Envelope addresses, taken apart."""

from __future__ import annotations

import pytest

from policyd.mail.address import Address


@pytest.mark.parametrize(
    "path, text",
    [
        ("<a@b>", "a@b"),
        ("a@b", "a@b"),
        (" <a@b> ", "a@b"),
        ("<>", ""),
        ("", ""),
        ("<a@b", "a@b"),
        ("<@relay:a@b>", "a@b"),
        ("<@one,@two:a@b>", "a@b"),
        ("@one:a@b", "a@b"),
        ("<@b>", "@b"),
        ("<A@B.Org>", "A@B.Org"),
        ('<"a b"@c>', '"a b"@c'),
        ("<\xe9@b>", "\xe9@b"),
        ("<postmaster>", "postmaster@q"),
        ("<a>", "a@q"),
        ("<@one:a>", "a@q"),
    ],
)
def test_parse(path, text):
    assert Address.parse(path, "q").text == text


def test_without_a_domain_to_qualify_with():
    assert Address.parse("<a>").text == "a"


@pytest.mark.parametrize(
    "text, local, unquoted, domain",
    [
        ("a@b", "a", "a", "b"),
        ("a", "a", "a", ""),
        ("", "", "", ""),
        ("@b", "", "", "b"),
        ("a@b@c", "a@b", "a@b", "c"),
        ('"a b"@c', '"a b"', "a b", "c"),
        ('"a@b"@c', '"a@b"', "a@b", "c"),
        (r'"a\"b\\"@c', r'"a\"b\\"', 'a"b\\', "c"),
        ('a."b c".d@e', 'a."b c".d', "a.b c.d", "e"),
        ('"open@c', '"open', "open", "c"),
        ("A@B", "A", "A", "B"),
    ],
)
def test_parts(text, local, unquoted, domain):
    address = Address(text)
    assert (address.local_part, address.unquoted_local_part, address.domain) == (local, unquoted, domain)
