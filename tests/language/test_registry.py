"""The vocabulary."""

from __future__ import annotations

import pytest

from policyd import words
from policyd.language.registry import Kind, Vocabulary, Word, did_you_mean


def word(name, kind=Kind.OPERATOR, **details):
    return Word(kind, name, str, **details)


def test_words_are_found_by_kind_and_name():
    vocabulary = Vocabulary()
    first, other = word("a"), word("a", Kind.ITEM)
    vocabulary.add(first)
    vocabulary.add(other)

    assert vocabulary.find(Kind.OPERATOR, "a") is first
    assert vocabulary.find(Kind.ITEM, "a") is other
    assert vocabulary.find(Kind.TEST, "a") is None
    assert set(vocabulary) == {first, other}


def test_a_name_is_given_once():
    vocabulary = Vocabulary()
    vocabulary.add(word("a"))
    with pytest.raises(ValueError, match="expansion operator 'a' is registered twice"):
        vocabulary.add(word("a"))
    later = word("a")
    vocabulary.replace(later)
    assert vocabulary.find(Kind.OPERATOR, "a") is later


def test_what_is_refused_has_a_reason():
    vocabulary = Vocabulary()
    vocabulary.refuse(Kind.ITEM, "because", "a", "b")
    assert vocabulary.refusal(Kind.ITEM, "b") == "because"
    assert vocabulary.refusal(Kind.OPERATOR, "b") == ""


@pytest.mark.parametrize(
    ("name", "hint"),
    [("lenght", 'did you mean "length"?'), ("length", 'did you mean "length"?'), ("xyz", ""), ("", "")],
)
def test_the_nearest_word(name, hint):
    assert did_you_mean(name, ["strlen", "length", "uc"]) == hint


@pytest.mark.parametrize(
    ("shape", "want"), [((), ["text", "text"]), (("lazy",), ["lazy", "text"]), (("raw", "test"), ["raw", "test"])]
)
def test_shapes(shape, want):
    assert [word("a", shape=shape).shape_of(number) for number in (0, 1)] == want


@pytest.mark.parametrize("word", list(words.load()), ids=lambda word: f"{word.kind.name.lower()} {word.name}")
def test_every_word_is_documented(word):
    """The docstring is the manual's text, and fits a terminal."""
    text = word.documentation
    assert text
    assert all(len(line) <= 120 for line in text.split("\n"))
