"""UTF-8 and A-labels."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    (r"${utf8_domain_to_alabel:\xc3\xa9.example}", "xn--9ca.example"),
    ("${utf8_domain_to_alabel:abc.Example}", "abc.Example"),
    ("${utf8_domain_to_alabel:}", ""),
    (r"${utf8_domain_to_alabel:\xff}", r"Failed: error converting utf8 (\377) to alabel: string encoding error"),
    (r"${utf8_domain_to_alabel:Stra\xc3\x9fe.DE}", "xn--strae-oqa.de"),
    ("${utf8_domain_from_alabel:xn--9ca.example}", "\xc3\xa9.example"),
    ("${utf8_domain_from_alabel:abc}", "abc"),
    (r"${utf8_localpart_to_alabel:\xc3\xa9}", "xn--9ca"),
    ("${utf8_localpart_to_alabel:abc}", "abc"),
    ("${utf8_localpart_from_alabel:xn--9ca}", "\xc3\xa9"),
    ("${utf8_localpart_from_alabel:abc}", "Failed: error converting alabel (abc) to utf8: bad alabel prefix"),
    (r"${utf8_localpart_from_alabel:xn--\xff}", r"Failed: error converting alabel (xn--\377) to utf8: Invalid input"),
    (r"${utf8_localpart_to_alabel:\xff}", r"Failed: error converting utf8 (\377) to alabel: l_u2a: bad UTF-8 input"),
    (r"${utf8_domain_from_alabel: caf\xe9.xn--9ca }", "caf\xe9.\xc3\xa9"),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_international(string, want):
    assert expand(string) == want
