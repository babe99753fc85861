"""A piece of policy text that remembers where each of its characters came from."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from policyd.errors import PolicyError, Where


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters from one place: *start* is its offset in the `Source`.

    A run that a macro produced maps as a whole to the macro's column.
    """

    start: int
    where: Where
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """Text, one character per octet, with the origin of every character."""

    text: str
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, text: str, file: str = "", line: int = 0) -> Source:
        """Text that stands for itself: an option's default, an argument of a command."""
        return cls(text, (Piece(0, Where(file or "<text>", line, 1, text)),))

    def where(self, offset: int = 0) -> Where:
        """The place of the character at *offset*; past the end, the place just after the last one."""
        index = bisect_right(self.pieces, offset, key=lambda piece: piece.start) - 1
        piece = self.pieces[max(index, 0)]
        shift = offset - piece.start if piece.exact else 0
        origin = piece.where
        return Where(origin.file, origin.line, origin.column + max(shift, 0), origin.text)

    def cut(self, start: int, end: int | None = None) -> Source:
        """The part from *start* to *end*, as a `Source` of its own."""
        stop = len(self.text) if end is None else end
        first = max(bisect_right(self.pieces, start, key=lambda piece: piece.start) - 1, 0)
        kept = [Piece(0, self.where(start), self.pieces[first].exact)]
        kept += [
            Piece(piece.start - start, piece.where, piece.exact)
            for piece in self.pieces[first + 1 :]
            if piece.start < stop
        ]
        return Source(self.text[start:stop], tuple(kept))

    def strip(self) -> Source:
        """Without the blanks around it (Exim's: space, tab and the line breaks of a file)."""
        left = len(self.text) - len(self.text.lstrip(BLANKS))
        right = len(self.text.rstrip(BLANKS))
        return self.cut(left, max(left, right))

    def error(self, offset: int, message: str, expected: str = "") -> PolicyError:
        """A `PolicyError` that points at the character at *offset*."""
        return PolicyError.at(self.where(offset), message, expected)


BLANKS = " \t\r\n\v\f"
