"""Where something is written, and the four exceptions that travel.

`PolicyError` only while a policy is loaded; `Defer` when the world cannot
answer now; `ExpansionError` when an expansion cannot be evaluated;
`ForcedFail` when its author wrote ``fail``. Everything DNS or a message can
say is a value, not an exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

SECRET = re.compile(r"\s*(?:hide\s+\w+|(?:mysql|pgsql|redis)_servers|store)\s*=", re.ASCII)
"""How a line begins whose value is for nobody else's eyes."""


@dataclass(frozen=True)
class Where:
    """A place in a policy: the file as it was named, lines and columns from 1 (column 0: the whole line)."""

    file: str
    line: int
    column: int = 0
    text: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    @cached_property
    def place(self) -> str:
        """Its file, without the directories, and its line: ``30-ratelimit.conf:26``, for logs and metrics."""
        return f"{self.file.rpartition('/')[2]}:{self.line}"

    @property
    def exact(self) -> str:
        """``file:line:column``, as compilers print it."""
        return f"{self}:{self.column}" if self.column else str(self)


class Severity(Enum):
    """Whether a problem keeps a policy from loading."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a policy: where, what, and what was expected instead."""

    where: Where
    message: str
    expected: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        label = "" if self.severity is Severity.ERROR else "warning: "
        quotes = SECRET.match(self.where.text)  # and the message may quote what follows
        what = self.message.partition("\n")[0] if quotes else self.message
        lines = [f"{self.where.exact}: {label}{what}"]
        if text := _shown(self.where.text):
            lines.append(f"    {text}")
            if 0 < self.where.column <= len(text) + 1:
                lines.append("    " + _indent(self.where) + "^")
        if self.expected:
            lines.append(f"    {self.expected}")
        return "\n".join(lines)


def _shown(line: str) -> str:
    """The line, without a password that may be in it: problems are logged."""
    secret = SECRET.match(line)
    return f"{secret[0]} ..." if secret else line


def _indent(where: Where) -> str:
    """Blanks up to the column; tabs stay tabs, so that the caret stands under its character."""
    return "".join("\t" if c == "\t" else " " for c in where.text[: where.column - 1])


class PolicyError(Exception):
    """The policy cannot be loaded. Carries every `Problem` found, in the order of the files."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems

    @classmethod
    def at(cls, where: Where, message: str, expected: str = "") -> PolicyError:
        """One problem, in one place."""
        return cls(Problem(where, message, expected))


class ExpansionError(Exception):
    """An expansion, or a condition, cannot be evaluated: a mistake that no retry mends."""


class Defer(Exception):  # noqa: N818 - it is a state of the world, not an error
    """The world cannot answer now: DNS, a store or a lookup failed for a while."""


class Unopened(Defer):
    """A file that the policy names cannot be opened: in a list a deferral, in an expansion an `ExpansionError`."""


class ForcedFail(Exception):  # noqa: N818 - the policy's author asked for it
    """The author's own ``fail`` was reached."""


@contextmanager
def inside(place: str) -> Iterator[None]:
    """Meanwhile, whatever goes wrong is said to be inside of *place*."""
    try:
        yield
    except PolicyError as error:
        problems = (replace(problem, message=f"{problem.message} inside {place}") for problem in error.problems)
        raise PolicyError(*problems) from None
    except (ExpansionError, ForcedFail) as error:
        raise type(error)(f"{error} inside {place}") from error
