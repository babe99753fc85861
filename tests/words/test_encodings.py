"""Other alphabets for octets and numbers, and encoded words."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    ("${base32:255}", "h7"),
    ("${base32:0}", ""),
    ("${base32:}", ""),
    ("${base32:-1}", "p777777777777"),
    ("${base32: +5}", "f"),
    ("${base32:99999999999999999999999}", "p777777777777"),
    ("${base32:x}", 'Failed: argument for base32 operator is "x", which is not a decimal number'),
    ("${base32:5 }", 'Failed: argument for base32 operator is "5 ", which is not a decimal number'),
    ("${base32d:h7}", "255"),
    ("${base32d:}", "0"),
    ("${base32d:7777777777777}", "-1"),
    ("${base32d:H7}", 'Failed: argument for base32d operator is "H7", which is not a base 32 number'),
    ("${base32d:1}", 'Failed: argument for base32d operator is "1", which is not a base 32 number'),
    ("${base62:12345}", "0003D7"),
    ("${base62:0}", "000000"),
    ("${base62:}", "000000"),
    ("${base62:-1}", "16AHYF"),
    ("${base62:56800235583}", "zzzzzz"),
    ("${base62:99999999999999}", "YTZ0AR"),
    ("${base62:1.5}", 'Failed: argument for base62 operator is "1.5", which is not a decimal number'),
    ("${base62d:00003D7}", "12345"),
    ("${base62d:zzzzzz}", "56800235583"),
    ("${base62d:}", "0"),
    ("${base62d:LygHa16AHYF}", "-1"),
    ("${base62d:!}", 'Failed: argument for base62d operator is "!", which is not a base 62 number'),
    ("${base64:abc}", "YWJj"),
    (r"${str2b64:a\xff}", "Yf8="),
    ("${base64:}", ""),
    ("${base64d:YWJj}", "abc"),
    (r"${base64d:YW Jj\n}", "abc"),
    ("${base64d:YWJjZA==}", "abcd"),
    ("${base64d:YQ= =}", "a"),
    ("${base64d:YR==}", "a"),
    ("${base64d:}", ""),
    ("${base64d:YQ}", 'Failed: string "YQ" is not well-formed for "base64d" operator'),
    ("${base64d:YQ==YQ==}", 'Failed: string "YQ==YQ==" is not well-formed for "base64d" operator'),
    ("${base64d:=}", 'Failed: string "=" is not well-formed for "base64d" operator'),
    ("${base64d:!!}", 'Failed: string "!!" is not well-formed for "base64d" operator'),
    ("${hex2b64:616263}", "YWJj"),
    ("${hex2b64:6A}", "ag=="),
    ("${hex2b64:}", ""),
    ("${hex2b64:6}", 'Failed: "6" contains an odd number of characters'),
    ("${hex2b64:6g}", 'Failed: "6g" is not a hex string'),
    ("${hex2b64: 6}", 'Failed: " 6" is not a hex string'),
    ("${rfc2047:abc}", "abc"),
    ("${rfc2047:a b}", "a b"),
    ("${rfc2047:}", ""),
    ("${rfc2047:a.b}", "=?UTF-8?Q?a=2Eb?="),
    (r"${rfc2047:a b\xe9 c?=_}", "=?UTF-8?Q?a_b=E9_c=3F=3D=5F?="),
    (r"${rfc2047:\x01}", "=?UTF-8?Q?=01?="),
    (
        r"${rfc2047:\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9}",
        "=?UTF-8?Q?=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9=E9?= =?UTF-8?Q?=E9=E9?=",
    ),
    (
        r"${rfc2047:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xe9}",
        "=?UTF-8?Q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?= =?UTF-8?Q?aaaaaa=E9?=",
    ),
    ("${rfc2047d:=?utf-8?q?a=c3=a9?=}", "a\xc3\xa9"),
    ("${rfc2047d:=?iso-8859-1?b?6Q==?=}", "\xc3\xa9"),
    ("${rfc2047d:=?nosuch?q?a?=}", 'Failed: unknown character set "nosuch"'),
    (r"${utf8clean:a\xc3\xa9}", "a\xc3\xa9"),
    (r"${utf8clean:a\xe9}", "a?"),
    (r"${utf8clean:\xe2\x82b}", "?b"),
    (r"${utf8clean:\xf0\x9f\x98\x80\xf0\x9f\x98}", "\xf0\x9f\x98\x80?"),
    (r"${utf8clean:\xc3\xc3\xa9}", "??"),
    (r"${utf8clean:\xed\xa0\x80}", "?"),
    (r"${utf8clean:\xf8\x88\x80\x80\x80}", "?????"),
    (r"${from_utf8:a\xc3\xa9}", "a\xe9"),
    (r"${from_utf8:\xe2\x82\xac}", "_"),
    (r"${from_utf8:\xff}", "_"),
    ("${rfc2047d:=?utf-8*en?q?a?=}", "a"),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_encodings(string, want):
    assert expand(string) == want
