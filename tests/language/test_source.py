"""Text that remembers where it came from."""

from __future__ import annotations

from policyd.errors import Where
from policyd.language.source import Piece, Source

MIXED = Source(
    "abcMACROxyz",
    (Piece(0, Where("f", 1, 5)), Piece(3, Where("f", 1, 8), exact=False), Piece(8, Where("f", 2, 1))),
)


def places(source):
    return [(source.where(at).line, source.where(at).column) for at in range(len(source.text) + 1)]


def test_every_character_has_a_place():
    assert places(MIXED) == [(1, 5), (1, 6), (1, 7), *[(1, 8)] * 5, (2, 1), (2, 2), (2, 3), (2, 4)]


def test_a_part_keeps_its_places():
    assert places(MIXED.cut(2, 9)) == [*places(MIXED)[2:9], (2, 2)]
    assert MIXED.cut(4).text == "ACROxyz"
    assert places(MIXED.cut(9)) == places(MIXED)[9:]
    assert places(MIXED.cut(0, 0)) == [(1, 5)]


def test_blanks_are_taken_off():
    assert Source.of(" \t a b \n").strip() == Source("a b", (Piece(0, Where("<text>", 0, 4, " \t a b \n")),))
    assert Source.of("  ").strip().text == ""


def test_an_error_points_at_its_place():
    [problem] = Source.of("abc", "file", 7).error(1, "wrong", "right").problems
    assert str(problem) == "file:7:2: wrong\n    abc\n     ^\n    right"
