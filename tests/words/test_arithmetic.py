"""Whole numbers."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    ("${eval:1+2*3}", "7"),
    ("${eval:(1+2)*3}", "9"),
    ("${eval: 1 + 2 }", "3"),
    ("${eval:10-2-3}", "5"),
    ("${eval:100/10/5}", "2"),
    ("${eval:7/2}", "3"),
    ("${eval:-7/2}", "-3"),
    ("${eval:-7%3}", "-1"),
    ("${eval:7%-3}", "1"),
    ("${eval:~0}", "-1"),
    ("${eval:--2}", "2"),
    ("${eval:-~1}", "2"),
    ("${eval:+1}", "1"),
    ("${eval:2*-3}", "-6"),
    ("${eval:1|2^3&4<<1+1}", "3"),
    ("${eval:1<<2<<3}", "32"),
    ("${eval:-8>>1}", "-4"),
    ("${eval:1<<64}", "1"),
    ("${eval:1<<63}", "-9223372036854775808"),
    ("${eval:1<<-1}", "-9223372036854775808"),
    ("${eval:0x1F}", "31"),
    ("${eval:010}", "8"),
    ("${eval:1k+1M+1g}", "1074791424"),
    ("${eval:07K}", "7168"),
    ("${eval:9223372036854775808}", "9223372036854775807"),
    ("${eval:99999999999999999999999999999999999999999999}", "9223372036854775807"),
    ("${eval:0xffffffffffffffffffffffffffffffffffffffffffff}", "9223372036854775807"),
    ("${eval:-9223372036854775808}", "-9223372036854775807"),
    ("${eval:4611686018427387904*2}", "-9223372036854775808"),
    ("${eval:(-9223372036854775807-1)/-1}", "9223372036854775807"),
    (
        "${eval:9223372036854775807+1}",
        'Failed: error in expression evaluation: overflow in sum (after processing "9223372036854775807+1")',
    ),
    (
        "${eval:-9223372036854775807-2}",
        'Failed: error in expression evaluation: overflow in difference (after processing "-9223372036854775807-2")',
    ),
    (
        "${eval:}",
        'Failed: error in expression evaluation: expecting number or opening parenthesis (after processing "")',
    ),
    (
        "${eval:1+}",
        'Failed: error in expression evaluation: expecting number or opening parenthesis (after processing "1+")',
    ),
    ("${eval:(1}", 'Failed: error in expression evaluation: expecting closing parenthesis (after processing "(1")'),
    ("${eval:1)}", 'Failed: error in expression evaluation: expecting operator (after processing "1")'),
    ("${eval:08}", 'Failed: error in expression evaluation: expecting operator (after processing "0")'),
    ("${eval:1kk}", 'Failed: error in expression evaluation: expecting operator (after processing "1k")'),
    ("${eval:1.5}", 'Failed: error in expression evaluation: expecting operator (after processing "1")'),
    (
        "${eval:a}",
        'Failed: error in expression evaluation: expecting number or opening parenthesis (after processing "")',
    ),
    ("${eval:1 2}", 'Failed: error in expression evaluation: expecting operator (after processing "1 ")'),
    ("${eval:5/0}", 'Failed: error in expression evaluation: divide by zero (after processing "5/0")'),
    ("${eval:5%0}", 'Failed: error in expression evaluation: modulo by zero (after processing "5%0")'),
    ("${eval10:010}", "10"),
    ("${eval10:0x1}", 'Failed: error in expression evaluation: expecting operator (after processing "0")'),
    ("${eval10:1k}", "1024"),
    ("${randint:1}", "0"),
    ("${randint:0}", "0"),
    ("${randint: }", 'Failed: integer expected but "" found'),
    ("${randint:x}", 'Failed: integer expected but "x" found'),
    ("${randint:-5}", 'Failed: non-negative integer expected but "-5" found'),
    ("${if ={1}{1}{y}{n}}", "y"),
    ("${if =={ 1k }{1024}{y}{n}}", "y"),
    ("${if ={}{0}{y}{n}}", "y"),
    (r"${if ={ \n}{0}{y}{n}}", "y"),
    ("${if ={+1}{01}{y}{n}}", "y"),
    ("${if ={-0}{0}{y}{n}}", "y"),
    ("${if <{-1}{0}{y}{n}}", "y"),
    ("${if <={2}{1}{y}{n}}", "n"),
    ("${if >{1M}{1k}{y}{n}}", "y"),
    ("${if >={1}{1}{y}{n}}", "y"),
    ("${if ={x}{1}{y}{n}}", 'Failed: integer expected but "x" found'),
    ("${if ={1x}{1}{y}{n}}", 'Failed: invalid integer "1x"'),
    ("${if ={1.5}{1}{y}{n}}", 'Failed: invalid integer "1.5"'),
    ("${if ={0x1}{1}{y}{n}}", 'Failed: invalid integer "0x1"'),
    ("${if ={1 k}{1}{y}{n}}", 'Failed: invalid integer "1 k"'),
    ("${if ={9223372036854775807}{9223372036854775807}{y}{n}}", "y"),
    (
        "${if ={9223372036854775808}{0}{y}{n}}",
        'Failed: absolute value of integer "9223372036854775808" is too large (overflow)',
    ),
    (
        "${if ={9007199254740992k}{0}{y}{n}}",
        'Failed: absolute value of integer "9007199254740992k" is too large (overflow)',
    ),
    ("${if ={000000000000000000000000000000000000000000000001}{1}{y}{n}}", "y"),
    (
        "${if ={-99999999999999999999999999999999999999999999999}{0}{y}{n}}",
        'Failed: absolute value of integer "-99999999999999999999999999999999999999999999999" is too large (overflow)',
    ),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_arithmetic(string, want):
    assert expand(string) == want


def test_nesting_has_an_end():
    assert expand("${eval:" + "(" * 40 + "1" + ")" * 40 + "}") == "1"
    for deep in ("(" * 41 + "1" + ")" * 41, "-" * 41 + "1", "1|(" * 41 + "1" + ")" * 41):
        assert "nested too deeply" in expand(f"${{eval:{deep}}}")
