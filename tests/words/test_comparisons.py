"""Comparing texts, and what is true."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    ("${if eq{a}{a}{y}{n}}", "y"),
    ("${if eq{a}{A}{y}{n}}", "n"),
    ("${if eqi{a}{A}{y}{n}}", "y"),
    (r"${if eqi{\xe9}{\xc9}{y}{n}}", "n"),
    ("${if lt{a}{b}{y}{n}}", "y"),
    ("${if lt{b}{B}{y}{n}}", "n"),
    ("${if lti{a}{B}{y}{n}}", "y"),
    ("${if le{a}{a}{y}{n}}", "y"),
    ("${if lei{A}{a}{y}{n}}", "y"),
    ("${if gt{b}{a}{y}{n}}", "y"),
    ("${if gti{B}{a}{y}{n}}", "y"),
    (r"${if ge{\xff}{a}{y}{n}}", "y"),
    ("${if gei{a}{B}{y}{n}}", "n"),
    ("${if lt{a}{ab}{y}{n}}", "y"),
    ("${if lti{a}{ab}{y}{n}}", "n"),
    ("${if gti{a}{ab}{y}{n}}", "y"),
    ("${if lti{ab}{a}{y}{n}}", "n"),
    ("${if bool{true}{y}{n}}", "y"),
    ("${if bool{ YES }{y}{n}}", "y"),
    ("${if bool{10}{y}{n}}", "y"),
    ("${if bool{-1}{y}{n}}", "y"),
    ("${if bool{ - }{y}{n}}", "n"),
    ("${if bool_lax{-}{y}{n}}", "n"),
    ("${if bool{00}{y}{n}}", "n"),
    ("${if bool{}{y}{n}}", "n"),
    ("${if bool{False}{y}{n}}", "n"),
    ("${if bool{no}{y}{n}}", "n"),
    ("${if bool{maybe}{y}{n}}", 'Failed: unrecognised boolean value "maybe"'),
    ("${if bool{1k}{y}{n}}", 'Failed: unrecognised boolean value "1k"'),
    ("${if bool_lax{maybe}{y}{n}}", "y"),
    ("${if bool_lax{00}{y}{n}}", "y"),
    ("${if bool_lax{ 0 }{y}{n}}", "n"),
    ("${if bool_lax{No}{y}{n}}", "n"),
    ("${if bool_lax{}{y}{n}}", "n"),
    ("${if first_delivery{y}{n}}", "n"),
    ("${if !queue_running{y}{n}}", "y"),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_comparisons(string, want):
    assert expand(string) == want
