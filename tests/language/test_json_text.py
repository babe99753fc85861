"""JSON as expansions see it."""

from __future__ import annotations

import pytest

from policyd.errors import ExpansionError
from policyd.language.json_text import array, element, items, member, string, unwrapped


@pytest.mark.parametrize(
    ("text", "brackets", "want"),
    [
        ("[1]", "[]", ("1", "")),
        (" [ [1] ,2] x", "[]", (" [1] ,2", " x")),
        ('"a\\"b"c', '""', ('a\\"b', "c")),
        ("{}", "{}", ("", "")),
        ("{{}}", "{}", ("{}", "")),
    ],
)
def test_unwrapped(text, brackets, want):
    assert unwrapped(text, *brackets) == want


@pytest.mark.parametrize(
    ("text", "brackets"), [("", "[]"), ("x[]", "[]"), ("[", "[]"), ("[[]", "[]"), ('"\\"', '""'), ("{}", "[]")]
)
def test_what_is_not_wrapped(text, brackets):
    missing = brackets[1] if text.startswith(brackets[0]) else brackets[0]
    with pytest.raises(ExpansionError, match=f"missing '\\{missing}'"):
        unwrapped(text, *brackets)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", []),
        ("1", ["1"]),
        (" 1 , 2", ["1 ", "2"]),
        ("1,", ["1"]),
        ("1,,2", ["1"]),
        ("[1,2],3", ["[1,2]", "3"]),
        ('{"a":1,"b":2},3', ['{"a":1,"b":2}', "3"]),
        ('"a,b",c', ['"a,b"', "c"]),
        ('"a\\",b",c', ['"a\\",b"', "c"]),
        ('"a,b', ['"a,b']),
        ('"a\\', ['"a\\']),
        ("],1", ["],1"]),
        ("[},1", ["[},1"]),
    ],
)
def test_items(text, want):
    assert list(items(text)) == want


@pytest.mark.parametrize(
    ("number", "text", "want"),
    [(1, "[1 , 2]", "1"), (2, "[1 , 2 ]", "2"), (3, "[1,2]", None), (1, "[]", None), (1, '["a"]', '"a"')],
)
def test_element(number, text, want):
    assert element(number, text) == want


@pytest.mark.parametrize(
    ("name", "text", "want"),
    [
        ("a", '{"a":1}', "1"),
        ("b", '{"a":1, "b" : [1,2] }', "[1,2] "),
        ("c", '{"a":1}', None),
        ("", '{"":1}', "1"),
        ("a", '{"a":1,"a":2}', "1"),
    ],
)
def test_member(name, text, want):
    assert member(name, text) == want


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (lambda: element(1, "{}"), "missing '[' wrapping array for extract json"),
        (lambda: element(0, "[1]"), 'first argument of "extract" must be greater than zero'),
        (lambda: member("a", "[]"), "missing '{' wrapping object for extract json"),
        (lambda: member("a", "{a:1}"), "missing '\"' wrapping string key for extract json"),
        (lambda: member("a", '{"a" 1}'), "missing object value-separator for extract json"),
        (lambda: string("1"), "missing '\"' wrapping string result for extract jsons"),
        (lambda: array("1"), "missing '[' wrapping array for extract json"),
    ],
)
def test_failures(read, why):
    with pytest.raises(ExpansionError) as error:
        read()
    assert str(error.value) == why


def test_string():
    assert string(' "a\\n" x') == "a\\n"
