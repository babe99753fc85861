"""Operators that make text safe."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    ("${quote:abc}", "abc"),
    ("${quote:a.b_c-d9}", "a.b_c-d9"),
    ("${quote:}", '""'),
    ("${quote:a b}", '"a b"'),
    (r'${quote:a"b\\c}', r'"a\"b\\c"'),
    (r"${quote:a\nb\rc\td\xe9}", '"a\\nb\\rc\td\xe9"'),
    ("${quote_local_part:abc}", "abc"),
    ("${quote_local_part:a.b}", "a.b"),
    ("${quote_local_part:a..b}", "a..b"),
    (r"${quote_local_part:!#\$%&'*+-/=?^_`{|\}~}", "!#$%&'*+-/=?^_`{|}~"),
    ("${quote_local_part:.a}", '".a"'),
    ("${quote_local_part:a.}", '"a."'),
    ("${quote_local_part:.}", '"."'),
    ("${quote_local_part:}", '""'),
    ("${quote_local_part:a b}", '"a b"'),
    ("${quote_local_part:a@b}", '"a@b"'),
    (r'${quote_local_part:\xe9"}', '"\xe9\\""'),
    (r"${quote_local_part:a\nb\rc}", r'"a\nb\rc"'),
    ("${rxquote:aZ9}", "aZ9"),
    ("${rxquote:a.b*c _-}", r"a\.b\*c\ \_\-"),
    (r"${rxquote:\xe9\n}", "\\\xe9\\\n"),
    (r"${escape:a\nb\rc\td\b\f\v\x1f\x7f\xff\\}", "a\\nb\\rc\td\\b\\f\\v\\037\\177\\377\\"),
    (r"${escape8bit:a\nb\x7e\x7f\xff\\}", "a\nb~\\177\\377\\134"),
    (r"${hexquote:a~! \t\x7f\xe9}", r"a~!\x20\x09\x7f\xe9"),
    ("${xtextd:a+20b+2B}", "a b+"),
    ("${xtextd:}", ""),
    ("${xtextd:+4a}", "J"),
    ("${xtextd:a b}", 'Failed: "a b" is not valid xtext'),
    ("${xtextd:a+2}", 'Failed: "a+2" is not valid xtext'),
    ("${xtextd:a+2g}", 'Failed: "a+2g" is not valid xtext'),
    ("${xtextd:a=b}", 'Failed: "a=b" is not valid xtext'),
    (r"${xtextd:\xe9}", 'Failed: "\xe9" is not valid xtext'),
    ("${headerwrap:aaa bbb}", "aaa bbb"),
    ("${headerwrap_20:aaaa bbbb cccc dddd eeee ffff}", "aaaa bbbb cccc dddd\n\teeee ffff"),
    (
        "${headerwrap_20_40:aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii}",
        "aaaa bbbb cccc dddd\n\teeee ffff\n\tgggg hh...",
    ),
    ("${headerwrap_5:aaaaaaaaaaaa}", "aaaaa\n\ta\n\ta\n\ta\n\ta\n\ta\n\ta\n\ta"),
    ("${headerwrap__5:aaaaaaaaaaaa}", "aa..."),
    ("${headerwrap_x_2:aaa}", "..."),
    ("${headerwrap_10:}", ""),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_quoting(string, want):
    assert expand(string) == want
