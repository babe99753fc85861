"""Physical lines → logical lines: macros, comments, conditionals, includes and continuations, in Exim's order."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from policyd.config.conditionals import DIRECTIVES, Conditionals
from policyd.config.macros import Macros, definition_start
from policyd.config.splice import joined, physical_line
from policyd.errors import PolicyError
from policyd.language.source import Source

DIRECTIVE = re.compile(rf"\.({'|'.join(DIRECTIVES)})(?![^ \t\r\n\v\f])")
GLUED = re.compile(rf"\.({'|'.join(DIRECTIVES)})\S")
INCLUDE = re.compile(r"\.(include|include_if_exists)(?:[ \t\r\n\v\f]+(.*)|$)", re.DOTALL)
BINARY = {"\0": "a NUL octet", "\xef\xbb\xbf": "a byte order mark"}
MAX_INCLUDES = 30
"""Files open at once. Far more than anybody nests, and the end of files that include each other in a ring."""

Texts = Callable[[str], str]
"""The text of a file by its name. Raises `OSError`."""


@dataclass(slots=True)
class OpenFile:
    """A file being read."""

    name: str
    lines: Iterator[Source]


@dataclass(slots=True)
class Reader:
    """Reads files one after the other; what they define goes into *macros*, by whoever asks for the lines.

    *report* hears of everything that is wrong; reading goes on behind it.
    """

    texts: Texts
    macros: Macros
    report: Callable[[PolicyError], None]
    conditionals: Conditionals = field(default_factory=Conditionals)
    open: list[OpenFile] = field(default_factory=list)
    parts: list[Source] = field(default_factory=list)  # of the logical line so far

    def logical_lines(self, name: str) -> Iterator[Source]:
        """The logical lines of file *name*, blanks around them removed, none empty. Raises `OSError`."""
        self.open.append(OpenFile(name, _lines(name, self.texts(name))))
        while self.open:
            physical = next(self.open[-1].lines, None)
            if physical is None:
                self.open.pop()
                continue
            try:
                more = self._take(physical)
            except PolicyError as error:
                self.report(error)
                continue
            if not more:
                yield from self._flush()
        yield from self._flush()

    def close(self) -> None:
        """After the last file of a configuration: no conditional may be open."""
        for error in self.conditionals.close():
            self.report(error)

    def _take(self, physical: Source) -> bool:
        """Add a physical line to the logical one. Whether more of it may come."""
        start = 0 if any(part.text for part in self.parts) else definition_start(physical)
        line, defined = self.macros.replaced(physical, start)
        line = line.strip()
        if line.text.startswith("#") or self._obeys(line, defined) or self.conditionals.skipping:
            return True
        _refuse_binary(line)
        include = INCLUDE.match(line.text)
        if include:
            self._include(line, include)
            return True
        more = line.text.endswith("\\")
        self.parts.append(line.cut(0, -1) if more else line)
        return more

    def _obeys(self, line: Source, defined: bool) -> bool:
        """Whether *line* is a conditional directive; if so, it has been followed."""
        directive = DIRECTIVE.match(line.text)
        if directive:
            self.conditionals.obey(directive[1], line, defined)
            return True
        glued = GLUED.match(line.text)
        if glued and not self.conditionals.skipping:
            raise line.error(glued.end(1), f'".{glued[1]}" must be followed by a blank')
        return False

    def _include(self, line: Source, found: re.Match[str]) -> None:
        directive, argument = found[1], found[2] or ""
        at = found.start(2) if argument else len(line.text)
        name = argument[1:-1] if len(argument) > 1 and argument[0] == argument[-1] == '"' else argument
        if not name:
            raise line.error(at, f'".{directive}" needs the name of a file')
        optional = directive == "include_if_exists"
        if optional and not name.startswith("/"):
            raise line.error(at, f'".{directive}" needs an absolute path', 'only ".include" takes a relative one')
        name = posixpath.join(posixpath.dirname(self.open[-1].name), name)
        if any(name == file.name for file in self.open):
            raise line.error(at, f"{name} includes itself")
        if len(self.open) == MAX_INCLUDES:
            raise line.error(at, "included files are nested too deeply", f"at most {MAX_INCLUDES} deep")
        try:
            self.open.append(OpenFile(name, _lines(name, self.texts(name))))
        except OSError as error:
            if not (optional and isinstance(error, FileNotFoundError | NotADirectoryError)):
                raise line.error(at, f"cannot read {name}: {error.strerror}") from None

    def _flush(self) -> Iterator[Source]:
        line = joined(self.parts).strip() if self.parts else None
        self.parts = []
        if line is not None and line.text:
            yield line


def _refuse_binary(line: Source) -> None:
    """A policy is text: what an editor or a copy left in it is named, not obeyed."""
    for octets, what in BINARY.items():
        at = line.text.find(octets)
        if at >= 0:
            raise line.error(at, f"{what} in a line of text")


def _lines(name: str, text: str) -> Iterator[Source]:
    """The physical lines of a file."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return (physical_line(line, name, number) for number, line in enumerate(lines, 1))
