"""``wildlsearch`` and ``nwildlsearch``: keys that are patterns."""

from __future__ import annotations

import time

import pytest

from tests.lookups.conftest import little_work

WILD = r"""
^ab+c\$: regex
*.tail.x: tail
Literal: lit
"^\\\\d+:x\\$": digits
^(\\w+)\\.cap\$: cap
$primary_hostname: host
early: text
*ly: ending
"${lc:UPPER}": up
!*tive: negated
"""

PLAIN = r"""
^(ab)+c$: regex
lsearch;{other}: looked up
@: at
" with space ": blanks
+named: plus
*zz: Z
/{other}: a file of items
Lit: 1
lit: 2
"": nothing
"""


@pytest.fixture
def wild(tmp_path):
    path = tmp_path / "wild"
    path.write_text(WILD)
    return path


@pytest.fixture
def plain(tmp_path):
    (tmp_path / "other").write_text("item: data\n")
    path = tmp_path / "plain"
    path.write_text(PLAIN.replace("/{other}", "{other}").replace("{other}", str(tmp_path / "other")))
    return path


@pytest.mark.parametrize(
    "key, want",
    [
        ("abbbc", "regex"),
        ("ABC", "regex"),
        ("a.tail.x", "tail"),
        (".tail.x", "tail"),
        ("literal", "lit"),
        ("12:x", "digits"),
        ("foo.cap", "cap"),
        ("MX.example.org", "host"),
        ("early", "text"),
        ("only", "ending"),
        ("UPPER", "up"),
        ("other", "negated"),
        ("negative", "none"),
        ("tail.x", "negated"),
    ],
)
def test_wildlsearch(look, wild, key, want):
    assert look(f"${{lookup{{{key}}}wildlsearch{{{wild}}}{{$value}}{{none}}}}") == want


@pytest.mark.parametrize(
    "key, want",
    [
        ("ababc", "regex"),
        ("item", "looked up"),
        ("@", "at"),
        ("with space", "blanks"),
        ("+named", "plus"),
        ("AZZ", "Z"),
        ("item: data", "a file of items"),
        ("LIT", "1"),
        ("nothing", "none"),
    ],
)
def test_nwildlsearch(look, plain, key, want):
    assert look(f"${{lookup{{{key}}}nwildlsearch{{{plain}}}{{$value}}{{none}}}}") == want


def test_ret_full_has_the_key_as_it_is_written(look, wild):
    assert look(f"${{lookup{{foo.cap}}wildlsearch,ret=full{{{wild}}}}}") == r"^(\\w+)\\.cap\$: cap"


@pytest.mark.parametrize("key, want", [("foo.cap", "cap  q"), ("negative", "none q q")])
def test_captures_are_forgotten_when_a_key_matches(look, wild, key, want):
    text = f"${{if match{{q}}{{(q)}}{{${{lookup{{{key}}}wildlsearch{{{wild}}}{{$value $1}}{{none $1}}}} $1}}}}"
    assert look(text) == want


@pytest.mark.parametrize(
    "type_, content, want",
    [
        ("wildlsearch", "${nosuch}: x", 'failed to expand key "${nosuch}": unknown variable'),
        ("wildlsearch", "${if eq{a}{b}{x}fail}: x", 'failed to expand key "${if eq{a}{b}{x}fail}": "if" failed'),
        ("nwildlsearch", "^bad(: x", 'regular expression error in "^bad(": missing closing parenthesis'),
        ("nwildlsearch", "nosuch;x: x", 'unknown lookup type "nosuch"'),
    ],
)
def test_a_key_that_is_no_pattern_defers(look, tmp_path, type_, content, want):
    """Only when it is reached: what stands before it is found."""
    (tmp_path / "file").write_text(f'first: 1\n"{content[:-3]}": x\n')
    file = f"{{{tmp_path}/file}}"
    assert look(f"${{lookup{{first}}{type_}{file}}}") == "1"
    assert want in look.failure(f"${{lookup{{other}}{type_}{file}}}")


def test_many_texts_and_endings(look, tmp_path):
    lines = [f"host{number}.example: {number}\n*.net{number}.example: net{number}\n" for number in range(20_000)]
    (tmp_path / "large").write_text("".join(lines))
    time.sleep(0.2)  # until it counts as settled
    text = f"${{lookup{{a.net19999.example}}nwildlsearch{{{tmp_path}/large}}}}"
    assert look(text) == "net19999"
    with little_work(0.5):
        for _ in range(100):
            look(text)
