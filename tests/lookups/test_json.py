"""``json``: a value out of a file."""

from __future__ import annotations

import pytest

FILE = """{"a": {"b": [1, 2.5, "x\\u00e9", null, true, {"c": "d"}], "\xc3\xa9": "utf-8"}, "0": "zero", "x:y": "colon",
"half": "\\ud800", "big": 123456789012345678901234567890, "empty": "", "list": [[1, 2], {}]}"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text(FILE, encoding="latin-1")
    return path


@pytest.mark.parametrize(
    "key, want",
    [
        ("a:b:0", "[1]"),
        ("a:b:1", "[2.500000]"),
        ("a:b:2", "[x\xc3\xa9]"),
        ("a:b:3", "none"),
        ("a:b:4", "[true]"),
        ("a:b:5:c", "[d]"),
        ("a:b:6", "none"),
        ("a:b:99999999999999999999", "none"),
        ("a:b:-1", "none"),
        ("a:b", '[[1, 2.5, "x\xc3\xa9", null, true, {"c": "d"}]]'),
        ("a:\xc3\xa9", "[utf-8]"),
        ("a:\xe9", "none"),
        ("0", "none"),
        ("x::y", "[colon]"),
        ("<;x:y", "[colon]"),
        ("half", "[?]"),
        ("big", "[123456789012345678901234567890]"),
        ("empty", "[]"),
        ("list:0:1", "[2]"),
        ("list:1", "[{}]"),
        ("list:x", "none"),
        ("a:b:0:c", "none"),
    ],
)
def test_key(look, file, key, want):
    assert look(f"${{lookup{{{key}}}json{{{file}}}{{[$value]}}{{none}}}}") == want


@pytest.mark.parametrize("text", ["", "{", "[NaN]", '"\xff"', "[" * 100_000, '{"a": 1}x'], ids=range(6))
def test_what_is_no_json_defers(look, tmp_path, text):
    (tmp_path / "file").write_text(text, encoding="latin-1")
    failure = look.failure(f"${{lookup{{a}}json{{{tmp_path}/file}}}}")
    assert failure.startswith(f'Defer: lookup of "a" gave DEFER: json error in {tmp_path}/file: ')


def test_a_key_of_64_kb(look, file):
    tx = look.message()
    tx.acl_variables["acl_m_key"] = "9" * 65536
    assert look(f"${{lookup{{$acl_m_key}}json{{{file}}}{{found}}{{none}}}}", tx) == "none"
