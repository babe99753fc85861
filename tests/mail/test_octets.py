"""Text as octets: only ASCII letters have a case, and a log line is one line."""

from __future__ import annotations

import pytest

from policyd.mail.octets import from_unicode, lower, printable, to_unicode, upper

OCTETS = "".join(map(chr, range(256)))


def test_case_is_for_ascii_letters_only():
    assert lower(OCTETS) == OCTETS.replace("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
    assert upper(OCTETS) == OCTETS.replace("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert (lower("ÀB"), upper("àb"), upper("straße")) == ("Àb", "àB", "STRAßE")
    assert (lower("AbC-1"), upper("AbC-1")) == ("abc-1", "ABC-1")


@pytest.mark.parametrize("text, octets", [("a", "a"), ("é", "\xc3\xa9"), ("€", "\xe2\x82\xac"), ("\udce9", "\xe9")])
def test_from_unicode(text, octets):
    assert from_unicode(text) == octets


@pytest.mark.parametrize("octets, text", [("a", "a"), ("\xc3\xa9", "é"), ("\xe9", "\ufffd"), ("a\xffb", "a\ufffdb")])
def test_to_unicode(octets, text):
    assert to_unicode(octets) == text


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain text", "plain text"),
        ("a\nb", "a\\nb"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\tb", "a\tb"),
        ("\0\x07\x1b\x7f", "\\000\\007\\033\\177"),
        ("\xc3\xa9", "\xc3\xa9"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown
