"""The state of one load: the vocabulary, the named lists, the ACLs, and every problem found so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Flag
from typing import TYPE_CHECKING

from policyd.errors import PolicyError, Problem, Severity, Where
from policyd.language.lists import NamedList, compile_items
from policyd.language.registry import VOCABULARY, Kind, Vocabulary, Word, did_you_mean
from policyd.language.scanning import Matcher, scan
from policyd.language.source import Piece, Source
from policyd.language.taint import Flow

if TYPE_CHECKING:
    from policyd.language.calls import Entry
    from policyd.language.closures import Text
    from policyd.language.verdict import Acl, Foresight


@dataclass(slots=True)
class Compiler:
    """Collects definitions while files are read; `finish` resolves what refers to what."""

    words: Vocabulary = VOCABULARY
    problems: list[Problem] = field(default_factory=list)
    acls: dict[str, Acl] = field(default_factory=dict)
    lists: dict[tuple[str, str], NamedList] = field(default_factory=dict)
    list_references: list[tuple[str, str, Where]] = field(default_factory=list)
    used: dict[Word, Where] = field(default_factory=dict)  # each with the first place
    needs: set[str] = field(default_factory=set)  # what has to be there for these words
    expansions: dict[str, Text] = field(default_factory=dict)  # texts that expansions made, compiled
    flow: Flow = field(default_factory=Flow)  # where text comes from and goes
    current: Acl | None = None  # the ACL being compiled

    def report(self, problem: PolicyError | Problem) -> None:
        """Remember what is wrong and go on."""
        self.problems += problem.problems if isinstance(problem, PolicyError) else (problem,)

    def report_once(self, problem: PolicyError) -> None:
        """Remember what is wrong, unless the same was said of the same place."""
        said = {(known.where, known.message) for known in self.problems}
        self.problems += [new for new in problem.problems if (new.where, new.message) not in said]

    def require(self, phases: Flag, what: str, where: Where) -> None:
        """*what* may stand only in *phases*: checked by `finish` for every phase that leads to the current ACL."""
        if self.current is not None:
            self.current.requirements.append((phases, what, where))

    def foresee(self, phase: Flag, questions: Foresight) -> None:
        """``questions(tx)``: what the current ACL will ask of DNS, as far as it is known at the beginning of *phase*.

        Of the message's own phase: when its header is complete.
        """
        if self.current is not None:
            self.current.foreseen.append((phase, questions))

    def fresh(self) -> Compiler:
        """The same definitions, with problems of its own: for text that is compiled while mail flows."""
        return Compiler(words=self.words, acls=self.acls, lists=self.lists)

    def warn(self, where: Where, message: str, expected: str = "") -> None:
        """Remember what is suspicious."""
        self.report(Problem(where, message, expected, Severity.WARNING))

    def note(self, word: Word, where: Where) -> None:
        """*word* is used at *where*: a policy is charged only for what it uses."""
        self.used.setdefault(word, where)
        self.needs.update(word.traits.get("needs", "").split())
        for phase, questions in word.traits.get("prefetch", {}).items():
            self.foresee(phase, questions)
        if instead := word.traits.get("instead"):
            self.warn(where, f'{word.kind.value} "{word.name}" is called "{instead}"', f"write {instead}")

    def matcher(self, kind: str, text: str, where: Where) -> Matcher:
        """The matcher of a list of *kind* that is not expanded. Raises `PolicyError`."""
        source = Source(text, (Piece(0, where, exact=False),))
        items = compile_items(kind, text, source, self)
        return lambda ctx, subject: scan(items.relevant(subject), ctx, subject)

    def unknown(self, where: Where, message: str, name: str, *kinds: Kind) -> PolicyError:
        """A word that does not exist, with the nearest one that does."""
        return PolicyError.at(where, message, self.words.nearest(name, *kinds))

    def define_list(self, kind: str, name: str, source: Source, cached: bool = False) -> None:
        """Define named list *name* of *kind*; a later definition replaces an earlier one."""
        try:
            self.lists[kind, name] = NamedList.compile(kind, name, source, cached, self)
        except PolicyError as error:
            self.report(error)

    def finish(self, entries: Mapping[Flag, Entry], taint: Severity = Severity.ERROR) -> None:
        """Check every reference, every word against the phases in which its ACL can run, and where text goes."""
        self.problems += self.flow.problems(taint)
        for kind, name, where in self.list_references:
            if (kind, name) not in self.lists:
                names = [known for of, known in self.lists if of == kind]
                message = f'unknown named {kind.replace("_", " ")} list "+{name}"'
                self.report(PolicyError.at(where, message, did_you_mean(name, names)))
        for phase, entry in entries.items():
            entry.check(phase, self)
