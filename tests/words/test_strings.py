"""Operators and items that turn text into other text."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    (r"${lc:ABC\xc9}", "abc\xc9"),
    (r"${uc:abc\xe9}", "ABC\xe9"),
    (r"${strlen:abc\xc3\xa9}", "5"),
    ("${substr_1_2:abcd}", "bc"),
    ("${substr_1:abcd}", "bcd"),
    ("${substr_-2_1:abcd}", "c"),
    ("${substr_-1:abcd}", "abc"),
    ("${substr_-0_1:abcd}", "a"),
    ("${substr_-30_2:abcd}", ""),
    ("${substr_9:abcd}", ""),
    ("${s_2_0:abcd}", ""),
    ("${substr_:abcd}", "abcd"),
    ("${substr_x:abc}", 'Failed: non-digit after underscore in "substr_x"'),
    ("${substr_1_:abcd}", 'Failed: non-digit after underscore in "substr_1_"'),
    ("${substr__1:abcd}", 'Failed: non-digit after underscore in "substr__1"'),
    ("${substr_1_2_3:abcd}", 'Failed: non-digit after underscore in "substr_1_2_3"'),
    ("${length_2:abcd}", "ab"),
    ("${l_9:abcd}", "abcd"),
    ("${length_:abcd}", ""),
    ("${length_-1:abc}", 'Failed: non-digit after underscore in "length_-1"'),
    ("${substr{1}{2}{abcd}}", "bc"),
    ("${substr{1}{abcd}}", "bcd"),
    ("${substr{-1}{abcd}}", "abc"),
    ("${substr{-3}{2}{abcd}}", "bc"),
    ("${substr{-30}{2}{abcd}}", ""),
    ("${substr{}{abcd}}", "abcd"),
    ("${substr{ 1}{abcd}}", "bcd"),
    ("${substr{+1}{abcd}}", "bcd"),
    ("${substr{1 }{abcd}}", 'Failed: "1 " is not a number (in "substr" expansion)'),
    ("${substr{x}{abcd}}", 'Failed: "x" is not a number (in "substr" expansion)'),
    ("${substr{1}{-1}{abcd}}", 'Failed: "-1" is not a positive number (in "substr" expansion)'),
    ("${substr{99999999999999999999}{abcd}}", ""),
    ("${length{2}{abcd}}", "ab"),
    ("${length{-2}{abcd}}", 'Failed: "-2" is not a positive number (in "length" expansion)'),
    ("${tr{abc}{ac}{x}}", "xbx"),
    ("${tr{abc}{ac}{}}", "abc"),
    ("${tr{abc}{a-c}{A-C}}", "AbC"),
    ("${tr{aab}{aa}{xy}}", "yyb"),
    (r"${tr{a:b}{:}{\n}}", "a\nb"),
    ("${sg{abc}{b}{x}}", "axc"),
    (r"${sg{abc}{(b)}{[\$1]}}", "a[b]c"),
    (r"${sg{abc}{(x)?b}{[\$1]}}", "a[]c"),
    ("${sg{abc}{}{-}}", "-a-b-c-"),
    ("${sg{abc}{b*}{-}}", "-a--c-"),
    (r"${sg{abbc}{b}{\$}}", "Failed: $ not followed by letter, digit, or {"),
    (r"${sg{abbc}{x}{\$}}", "abbc"),
    (r"${sg{abc}{b}{\$\{uc:\$0\}}}", "aBc"),
    (r"${sg{a:b}{:}{\\n}}", "a\nb"),
    ("${sg{abc}{(}{x}}", 'Failed: regular expression error in "(": missing closing parenthesis at offset 1'),
    ("${sg{abc}{(.)}{x}}$1", "xxx"),
    (r"${sg{x.y}{\N\.\N}{}}", "xy"),
    (r"${expand:\$\{lc:A\}}", "a"),
    (r"${expand:\$}", 'Failed: internal expansion of "$" failed: $ not followed by letter, digit, or {'),
    (r"${expand:a\\x42}", "aB"),
    (r"${expand:${lc:\$\{uc:\$\{lc:A\}\}}}", "A"),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_strings(string, want):
    assert expand(string) == want
