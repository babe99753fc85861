"""Macros: names that are replaced wherever they occur in a physical line, before anything else looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from policyd.config.splice import joined, stand_in
from policyd.errors import Where
from policyd.language.source import Source

B = r"[ \t\r\n\v\f]"
DEFINITION = re.compile(rf"([A-Z][A-Za-z0-9_]*){B}*(==?){B}*")
START = re.compile(rf"{B}*[A-Z][A-Za-z0-9_]*{B}*(?==)")
CANDIDATE = re.compile(r"_?[A-Z]")
LONGEST_LINE = 1 << 20
"""Octets of one line once its macros are replaced. Definitions that double each other would fill the memory."""


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro's text, and where it was first defined. One that was *given* from outside cannot be redefined."""

    text: str
    where: Where
    given: bool = False


@dataclass(slots=True)
class Macros:
    """The macros defined so far, in the order of their definition: that is the order of replacement."""

    builtin: Mapping[str, str] = field(default_factory=dict)
    defined: dict[str, Macro] = field(default_factory=dict)

    @classmethod
    def beginning(cls, builtin: Iterable[str], given: Mapping[str, str]) -> Macros:
        """Before the first file: the *builtin* names, all worth ``y``, and what the command line defines."""
        longest_first = sorted(builtin, key=lambda name: (-len(name), name))
        where = Where("the command line", 0)
        return cls(
            dict.fromkeys(longest_first, "y"), {name: Macro(text, where, given=True) for name, text in given.items()}
        )

    def replaced(self, line: Source, start: int = 0) -> tuple[Source, bool]:
        """*line* with every macro from *start* on replaced, and whether there was one.

        A replacement is searched for the macros defined later, not for itself.
        Built-in ones count only where the first thing that looks like a macro
        begins with an underscore: so it is in Exim.
        """
        first = CANDIDATE.search(line.text, start)
        if first is None:
            return line, False
        builtin = self.builtin.items() if first[0].startswith("_") else ()
        result = line
        for name, text in chain(builtin, ((name, macro.text) for name, macro in self.defined.items())):
            if result.text.find(name, start) >= 0:
                result = _replace(result, start, name, text)
        return result, result is not line

    def define(self, line: Source) -> None:
        """Take the definition on *line*. Raises `PolicyError` where Exim would refuse it."""
        found = DEFINITION.match(line.text)
        if found is None:
            raise line.error(0, "malformed macro definition", "a line that begins with a capital reads NAME = text")
        name, sign = found.groups()
        text = line.text[found.end() :]
        known = self.defined.get(name)
        if known is not None:
            self._redefine(line, name, text, sign)
            return
        self._refuse_overlap(line, name)
        if sign == "==":
            raise line.error(0, f'macro "{name}" is not defined yet', f'"==" redefines: write "{name} = …"')
        self.defined[name] = Macro(text, line.where())

    def _redefine(self, line: Source, name: str, text: str, sign: str) -> None:
        known = self.defined[name]
        if known.given:
            return
        if sign == "=":
            raise line.error(0, f'macro "{name}" is already defined', f'at {known.where}; "{name} == …" redefines it')
        self.defined[name] = Macro(text, known.where)

    def _refuse_overlap(self, line: Source, name: str) -> None:
        for known in (*self.builtin, *self.defined):
            if known in name:
                where = f" ({self.defined[known].where})" if known in self.defined else ""
                raise line.error(
                    0,
                    f'macro "{name}" contains the name of macro "{known}"{where}',
                    f'macros are replaced wherever their name occurs: choose a name without "{known}" in it',
                )


def definition_start(line: Source) -> int:
    """Where replacement begins on a line that starts a logical line: the name that is being defined stays."""
    found = START.match(line.text)
    return found.end() if found else 0


def _replace(line: Source, start: int, name: str, text: str) -> Source:
    parts: list[Source] = []
    done, length = 0, 0
    at = line.text.find(name, start)
    while at >= 0:
        parts += [line.cut(done, at), stand_in(text, line.where(at))]
        length += at - done + len(text)
        if length > LONGEST_LINE:
            raise line.error(at, "the line is too long once its macros are replaced", f"the limit is {LONGEST_LINE}")
        done = at + len(name)
        at = line.text.find(name, done)
    return joined([*parts, line.cut(done)])
