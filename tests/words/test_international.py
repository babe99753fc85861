"""UTF-8 and A-labels."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    (r"${utf8_domain_to_alabel:\xc3\xa9.example}", "xn--9ca.example"),
    ("${utf8_domain_to_alabel:abc.Example}", "abc.Example"),
    ("${utf8_domain_to_alabel:}", ""),
    (
        r"${utf8_domain_to_alabel:\xff}",
        "Failed: error converting '\xff': 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    ),
    ("${utf8_domain_from_alabel:xn--9ca.example}", "\xc3\xa9.example"),
    ("${utf8_domain_from_alabel:abc}", "abc"),
    (r"${utf8_localpart_to_alabel:\xc3\xa9}", "xn--9ca"),
    ("${utf8_localpart_to_alabel:abc}", "abc"),
    ("${utf8_localpart_from_alabel:xn--9ca}", "\xc3\xa9"),
    ("${utf8_localpart_from_alabel:abc}", "Failed: error converting 'abc': it does not begin with xn--"),
    (
        r"${utf8_localpart_from_alabel:xn--\xff}",
        "Failed: error converting 'xn--\xff': 'utf-8' codec can't decode byte 0xff in position 4: invalid start byte",
    ),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_international(string, want):
    assert expand(string) == want
