"""Any octets: they compile, or are refused with a position; and what compiles runs, or fails as expansions do."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parts.expanding import Expander

from policyd import words
from policyd.errors import Defer, ExpansionError, ForcedFail, PolicyError
from policyd.language.registry import Kind

VOCABULARY = words.load()
expand = Expander("domainlist local = a.b\n", fields=[("Subject", " a b"), ("To", " a@b, c@d")])
expand.tx.acl_variables["acl_m_x"] = "${lc:A}:b"

OCTETS = st.text(st.characters(max_codepoint=255), max_size=80)
NAMES = [name for kind in (Kind.ITEM, Kind.OPERATOR, Kind.TEST) for name in VOCABULARY.names(kind)]
TOKENS = st.sampled_from(
    [*"{}$\\:!,_;<>=/ \n\0\xff", "${", "}{", "}}", "${if ", "{a}", "{b:c}", "{1}", "{-1}", "{0x9}", "$item", "$1"]
    + ["$value", "$acl_m_x", "$h_subject:", "${lc:", "\\N", "\\x4", "fail", "json", "and{{", "or{", "def:", "!"]
    + [f"${{{name}" for name in NAMES]
    + [f"${{if {name}" for name in VOCABULARY.names(Kind.TEST)]
    + NAMES
)
LIKELY = st.lists(TOKENS, max_size=25).map("".join)


def texts(children):
    """Expansions that are well formed, whatever they mean."""
    braces = st.lists(children, max_size=4).map(lambda parts: "".join(f"{{{part}}}" for part in parts))
    plain = [name for name in VOCABULARY.names(Kind.ITEM) if name not in ("run", "readsocket")]
    operators, tests = VOCABULARY.names(Kind.OPERATOR), VOCABULARY.names(Kind.TEST)
    return st.one_of(
        st.builds("${{{}{}}}".format, st.sampled_from(plain), braces),
        st.builds("${{{}:{}}}".format, st.sampled_from(operators), children),
        st.builds("${{if {}{}}}".format, st.sampled_from(tests), braces),
        st.builds("{}{}".format, children, children),
    )


LEAVES = st.one_of(
    st.sampled_from(["a", "1", "-1", "", "a:b:c", "a=1 b=2", "$acl_m_x", "$h_to:", "$1", "[1,2]", "/"]), OCTETS
)
NESTED = st.recursive(LEAVES, texts, max_leaves=12)


@settings(max_examples=600, deadline=None)
@given(st.one_of(OCTETS, LIKELY, NESTED))
def test_any_text(text):
    try:
        run = expand.policy.expansion(text)
    except PolicyError as error:
        for problem in error.problems:
            assert problem.message
            assert 1 <= problem.where.column <= len(text) + 1
        return
    with contextlib.suppress(ExpansionError, ForcedFail, Defer):
        assert isinstance(expand.run(text, seconds=1.0), str)
    assert callable(run)


@settings(max_examples=100, deadline=None)
@given(NESTED)
def test_any_text_twice_gives_the_same(text):
    if any(word in text for word in ("randint", "tod_", "pid", "stat")):
        return
    assert expand(text) == expand(text)


@pytest.mark.parametrize(
    "piece", ["${lc:", "${if eq{a}{b}{", "$h_", "\\", "{", "${map{a}{", "((((", "${eval:(", "!", "${if !"]
)
def test_the_same_piece_over_and_over(piece):
    for number in (10, 100, 1000, 10_000):
        for text in (piece * number, piece * number + "}" * number):
            assert isinstance(expand(text), str)
