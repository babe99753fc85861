"""ACLs that call others: what leads to which, and how one runs inside another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Flag
from typing import TYPE_CHECKING

from policyd.errors import ExpansionError, PolicyError
from policyd.language.frame import Context
from policyd.language.registry import did_you_mean
from policyd.language.verdict import MAX_NESTED_ACLS, VERBS, Acl, Verdict

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler

RunAcl = Callable[[Context], Verdict]


@dataclass(frozen=True, slots=True)
class Entry:
    """What an ``acl_smtp_…`` option runs: a named ACL, text of its own, or whatever its expansion says."""

    run: RunAcl
    acl: Acl

    def check(self, phase: Flag, compiler: Compiler) -> None:
        """Report what cannot be used in *phase*, here and in every ACL called from here by name."""
        check(self.acl, phase, compiler, set())

    def accepts(self, compiler: Compiler) -> bool:
        """Whether it does nothing but accept: its first statement is an ``accept`` without conditions."""
        acl = self.acl
        if len(acl.calls) == 1 and not acl.statements:
            acl = compiler.acls.get(acl.calls[0][0], acl)
        return bool(acl.statements) and acl.statements[0].verb == "accept" and not acl.statements[0].steps


def reachable(entries: Iterable[Entry], compiler: Compiler) -> list[Acl]:
    """What these lead to by name, themselves included, each once."""
    found: dict[int, Acl] = {}
    waiting = [entry.acl for entry in entries]
    while waiting:
        acl = waiting.pop()
        if id(acl) not in found:
            found[id(acl)] = acl
            waiting += [called for name, _ in acl.calls if (called := compiler.acls.get(name))]
    return list(found.values())


def check(acl: Acl, phase: Flag, compiler: Compiler, seen: set[int]) -> None:
    """Walk an ACL and the ones it calls. Each mistake is reported once, whatever leads to it."""
    if id(acl) in seen:
        return
    seen.add(id(acl))
    for phases, what, where in acl.requirements:
        if not phases & phase:
            allowed = ", ".join(str(member.name).lower() for member in phases)
            compiler.report_once(
                PolicyError.at(where, f"{what} cannot be used in the {_name(phase)} ACL", f"allowed in: {allowed}")
            )
    for name, where in acl.calls:
        called = compiler.acls.get(name)
        if called is None and name in VERBS:
            continue
        if called is None:
            compiler.report_once(
                PolicyError.at(where, f'there is no ACL named "{name}"', did_you_mean(name, list(compiler.acls)))
            )
        else:
            check(called, phase, compiler, seen)


def _name(phase: Flag) -> str:
    return str(phase.name).lower()


def call(run: RunAcl, arguments: tuple[str, ...], ctx: Context) -> Verdict:
    """Run an ACL inside another, with its own ``$acl_arg1`` …"""
    frame = ctx.frame
    if frame.acls >= MAX_NESTED_ACLS:
        raise ExpansionError("ACL nested too deep: possible loop")
    saved = frame.arguments
    frame.arguments, frame.acls = arguments, frame.acls + 1
    try:
        verdict = run(ctx)
    finally:
        frame.arguments, frame.acls = saved, frame.acls - 1
    frame.user_message, frame.log_message = verdict.text, verdict.log
    return verdict
