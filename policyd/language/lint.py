"""What loads, and is probably not what its author meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Flag

from policyd.errors import Problem, Severity
from policyd.language.calls import Entry
from policyd.language.verdict import NEXT, VERBS, Acl, Outcome, Statement


def suspicions(acls: Mapping[str, Acl], entries: Mapping[Flag, Entry]) -> Iterator[Problem]:
    """Statements that nothing reaches, and ACLs that end in a denial which nobody wrote."""
    for acl in acls.values():
        yield from _unreached(acl)
    for entry in entries.values():
        named = [acls[name] for name, _ in entry.acl.calls if name in acls]
        for acl in named:
            yield from _open_ended(acl)


def always_ends(statement: Statement) -> bool:
    """Whether the ACL never goes on behind this statement: it has no condition, and its verb ends the ACL."""
    return VERBS[statement.verb][Outcome.OK] is not NEXT and not any(step.decides for step in statement.steps)


def _unreached(acl: Acl) -> Iterator[Problem]:
    for statement, following in zip(acl.statements, acl.statements[1:], strict=False):
        if always_ends(statement):
            message = f'this "{following.verb}" is never reached: {statement.where} always ends the ACL'
            yield Problem(following.where, message, "put it before that, or add a condition there", Severity.WARNING)
            return


def _open_ended(acl: Acl) -> Iterator[Problem]:
    if not any(always_ends(statement) for statement in acl.statements):
        where = acl.statements[-1].where if acl.statements else acl.where
        message = f'ACL "{acl.name}" can run off its end, which denies'
        yield Problem(where, message, "end it with accept, or with deny to make it plain", Severity.WARNING)
