"""Configuration: conf.d, or one file of Exim's, → a compiled `Policy`.

`read` takes the text from the disk, `compile` makes a policy of it without
looking at the disk again: workers compile the very text that was checked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Flag
from functools import partial
from typing import Any

from policyd.config.builtins import builtin_macros
from policyd.config.files import Disk, roots, texts_of
from policyd.config.lines import Reader, Texts
from policyd.config.macros import Macros
from policyd.config.options import MainSection
from policyd.config.secrets import exposed
from policyd.config.sections import Sections
from policyd.errors import PolicyError, Problem, Severity, Where
from policyd.language.acl import entry, read_acls
from policyd.language.calls import Entry, reachable
from policyd.language.compiler import Compiler
from policyd.language.expand import compile_text
from policyd.language.frame import Context
from policyd.language.lint import suspicions
from policyd.language.lists import compile_list
from policyd.language.source import Source
from policyd.language.verdict import Foresight
from policyd.policy import Phase, Policy, Snapshot
from policyd.settings import OPTIONS, Kind, Settings


def load(path: str | os.PathLike[str], macros: Mapping[str, str] | None = None) -> Policy:
    """Read and compile the configuration at *path*: a file, a conf.d directory, or Debian's tree.

    *macros* are defined before the first line, and nothing in the files
    redefines them. Raises `PolicyError` with every problem of the load.
    """
    policy = compile(read(path, macros))
    return replace(policy, warnings=(*policy.warnings, *exposed(policy.snapshot)))


def read(path: str | os.PathLike[str], macros: Mapping[str, str] | None = None) -> Snapshot:
    """The text of every file that belongs to the configuration at *path*.

    Raises `PolicyError` when there is none. What is wrong inside the files,
    one that is missing included, is for `compile` to say.
    """
    disk = Disk()
    configurations = roots(os.fsencode(path).decode("latin-1"))
    snapshot = Snapshot(configurations, disk.texts, disk.faults, dict(macros or {}))
    compiler = Compiler()
    _sections(snapshot, disk.text, _beginning(snapshot, compiler), compiler)
    return snapshot


def compile(snapshot: Snapshot) -> Policy:
    """The policy that *snapshot* describes. Raises `PolicyError` with every problem, in the order of the files."""
    compiler = Compiler()
    macros = _beginning(snapshot, compiler)
    main = MainSection(compiler)
    for sections in _sections(snapshot, texts_of(snapshot), macros, compiler):
        main.read(sections.main)
        read_acls(sections.acl, compiler)
    settings = settings_of(compiled(main.values, compiler))
    entries = entries_of(settings, compiler)
    compiler.finish(dict[Flag, Entry](entries), settings.taint)
    _check_permissions(settings, compiler)
    if any(problem.severity is Severity.ERROR for problem in compiler.problems):
        raise PolicyError(*_in_order(compiler.problems, snapshot))
    compiler.problems += suspicions(compiler.acls, dict(entries))
    problems = _in_order(compiler.problems, snapshot)
    phases = {phase: entry.run for phase, entry in entries}
    expansion = partial(expansion_of, macros=macros, compiler=compiler)
    needs = needs_of(settings, entries, compiler)
    prefetch = foreseen([entry for _, entry in entries], compiler)
    return Policy(settings, phases, compiler.acls, problems, snapshot, expansion, needs, prefetch)


def foreseen(entries: Sequence[Entry], compiler: Compiler) -> dict[Flag, tuple[Foresight, ...]]:
    """What the ACLs that can run will ask of DNS, by the phase in which it is first known."""
    found: dict[Flag, dict[Foresight, None]] = {}
    for acl in reachable(entries, compiler):
        for phase, questions in acl.foreseen:
            found.setdefault(phase, {})[questions] = None
    return {phase: tuple(questions) for phase, questions in found.items()}


def needs_of(settings: Settings, entries: Sequence[tuple[Phase, Entry]], compiler: Compiler) -> frozenset[str]:
    """See `Policy`. The ACL for signers has them looked for, whatever it says.

    Whoever comes by a gateway, a balancer or a relay may be refused; behind a
    relay, Received: fields say who it is.
    """
    needs = {str(phase.name).lower() for phase, of in entries if phase is Phase.DKIM or not of.accepts(compiler)}
    if settings.gateway_listen or settings.gateway_source or settings.hosts_proxy or settings.hosts_trusted_relays:
        needs.add("connect")
    if settings.hosts_trusted_relays:
        needs.add("received")
    return frozenset(compiler.needs | needs)


def _check_permissions(settings: Settings, compiler: Compiler) -> None:
    """What only an option permits may not be used without it."""
    for word, where in compiler.used.items():
        option = word.traits.get("enabled_by")
        if option and not getattr(settings, option):
            compiler.report(PolicyError.at(where, f"${{{word.name}}} is not permitted", f"to permit it, set {option}"))


def _beginning(snapshot: Snapshot, compiler: Compiler) -> Macros:
    return Macros.beginning(builtin_macros(compiler.words), snapshot.macros)


def _sections(snapshot: Snapshot, texts: Texts, macros: Macros, compiler: Compiler) -> list[Sections]:
    """The sections of each configuration in turn; *macros* go from one to the next."""
    found: list[Sections] = []
    for files in snapshot.roots:
        sections = Sections(macros, compiler)
        reader = Reader(texts, macros, compiler.report)
        for name in files:
            try:
                sections.sort(reader.logical_lines(name))
            except OSError as error:
                compiler.report(PolicyError.at(Where(name, 0), f"cannot be read: {error.strerror}"))
        reader.close()
        found.append(sections)
    return found


COMPILED: Mapping[Kind, Callable[[Any, Compiler], object]] = {
    Kind.EXPANDED: lambda source, compiler: compile_text(source, compiler).run,
    Kind.DOMAINS: partial(compile_list, "domain"),
    Kind.HOSTS: partial(compile_list, "host"),
}
"""What becomes of values that are policy text themselves."""


def compiled(values: Mapping[str, object], compiler: Compiler) -> dict[str, object]:
    """The values of options, policy text compiled; wrong text is reported, and its option left out."""
    found = dict(values)
    for name, value in values.items():
        compile_value = COMPILED.get(OPTIONS[name].metadata["kind"])
        if compile_value is not None:
            try:
                found[name] = compile_value(value, compiler)
            except PolicyError as error:
                compiler.report(error)
                del found[name]
    return found


def settings_of(values: Mapping[str, object]) -> Settings:
    """The settings, with the defaults that depend on the host or on each other."""
    hostname = values.get("primary_hostname") or os.uname().nodename
    defaults = {"primary_hostname": hostname, "qualify_domain": values.get("qualify_domain") or hostname}
    return Settings(**{**values, **defaults})  # type: ignore[arg-type]  # each value was parsed by its option's type


def entries_of(settings: Settings, compiler: Compiler) -> list[tuple[Phase, Entry]]:
    """What runs at each phase: the ACL that its option names, or else the one named ``acl_check_…``."""
    entries: list[tuple[Phase, Entry]] = []
    for phase in Phase:
        name = str(phase.name).lower()
        source = getattr(settings, f"acl_smtp_{name}")
        if source is None and f"acl_check_{name}" in compiler.acls:
            source = Source.of(f"acl_check_{name}")
        if source is not None:
            entries.append((phase, entry(source, compiler)))
    return entries


def expansion_of(text: str, macros: Macros, compiler: Compiler) -> Callable[[Context], str]:
    """What *text* expands to, as if it stood at the end of the configuration. Raises `PolicyError`."""
    source, _ = macros.replaced(Source.of(text))
    apart = compiler.fresh()
    expression = compile_text(source, apart)
    apart.finish({})
    if apart.problems:
        raise PolicyError(*apart.problems)
    return expression.run


def _in_order(problems: list[Problem], snapshot: Snapshot) -> tuple[Problem, ...]:
    """Each problem once, in the order of the files, lines and columns."""
    files = {name: number for number, name in enumerate(snapshot.texts)}

    def place(problem: Problem) -> tuple[int, int, int]:
        where = problem.where
        return files.get(where.file, -1), where.line, where.column

    return tuple(sorted(dict.fromkeys(problems), key=place))
