"""``prvs`` and ``prvscheck``. The signatures were made by a live Exim."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

DAY = 86400.0
MADE = 20778 * DAY  # when Exim made them


def at(days):
    return Expander(now=lambda: MADE + days * DAY)


CASES = [
    ("${prvs{a@b.c}{key}{0}}", "prvs=07850c9159=a@b.c"),
    ("${prvs{a@b.c}{key}}", "prvs=07850c9159=a@b.c"),
    ("${prvs{A@B.c}{key}{0}}", "prvs=0785dca7eb=A@B.c"),
    ("${prvs{a@b.c}{}{0}}", "prvs=078597db02=a@b.c"),
    ("${prvs{a@b@c}{k}{1}}", "prvs=1785ef9d72=a@b@c"),
    ('${prvs{"a b"@b}{k}{1}}', 'prvs=178511d591="a b"@b'),
    ("${prvs{ab}{key}{0}}", "Failed: prvs first argument must be a qualified email address"),
    ("${prvs{@c}{key}{0}}", "Failed: prvs first argument must be a qualified email address"),
    ("${prvs{a@}{key}{0}}", "Failed: prvs first argument must be a qualified email address"),
    ("${prvs{a@b.c}{key}{12}}", "Failed: prvs third argument must be a single digit"),
    ("${prvs{a@b.c}{key}{}}", "Failed: prvs third argument must be a single digit"),
    (
        "${prvscheck{prvs=07850c9159=a@b.c}{key}{[$prvscheck_result|$prvscheck_keynum|$prvscheck_address]}}",
        "[1|0|a@b.c]",
    ),
    ("${prvscheck{prvs=07850c9159=a@b.c}{${if eq{$prvscheck_keynum}{0}{key}}}{$prvscheck_result}}", "1"),
    ("${prvscheck{prvs=07850c9159=a@b.c}{key}{}}", "a@b.c"),
    ("${prvscheck{prvs=07850c9159=a@b.c}{key}}", "a@b.c"),
    ("${prvscheck{PRVS=07850c9159=a@b.c}{key}{[$prvscheck_result]}}", "[1]"),
    ("${prvscheck{prvs=07850C9159=a@b.c}{key}{[$prvscheck_result]}}", "[]"),
    ("${prvscheck{prvs=07850c9158=a@b.c}{key}{[$prvscheck_result]}}", "[]"),
    ("${prvscheck{prvs=07850c9159=A@b.c}{key}{[$prvscheck_result]}}", "[]"),
    ("${prvscheck{prvs=07850c9159=a@b.c}{other}{[$prvscheck_result]}}", "[]"),
    ("${prvscheck{a@b.c}{key}{[$prvscheck_result]}}", ""),
    ("${prvscheck{a@b.c}{key}}", ""),
    ("${prvscheck{prvs=0785abcdef=@c}{key}{x}}", ""),
    ("[$prvscheck_address$prvscheck_keynum$prvscheck_result]", "[]"),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_batv(string, want):
    assert at(0)(string) == want


def test_arguments_that_fail_do_so_in_any_case():
    assert at(0)("${prvscheck{x}{${eval:x}}}").startswith("Failed: error in expression")
    assert at(0)("${prvscheck{x}{key}{${eval:x}}}").startswith("Failed: error in expression")


@pytest.mark.parametrize(("days", "good"), [(-300, True), (0, True), (7, True), (8, False), (200, False)])
def test_a_signature_is_good_for_seven_days(days, good):
    answer = at(days)("${prvscheck{prvs=07850c9159=a@b.c}{key}{[$prvscheck_result]}}")
    assert answer == ("[1]" if good else "[]")


@pytest.mark.parametrize(("later", "good"), [(0, True), (7, True), (8, False)])
def test_days_begin_again_after_a_thousand(later, good):
    for first in range(215, 225):  # day 999 is among them, or becomes the last day
        address = at(first)("${prvs{a@b.c}{key}{5}}")
        answer = at(first + later)("${prvscheck{%s}{key}{[$prvscheck_result]}}".replace("%s", address))
        assert answer == ("[1]" if good else "[]"), (first, address)
