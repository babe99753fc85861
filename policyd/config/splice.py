"""Putting pieces of policy text together so that each character still knows where it was written."""

from __future__ import annotations

from collections.abc import Iterable

from policyd.errors import Where
from policyd.language.source import Piece, Source


def physical_line(text: str, file: str, number: int) -> Source:
    """Line *number* of *file*, standing for itself."""
    return Source(text, (Piece(0, Where(file, number, 1, text.rstrip("\r"))),))


def stand_in(text: str, where: Where) -> Source:
    """*text* in the place of what was written at *where*: all of it points there."""
    return Source(text, (Piece(0, where, exact=False),))


def joined(parts: Iterable[Source]) -> Source:
    """The parts, at least one, one after the other. An empty one at the end says where the text ends."""
    pieces: list[Piece] = []
    texts: list[str] = []
    length = 0
    for part in parts:
        pieces += [Piece(length + piece.start, piece.where, piece.exact) for piece in part.pieces]
        texts.append(part.text)
        length += len(part.text)
    return Source("".join(texts), tuple(pieces))
