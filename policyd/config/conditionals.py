"""``.ifdef`` and its family: which lines of a file count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from policyd.errors import PolicyError, Where
from policyd.language.source import Source

MAX_DEPTH = 10  # Exim's


class Branch(Enum):
    """The state of one ``.ifdef`` … ``.endif``."""

    ACTIVE = "its lines count"
    PENDING = "no branch was taken yet"
    DONE = "a branch was taken, or none ever will be"


@dataclass(slots=True)
class Conditionals:
    """The open conditionals, the innermost last, each with the place of its ``.ifdef``."""

    open: list[tuple[Branch, Where]] = field(default_factory=list)

    @property
    def skipping(self) -> bool:
        """Whether the lines here do not count."""
        return bool(self.open) and self.open[-1][0] is not Branch.ACTIVE

    def obey(self, name: str, line: Source, defined: bool) -> None:
        """Follow directive *name*, written on *line*; *defined*: a macro was replaced in it."""
        DIRECTIVES[name](self, line, defined)

    def close(self) -> list[PolicyError]:
        """The end of the text: what is still open is an error each."""
        left, self.open = self.open, []
        return [PolicyError.at(where, "this conditional is never closed", 'it needs an ".endif"') for _, where in left]

    def begin(self, line: Source, true: bool) -> None:
        """``.ifdef`` and ``.ifndef``."""
        if len(self.open) == MAX_DEPTH:
            self.open.append((Branch.DONE, line.where()))
            raise line.error(0, "conditionals are nested too deeply", f"at most {MAX_DEPTH} deep")
        branch = Branch.DONE if self.skipping else Branch.ACTIVE if true else Branch.PENDING
        self.open.append((branch, line.where()))

    def turn(self, line: Source, true: bool) -> None:
        """``.elifdef``, ``.elifndef`` and ``.else``."""
        branch, where = self._innermost(line)
        if branch is Branch.ACTIVE:
            branch = Branch.DONE
        elif branch is Branch.PENDING and true:
            branch = Branch.ACTIVE
        self.open[-1] = branch, where

    def end(self, line: Source, true: bool) -> None:
        """``.endif``."""
        self._innermost(line)
        self.open.pop()

    def _innermost(self, line: Source) -> tuple[Branch, Where]:
        if not self.open:
            raise line.error(0, f'"{line.text.split()[0]}" without an ".ifdef" or ".ifndef" before it')
        return self.open[-1]


DIRECTIVES: dict[str, Callable[[Conditionals, Source, bool], None]] = {
    "ifdef": Conditionals.begin,
    "ifndef": lambda stack, line, defined: stack.begin(line, not defined),
    "elifdef": Conditionals.turn,
    "elifndef": lambda stack, line, defined: stack.turn(line, not defined),
    "else": lambda stack, line, _: stack.turn(line, True),
    "endif": Conditionals.end,
}
