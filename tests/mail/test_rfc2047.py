"""Encoded words in header fields."""

from __future__ import annotations

import pytest

from policyd.mail.rfc2047 import decoded, unknown_charset


@pytest.mark.parametrize(
    "text, utf8, own",
    [
        ("plain", "plain", "plain"),
        ("=?UTF-8?Q?caf=C3=A9?=", "café", "café"),
        ("=?utf-8?q?a_b?=", "a b", "a b"),
        ("=?utf-8?q?\xc3\xa9?=", "\xe9", "\xe9"),
        ("=??q?a?=", "a", "a"),
        ("=?utf-8?b?6Q\xbaQ=?=", b"=?utf-8?b?6Q\xbaQ=?=", b"=?utf-8?b?6Q\xbaQ=?="),  # not Base64
        ("=?UTF-8?B?Y2Fmw6k=?=", "café", "café"),
        ("=?ISO-8859-1?Q?caf=E9?=", "café", b"caf\xe9"),
        ("=?ISO-8859-1*fr?Q?caf=E9?=", "café", b"caf\xe9"),  # RFC 2231 section 5
        ("a =?UTF-8?Q?b?= c", "a b c", "a b c"),
        ("=?UTF-8?Q?a?= =?UTF-8?Q?b?=", "ab", "ab"),  # blanks between two words are not part of the text
        ("=?UTF-8?Q?a?=\n\t=?UTF-8?B?Yg==?= c", "ab c", "ab c"),
        ("=?UTF-8?Q?a?=x=?UTF-8?Q?b?=", "axb", "axb"),
        ("=?UTF-8?Q?a=00b?=", "a?b", "a?b"),
        ("=?UTF-8?Q?a=0D=0AX:_b=0Ac?=\n d", "a  X: b c\n d", "a  X: b c\n d"),  # one line says no more than it seems to
        ("=?UTF-7?Q?a+AAo-b?=", "a b", "a+AAo-b"),
        # what is none stays as it is
        ("=?UTF-8?B?Y2Fmw6k?=", "=?UTF-8?B?Y2Fmw6k?=", "=?UTF-8?B?Y2Fmw6k?="),
        ("=?UTF-8?Q?=ZZ?=", "=?UTF-8?Q?=ZZ?=", "=?UTF-8?Q?=ZZ?="),
        ("=?UTF-8?X?a?=", "=?UTF-8?X?a?=", "=?UTF-8?X?a?="),
        ("=?UTF-8?Q?a", "=?UTF-8?Q?a", "=?UTF-8?Q?a"),
        (f"=?UTF-8?Q?{'a' * 80}?=", f"=?UTF-8?Q?{'a' * 80}?=", f"=?UTF-8?Q?{'a' * 80}?="),
        # a word whose octets cannot be converted shows them
        ("=?no-such-set?Q?a=E9?=", b"a\xe9", b"a\xe9"),
        ("=?UTF-8?Q?a=E9?=", b"a\xe9", b"a\xe9"),
    ],
)
def test_decoded(text, utf8, own):
    assert decoded(text) == octets(utf8)
    assert decoded(text, convert=False) == octets(own)


def octets(text):
    return (text if isinstance(text, bytes) else text.encode()).decode("latin-1")


@pytest.mark.parametrize(
    "text, name",
    [
        ("plain", ""),
        ("=?UTF-8?Q?a?=", ""),
        ("=?no-such-set?Q?a?=", "no-such-set"),
        ("=?UTF-8?Q?a?= =?one?Q?b?= =?two?Q?c?=", "one"),
    ],
)
def test_unknown_charset(text, name):
    assert unknown_charset(text) == name
