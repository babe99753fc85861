"""Tag lists: what is read without dkimpy is what dkimpy reads."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policyd.checks.dkim_tags import Unverifiable, _tags_of_dkimpy, _usual_tags, decoded, tag_list, unfolded, unquoted

SYNTAX = "not a tag, or the second of its name"
PIECES = st.sampled_from([*"abZ_1=;:. \t\r\n\v\f\x1c\x85\xa0\xe9", "a=", "b=c;", "; ", "\r\n\t", "=;"])


def of_dkimpy(text: str) -> dict[str, str] | str:
    """The tags, or what is wrong."""
    try:
        return _tags_of_dkimpy(text)
    except Unverifiable as error:
        return str(error)


@settings(max_examples=2000)
@given(text=st.lists(PIECES, max_size=30).map("".join))
@example("")
@example(";")
@example("a=b;;")
@example("a=b; \x0b")
@example("\x1ca=b")
@example("a=\xa0b")
def test_whatever_is_read_is_what_dkimpy_reads(text: str) -> None:
    tags = _usual_tags(text)
    assert tags is None or tags == of_dkimpy(text)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("v=1; a = rsa-sha256 ;\r\n\tb=x\r\n y;", {"v": "1", "a": "rsa-sha256", "b": "x\r\n y"}),
        ("a=b=c;d=", {"a": "b=c", "d": ""}),
        ("A=1;a=2", {"A": "1", "a": "2"}),
        (" a=b ; ", {"a": "b"}),
        ("a=;", {"a": ""}),
        ("x_1=2", {"x_1": "2"}),
        ("", {}),
    ],
)
def test_tags(text: str, tags: dict[str, str]) -> None:
    assert tag_list(text) == tags


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (";", f"{SYNTAX}: "),
        ("a=b;;", f"{SYNTAX}: "),
        ("a=b;c", f"{SYNTAX}: c"),
        ("=b", f"{SYNTAX}: =b"),
        ("a=b; a=c", f"{SYNTAX}: a"),
        ("1=b", f"{SYNTAX}: 1=b"),
        ("_a=b", f"{SYNTAX}: _a=b"),
        ("a-b=c", "not the name of a tag: a-b"),
        ("\xe9=b", f"{SYNTAX}: ?=b"),
        ("a\xe9=b", "not the name of a tag: a?"),
    ],
)
def test_no_tags(text: str, reason: str) -> None:
    with pytest.raises(Unverifiable) as trouble:
        tag_list(text)
    assert str(trouble.value) == reason


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", b""),
        ("YQ==", b"a"),
        (" Y\r\n\tQ = = ", b"a"),
        ("YQ", None),
        ("YQ==YQ==", None),
        ("Y-==", None),
        ("Y\x0bQ==", None),
        ("YQ==\xe9", None),
    ],
)
def test_decoded(text: str, octets: bytes | None) -> None:
    assert decoded(text) == octets


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("@a.test", "@a.test"),
        (" a\r\n\t@ a.test ", "a@a.test"),
        ("a=3Db", "a=b"),
        ("=E4\xe4", "\xe4\xe4"),
        ("a=3db", None),
        ("a=", None),
        ("a=0Ab", None),
        ("a\x7f", None),
    ],
)
def test_unquoted(text: str, plain: str | None) -> None:
    assert unquoted(text) == plain


@given(text=st.text(alphabet=" \t\r\n\v\xa0ab"))
def test_unfolded(text: str) -> None:
    assert unfolded(text) == "".join(character for character in text if character not in " \t\r\n")
