"""``${extract``."""

from __future__ import annotations

import time

import pytest
from parts.expanding import Expander

from policyd.language.complaints import YES_OR_NO
from policyd.language.fields import Field, named, numbered, whole_number

expand = Expander()


@pytest.mark.parametrize(
    ("number", "separators", "text", "want"),
    [
        (1, ":", "a:b", "a"),
        (2, ":", "a:b", "b"),
        (3, ":", "a:b", None),
        (0, ":", "a:b", "a:b"),
        (-1, ":", "a:b", "b"),
        (-2, ":", "a:b", "a"),
        (-3, ":", "a:b", None),
        (2, ":,", "a,b:c", "b"),
        (2, "]^-", "a-b^c]d", "b"),
        (2, ":", "a::b", ""),
        (1, "", "a:b", "a:b"),
        (2, "", "a:b", None),
        (1, ":", "", ""),
    ],
)
def test_numbered(number, separators, text, want):
    assert numbered(number, separators, text) == want


@pytest.mark.parametrize(
    ("key", "text", "want"),
    [
        ("a", "a=1 b=2", "1"),
        ("B", "a=1 b=2", "2"),
        ("a", "a = 1", "1"),
        ("a", "a 1", "1"),
        ("a", 'a="x y" b=1', "x y"),
        ("a", r'a="x\"\x41"', 'x"A'),
        ("a", 'a="open', "open"),
        ("a", 'a="b\\', "b\\"),
        ("a", "a=1 a=2", "1"),
        ("a", "a=", ""),
        ("a", "a", ""),
        ("c", "a=1 b=2", None),
        ("a", "", None),
        ("a", "   ", None),
        ("\xe9", "\xc9=1 \xe9=2", "2"),  # only ASCII letters have a case
        ("", "=1", "1"),
    ],
)
def test_named(key, text, want):
    assert named(key, text) == want


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("", 0), ("-", 0), ("007", 7), ("-3", -3), ("999999999", 999999999), ("9" * 5000, 10**9)],
)
def test_whole_number(text, number):
    assert whole_number(text) == number


def test_a_field_is_read_once_and_says_how_many_texts_it_needs():
    assert [Field.read(key, form).arguments for key, form in (("a", ""), (" 2 ", ""), ("2", "json"))] == [1, 2, 1]


CASES = [
    ("${extract{b}{a=1 b=2}}", "2"),
    ("${extract{ b }{a=1 b=2}}", "2"),
    ("${extract{b}{a=1 b=2}{[$value]}{no}}[$value]", "[2][]"),
    ("${extract{c}{a=1 b=2}{[$value]}{no $value}}", "no "),
    ("${extract{c}{a=1 b=2}{y}}", ""),
    ("${extract{c}{a=1 b=2}{y} fail}", 'Failed: "extract" failed and "fail" requested'),
    ("${extract{a}{a=1 b=2}{y} fail}", "y"),
    ("${extract{2}{:}{a:b}}", "b"),
    ("${extract{-}{:}{a:b}}", "a:b"),
    ("${extract{3}{:}{a:b}{y}{n}}", "n"),
    ("${extract{2}{:}{a:b}{[$value]} fail}", "[b]"),
    ("${extract {2} {:} {a:b} {$value} }", "b"),
    ("${extract{1}{:}{a:b} fail}", f"Failed: {YES_OR_NO}'yes' part did not start with '{{'"),
    ("${extract{3}{:}{a:b}{y}{n} fail}", f"Failed: {YES_OR_NO}'yes' part did not start with '{{'"),
    ("${extract{a}{b}{c}{d}{e}}", f"Failed: {YES_OR_NO}did not close with '}}'"),
    ("${extract{2}{:}}", "Failed: missing '{' for arg 3 of extract"),
    ("${extract{}{a=1}}", 'Failed: first argument of "extract" must not be empty'),
    ("${extract{${lc:A}}{a=${uc:x}}}", "X"),
    (r"${extract json{a}{\{\"a\":\"b\" , \"c\":[1,2]\}}}", '"b" '),
    (r"${extract json{c}{\{\"a\":\"b\" , \"c\":[1,2]\}}}", "[1,2]"),
    (r"${extract jsons{a}{\{\"a\":\"b\"\}}}", "b"),
    (r"${extract jsons{z}{\{\"a\":\"b\"\}}{y}{n}}", "n"),
    ("${extract json {2}{[1,2]}}", "2"),
    ('${extract jsons{1}{["x"]}{[$value]}}', "[x]"),
    ("${extract jsons{1}{[1]}}", "Failed: missing '\"' wrapping string result for extract jsons"),
    ("${extract json{0}{[1]}}", 'Failed: first argument of "extract" must be greater than zero'),
    ("${extract jsonx{1}{[1]}}", "Failed: missing '{' for arg 1 of extract"),
    ("${extract{a}}", "Failed: missing '{' for arg 2 of extract"),
    ("${extract{a}{b} foo}", f"Failed: {YES_OR_NO}'yes' part did not start with '{{'\n remaining string is 'foo}}'"),
    ("${extract{a}{b}x", f"Failed: {YES_OR_NO}'yes' part did not start with '{{'\n remaining string is 'x'"),
    ("${extract{a}{b}{c} foo}", 'Failed: syntax error in "extract" item - "fail" expected'),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_extract(string, want):
    assert expand(string) == want


def test_a_long_text_takes_little_time():
    text = 'a="' * 50_000
    started = time.process_time()
    assert named("z", text) is None
    assert time.process_time() - started < 2
