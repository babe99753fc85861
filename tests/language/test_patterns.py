"""Regular expressions: PCRE's meaning, and bounded time."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.errors import ExpansionError
from policyd.language import patterns, pcre2
from policyd.language.patterns import Pattern, compiled

BRIEFLY = 0.25  # seconds of this thread's own time


@pytest.mark.parametrize(
    ("pattern", "subject", "want"),
    [
        ("b", "abc", ("b",)),
        ("B", "abc", None),
        ("(?i)B", "abc", ("b",)),
        ("(a)(x)?(b)", "abc", ("ab", "a", "", "b")),
        ("(a)|(b)", "b", ("b", "", "b")),
        ("", "abc", ("",)),
        ("$", "a\n", ("",)),
        ("a$", "a\n", ("a",)),
        (r"a\z", "a\n", None),
        (r"\x{41}\x42", "AB", ("AB",)),
        (r"\Qa.b\E", "a.b", ("a.b",)),
        ("(?|(a)|(b))", "b", ("b", "b")),
        (r"\h+", " \t", (" \t",)),
        ("[[:alpha:]]+", "1ab2", ("ab",)),
        (r"^\w$", "\xe9", None),  # octets beyond ASCII are no letters
        ("^.$", "\xe9", ("\xe9",)),
        ("a++b|a", "aac", ("a",)),
        ("(?<name>a)\\g{name}", "aa", ("aa", "a")),
        ("(a(?1)?b)", "aabb", ("aabb", "aabb")),
        ("a\0b", "xa\0b", ("a\0b",)),
        ("(*UTF)^.$", "\xc3\xa9", ("\xc3\xa9",)),
        ("(.)" * 120, "x" * 120, ("x" * 120, *"x" * 99)),
    ],
)
def test_search(pattern, subject, want):
    assert Pattern(pattern).search(subject) == want


def test_search_without_case():
    assert Pattern("aB\xe9", caseless=True).search("xAb\xe9") == ("Ab\xe9",)
    assert Pattern("\xe9", caseless=True).search("\xc9") is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "missing closing parenthesis at offset 1"),
        ("a**", "quantifier does not follow a repeatable item at offset 2"),
        ("[b-a]", "range out of order in character class at offset 3"),
        ("\\", "\\ at end of pattern at offset 1"),
    ],
)
def test_what_is_no_pattern(pattern, why):
    with pytest.raises(ValueError) as error:
        Pattern(pattern)
    assert str(error.value) == f'regular expression error in "{pattern}": {why}'
    with pytest.raises(ExpansionError, match="regular expression error in"):
        compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "subject", "want"),
    [
        ("b", "abcb", "a[b]c[b]"),
        ("x", "abc", "abc"),
        ("", "abc", "[]a[]b[]c[]"),
        ("b*", "abc", "[]a[b][]c[]"),
        ("x*", "", "[]"),
        ("^", "a\nb", "[]a\nb"),
        ("(?m)^", "a\nb", "[]a\n[]b"),
        (".", "ab", "[a][b]"),
        ("$", "a\n", "a[]\n[]"),
        (r"\b", "ab c", "[]ab[] []c[]"),
        ("(?=b)|b", "abc", "a[][b]c"),
        ("\xe9", "a\xe9", "a[\xe9]"),
    ],
)
def test_substitute(pattern, subject, want):
    assert Pattern(pattern).substitute(subject, lambda captures: f"[{captures[0]}]") == want


HOSTILE = [
    ("(a+)+$", "a" * 30 + "!"),
    ("(a+)+$", "a" * 65536 + "!"),
    ("(a|a)*$", "a" * 3000 + "!"),
    (".*.*.*.*.*[xy]", "a" * 65536),
    (r"(.*)(.*)(.*)(.*)[xy]\1", "a" * 65536),
    ("([^@]+)+[@#]", "a" * 65536),
    ("((a*)*)*[bc]", "a" * 65536),
    (r"\s+$", " " * 9000 + "x"),
    (r"\s+$", " " * 65536 + "x"),
    ("(x+x+)+[yz]", "x" * 65536),
    ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 65536),
    ("a*?b|a+?c", "a" * 65536),
    ("(a(?1)?b)*[cd]", "a" * 65536),
    (r"(?:\w+,?)+;", "a," * 32768),
    (r"^(?:[a-z]+\.)*$", "a" * 65536),
    (r"(?:x?){40}x{40}", "x" * 39),
]


@pytest.mark.parametrize(("pattern", "subject"), HOSTILE, ids=lambda text: f"{text[:20]} {len(text)}")
def test_a_hostile_subject_takes_little_time(pattern, subject):
    """Whether it ends in an answer or in an error; a generous multiple of what is promised, for a busy machine."""
    expression = Pattern(pattern)
    for work in (lambda: expression.search(subject), lambda: expression.substitute(subject, lambda _: "")):
        started = time.thread_time()
        try:
            work()
        except ExpansionError as error:
            assert str(error).startswith(f'regular expression "{pattern}": ')
        assert time.thread_time() - started < BRIEFLY


@pytest.mark.parametrize(
    ("pattern", "subject", "why"),
    [
        ("(a+)+$", "a" * 40 + "!", "match limit exceeded"),
        (r"\s+$", " " * 65536 + "x", "takes too long"),
        ("^(([a-z])+.)+[A-Z]$", "a" * 65536, "heap limit exceeded"),
        ("(?R)?a|b", "aa", "nested recursion at the same subject position"),
    ],
)
def test_what_takes_too_much_is_an_error(pattern, subject, why):
    with pytest.raises(ExpansionError) as error:
        Pattern(pattern).search(subject)
    assert str(error.value) == f'regular expression "{pattern}": {why}'


def test_an_honest_search_of_a_long_subject_succeeds():
    assert Pattern("foo").search("f" * 1_000_000 + "oo") == ("foo",)
    assert Pattern("foo").search("x" * 1_000_000) is None
    assert Pattern("^From:.*@example").search("From: " + "x" * 60_000 + "@example") is not None
    assert Pattern(r"\n").substitute("line\n" * 2_000, lambda _: " ") == "line " * 2_000
    assert Pattern("[a-z]+[0-9]").search("a" * 3000 + "!" + "b1") == ("b1",)


def test_many_matches_that_each_take_long_are_stopped_together():
    subject = ("a" * 17 + "!b") * 2000
    with pytest.raises(ExpansionError, match="takes too long"):
        Pattern("(a+)+[$@]|b").substitute(subject, lambda _: "")
    with pytest.raises(ExpansionError, match="takes too long"):
        Pattern("(?=(a+)+[$@]|)").substitute(("a" * 12 + "!") * 2000, lambda _: "")


def test_the_time_that_replacements_take_does_not_count():
    assert Pattern("b").substitute("abc" * 3, lambda _: time.sleep(0.02) or "x") == "axc" * 3


def test_an_enormous_result_is_an_error(monkeypatch):
    monkeypatch.setattr(patterns, "MAX_TEXT", 1000)
    with pytest.raises(ExpansionError, match="result longer than 1000 octets"):
        Pattern("").substitute("x" * 100, lambda _: "y" * 50)


def test_threads_match_with_one_pattern_at_the_same_time():
    expression = Pattern(r"(\d+)-(\d+)")
    wrong = []

    def work(number):
        for i in range(300):
            if expression.search(f"{number}-{i}") != (f"{number}-{i}", str(number), str(i)):
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_memory_is_given_back():
    code = pcre2.Code(b"a", caseless=False)
    gone = weakref.ref(code)
    del code
    gc.collect()
    assert gone() is None

    scratch = pcre2.take()
    gone = weakref.ref(scratch)
    pcre2.give_back(scratch, b"x" * (pcre2.LARGE + 1))
    del scratch
    gc.collect()
    assert gone() is None


def test_working_memory_is_used_again():
    scratch = pcre2.take()
    pcre2.give_back(scratch, b"")
    assert pcre2.take() is scratch


def test_the_same_text_is_compiled_once():
    assert compiled("a(b)") is compiled("a(b)")
    assert compiled("a(b)", caseless=True) is not compiled("a(b)")


@given(st.text(st.characters(max_codepoint=255), max_size=40), st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_pattern_and_any_subject(pattern, subject):
    try:
        expression = Pattern(pattern)
    except ValueError:
        return
    try:
        found = expression.search(subject)
        replaced = expression.substitute(subject, lambda captures: captures[0])
    except ExpansionError:
        return
    assert found is None or found[0] in subject
    assert replaced == subject or "\\K" in pattern
