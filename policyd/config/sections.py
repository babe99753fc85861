"""Logical lines → the sections of a configuration; macro definitions are taken out on the way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from policyd.config.macros import DEFINITION, Macros
from policyd.errors import PolicyError, Problem, Severity, Where
from policyd.language.acl import ACL_NAME
from policyd.language.compiler import Compiler
from policyd.language.registry import did_you_mean
from policyd.language.source import Source

SECTIONS = ("acl", "authenticators", "local_scan", "retry", "rewrite", "routers", "transports")
WITHOUT_MACROS = ("local_scan", "retry", "rewrite")  # what begins with a capital there is not a definition
SPELLINGS = {spelling: name for name in SECTIONS for spelling in (name.rstrip("s"), name.rstrip("s") + "s")}
BEGIN = re.compile(r"begin(?![A-Za-z0-9_])( *)(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)


@dataclass(slots=True)
class Sections:
    """What one configuration says in the sections that policyd knows, line by line."""

    macros: Macros
    compiler: Compiler
    main: list[Source] = field(default_factory=list)
    acl: list[Source] = field(default_factory=list)
    section: str = "main"
    seen: dict[str, Where] = field(default_factory=dict)
    macro: Source | None = None  # the definition behind the statements of an ACL

    def sort(self, lines: Iterable[Source]) -> None:
        """Put each line where it belongs. What is wrong is reported, and the next line is looked at."""
        for line in lines:
            try:
                self._sort(line)
            except PolicyError as error:
                self.compiler.report(error)

    def _sort(self, line: Source) -> None:
        begin = BEGIN.match(line.text)
        if begin:
            self._begin(line, begin[1], begin[2].strip())
        elif self._defines(line):
            self.macros.define(line)
        elif self.section == "main":
            self.main.append(_no_directive(line))
        elif self.section == "acl":
            self._check_place(line)
            self.acl.append(_no_directive(line))

    def _defines(self, line: Source) -> bool:
        if self.section == "main":
            return "A" <= line.text[0] <= "Z"
        if self.section in WITHOUT_MACROS or not DEFINITION.match(line.text):
            return False
        if self.section == "acl" and self.acl and self.macro is None:
            self.macro = line
        return True

    def _begin(self, line: Source, blanks: str, written: str) -> None:
        name = SPELLINGS.get(written.lower()) if blanks else None
        self.section, self.macro = name or "unknown", None
        if name is None:
            known = [f"begin {spelling}" for spelling in SECTIONS]
            expected = did_you_mean(f"begin {written.lower()}", known) or f"sections are {', '.join(SECTIONS)}"
            raise line.error(0, f'"{line.text}" does not begin a section', expected)
        if name in self.seen:
            raise line.error(0, f'section "{name}" is repeated', f"it began at {self.seen[name]}")
        self.seen[name] = line.where()
        if name != "acl":
            message = f'section "{name}" has no effect in a milter: it is skipped'
            self.compiler.report(Problem(line.where(), message, severity=Severity.WARNING))

    def _check_place(self, line: Source) -> None:
        """In Exim a macro definition ends the ACL that it stands in: what follows belongs to no ACL."""
        macro, self.macro = self.macro, None
        if macro is None or ACL_NAME.match(line.text):
            return
        names = (ACL_NAME.match(earlier.text) for earlier in reversed(self.acl))
        ended = next((f'"{found[1]}"' for found in names if found), "before it")
        name = macro.text.split("=")[0].strip()
        problem = line.error(
            0,
            f"this line belongs to no ACL: the definition of {name} at {macro.where()} ended ACL {ended}",
            f"move the definition of {name} above the ACL, or into the main section",
        )
        self.compiler.report(problem)  # the line is still read as its author meant it


def _no_directive(line: Source) -> Source:
    if line.text.startswith("."):
        word = line.text.split()[0]
        directives = [".ifdef", ".ifndef", ".elifdef", ".elifndef", ".else", ".endif", ".include", ".include_if_exists"]
        raise line.error(0, f'unknown directive "{word}"', did_you_mean(word, directives))
    return line
