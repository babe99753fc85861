"""The ACL engine: statements in, a verdict out.

What a verb makes of its conditions is the table `VERBS`; the rest follows
Exim's rules about which messages belong to which outcome.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, Flag
from typing import Any

from policyd.errors import Defer, ExpansionError, ForcedFail, Where
from policyd.language.frame import Context, Frame
from policyd.values import value_class

Foresight = Callable[[Any], Iterable[Any]]
"""``questions(tx)``: what a word will ask of DNS about a message; what a question is, the language does not know."""

MAX_NESTED_ACLS = 20


class Outcome(Enum):
    """What a condition, a statement or an ACL comes to."""

    __hash__ = object.__hash__  # there is one of each; an enumeration's own would hash its name every time

    OK = "ok"
    FAIL = "fail"
    DROP = "drop"
    DISCARD = "discard"
    DEFER = "defer"
    ERROR = "error"


class Ending(Enum):
    """What a verb makes of an outcome, where that is not an outcome itself."""

    __hash__ = object.__hash__

    NEXT = "next"  # go on with the next statement
    SAME = "same"  # the ACL ends with what the conditions came to
    PASS = "pass"  # SAME after ``endpass``, otherwise NEXT


OK, FAIL, DROP, DISCARD, DEFER, ERROR = Outcome
NEXT, SAME, PASS = Ending

VERBS: dict[str, dict[Outcome, Outcome | Ending]] = {
    "accept": {OK: OK, FAIL: PASS, DROP: PASS, DISCARD: DISCARD, DEFER: SAME, ERROR: SAME},
    "discard": {OK: DISCARD, FAIL: PASS, DROP: PASS, DISCARD: DISCARD, DEFER: SAME, ERROR: SAME},
    "deny": {OK: FAIL, FAIL: NEXT, DROP: NEXT, DISCARD: ERROR, DEFER: SAME, ERROR: SAME},
    "drop": {OK: DROP, FAIL: NEXT, DROP: NEXT, DISCARD: ERROR, DEFER: SAME, ERROR: SAME},
    "defer": {OK: DEFER, FAIL: NEXT, DROP: NEXT, DISCARD: ERROR, DEFER: SAME, ERROR: SAME},
    "require": {OK: NEXT, FAIL: SAME, DROP: SAME, DISCARD: ERROR, DEFER: SAME, ERROR: SAME},
    "warn": {OK: NEXT, FAIL: NEXT, DROP: NEXT, DISCARD: ERROR, DEFER: NEXT, ERROR: SAME},
}
"""verb: (outcome of the conditions: how the ACL goes on)."""

SPEAKS: dict[str, frozenset[Outcome]] = {
    "accept": frozenset({OK, FAIL, DROP}),
    "discard": frozenset({OK, FAIL, DROP}),
    "deny": frozenset({OK}),
    "drop": frozenset({OK}),
    "defer": frozenset({OK}),
    "require": frozenset({FAIL, DROP}),
    "warn": frozenset({OK}),
}
"""verb: the outcomes to which its ``message`` and ``log_message`` belong."""

FAILURES = (ForcedFail, Defer, ExpansionError)
"""How an evaluation can end; none of them goes further than its statement."""

NEGATED = {OK: FAIL, FAIL: OK, DROP: OK}


@value_class
class Verdict:
    """How an ACL ended. *text* is for the client, *log* for the log; *where* is the statement that decided.

    *details*: a deferral may show its text to the client. *verb*: the
    statement's, if that is what its verb is for, and not because of a
    condition that went wrong, or ``endpass``.
    """

    outcome: Outcome
    text: str | None = None
    log: str | None = None
    where: Where | None = None
    details: bool = False
    verb: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One condition or modifier. *run* answers None when it is a modifier; a condition's answer is *negated* already.

    *role* marks what only the statement understands: ``message`` and
    ``log_message`` (*text* then yields the text, and *label* is how it was
    written) and ``endpass``.
    """

    where: Where
    label: str
    run: Callable[[Context], Outcome | None]
    text: Callable[[Context], str] | None = None
    role: str = ""
    negated: bool = False
    decides: bool = False  # a condition, whose outcome the statement depends on
    phases: Flag | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A verb with its steps, and those among them that are *run*.

    *quiet*: the outcomes after which the next statement comes, and nothing else
    happens. Most come to one of these. *acceptance*: the verdict where all
    conditions are true, if that is always the same.
    """

    verb: str
    where: Where
    steps: tuple[Step, ...]
    run: tuple[Step, ...]
    quiet: frozenset[Outcome]
    acceptance: Verdict | None

    @classmethod
    def of(cls, verb: str, where: Where, steps: Iterable[Step]) -> Statement:
        """The statement of these steps."""
        found = tuple(steps)
        run = tuple(step for step in found if not step.role)
        silent = len(run) == len(found)
        acceptance = Verdict(OK, where=where, verb=verb) if verb == "accept" and silent else None
        return cls(verb, where, found, run, _quiet(verb, silent), acceptance)


def _quiet(verb: str, silent: bool) -> frozenset[Outcome]:
    """The outcomes of a statement that the ACL only passes by. *silent*: none of its steps has a role."""
    passed = {outcome for outcome, ending in VERBS[verb].items() if ending is NEXT or ending is PASS}
    if verb == "warn":
        passed.remove(DEFER)  # which is logged
    if not silent:
        passed -= SPEAKS[verb] | {outcome for outcome in passed if VERBS[verb][outcome] is PASS}
    return frozenset(passed)


def shown(subject: Statement | Step | str, outcome: Outcome | None) -> str:
    """The line of a trace for what `policyd.language.frame.Trace` is told."""
    if isinstance(subject, str):
        return subject
    text = subject.verb if isinstance(subject, Statement) else f"  {'! ' if subject.negated else ''}{subject.label}"
    return f"{subject.where} {text}{'' if outcome is None else ': ' + outcome.value}"


@dataclass(slots=True)
class Acl:
    """An ACL, while it is loaded and ever after.

    *requirements*: what only some phases allow; *calls*: the ACLs it names;
    *foreseen*: what its words will ask of DNS, see `Compiler.foresee`.
    """

    name: str
    where: Where
    statements: list[Statement] = field(default_factory=list)
    requirements: list[tuple[Flag, str, Where]] = field(default_factory=list)
    calls: list[tuple[str, Where]] = field(default_factory=list)
    foreseen: list[tuple[Flag, Foresight]] = field(default_factory=list)


def run_acl(acl: Acl, ctx: Context) -> Verdict:
    """The first statement that ends the ACL decides; running off the end is a denial.

    What a statement on trial decides ends nothing.
    """
    frame, rehearsals = ctx.frame, ctx.rehearsals
    for statement in acl.statements:
        frame.user_message = frame.log_message = None
        frame.details = False
        frame.remarks = ()
        on_trial = ctx.dry_run
        verdict = run_statement(statement, ctx)
        if ctx.dry_run is not on_trial and _is_tried_alone(statement, verdict):
            ctx.rehearse(verdict)
        elif verdict is not None:
            return verdict
    if ctx.rehearsals != rehearsals:  # it is let through, and nothing else has an opinion
        return Verdict(OK, where=acl.where)
    return _run_off(acl, frame)


def _run_off(acl: Acl, frame: Frame) -> Verdict:
    """A denial, with the messages that the last statement left behind."""
    verb = acl.statements[-1].verb if acl.statements else "warn"
    if verb == "warn":
        return Verdict(FAIL, where=acl.where)
    text, log = frame.user_message, frame.log_message
    if log is None and verb in ("accept", "discard"):
        log = text
    return Verdict(FAIL, text, log, acl.where)


def _is_tried_alone(statement: Statement, verdict: Verdict | None) -> bool:
    """Whether a statement that has asked for a dry run did so for itself: ``warn`` asks for the ACL."""
    return statement.verb != "warn" and (verdict is None or verdict.outcome is not OK)


def run_statement(statement: Statement, ctx: Context) -> Verdict | None:
    """The verdict, when this statement ends the ACL: its conditions are tried up to the first that is not true."""
    outcome: Outcome | None
    step: Step | None
    for step in statement.run:
        try:
            hindered = ctx.frame.guarded or time.monotonic() >= ctx.deadline
            outcome = _hindered(step, ctx) if hindered else step.run(ctx)
        except FAILURES as error:
            outcome = _failure(error, ctx)
        if ctx.trace:
            ctx.trace((step, outcome))
        if outcome is not OK and outcome is not None:
            break
    else:
        outcome, step = OK, None
    verdict = statement.acceptance if outcome is OK else None
    if verdict is None and outcome not in statement.quiet:
        return _speaking(statement, outcome, step, ctx)
    if ctx.trace:
        ctx.trace((statement, outcome))
    return verdict


def _speaking(statement: Statement, outcome: Outcome, unmet: Step | None, ctx: Context) -> Verdict | None:
    """The same for one that has something to say, or ends the ACL. *unmet*: the condition that was not true."""
    roles = _roles(statement, unmet)
    if outcome in SPEAKS[statement.verb]:
        _speak(statement.verb, outcome, roles, ctx)
    if ctx.trace:
        ctx.trace((statement, outcome))
    ending = VERBS[statement.verb][outcome]
    if ending is PASS:
        ending = SAME if "endpass" in roles else NEXT
    if ending is not NEXT:
        return _verdict(statement, outcome, ending, ctx)
    if statement.verb == "warn":
        _go_on(statement, outcome, ctx)
    return None


def _verdict(statement: Statement, outcome: Outcome, ending: Outcome | Ending, ctx: Context) -> Verdict:
    """What the ACL comes to, which this statement ends."""
    final = outcome if ending is SAME else ending
    frame = ctx.frame
    if statement.verb == "defer" and outcome is OK:
        frame.details = True
    if final is ERROR and outcome is DISCARD:
        frame.log_message = (
            f'nested ACL returned "discard" for "{statement.verb}" command (only allowed with "accept" or "discard")'
        )
    assert isinstance(final, Outcome)
    chosen = ending is not SAME or (statement.verb == "require" and outcome in NEGATED)
    verb = statement.verb if chosen else ""
    return Verdict(final, frame.user_message, frame.log_message, statement.where, frame.details, verb)


def _roles(statement: Statement, unmet: Step | None) -> dict[str, Step]:
    """The steps with a role that come before the *unmet* one, by that; the last of each counts."""
    met = statement.steps if unmet is None else statement.steps[: statement.steps.index(unmet)]
    return {step.role: step for step in met if step.role}


def _hindered(step: Step, ctx: Context) -> Outcome | None:
    """What a step comes to that has to be allowed here first, and in time."""
    if ctx.frame.guarded and step.phases is not None and not ctx.phase & step.phases:
        return _fault(ctx, ERROR, f"cannot use {step.label} in the {str(ctx.phase.name).lower()} ACL")
    if time.monotonic() >= ctx.deadline:
        return _fault(ctx, DEFER, "the time for this phase is over")
    return step.run(ctx)


def _failure(error: Exception, ctx: Context) -> Outcome | None:
    """What a step comes to whose evaluation has ended in one of the three exceptions."""
    if isinstance(error, ForcedFail):
        return None  # the item vanishes, negated or not
    return _fault(ctx, DEFER if isinstance(error, Defer) else ERROR, str(error))


def _fault(ctx: Context, outcome: Outcome, reason: str) -> Outcome:
    ctx.frame.log_message = reason or ctx.frame.log_message
    return outcome


def _speak(verb: str, outcome: Outcome, roles: dict[str, Step], ctx: Context) -> None:
    """Expand the statement's own messages, now that its outcome is known."""
    frame = ctx.frame
    old_user, old_log = frame.user_message, frame.log_message or frame.user_message
    if verb == "warn" or (outcome is OK and verb in ("accept", "discard")):
        frame.user_message = frame.log_message = None
    if "message" in roles and not ("endpass" in roles and outcome is OK):
        frame.verify_message = old_user or ""
        frame.user_message = _expanded(roles["message"], ctx) or frame.user_message
    if "log_message" in roles:
        frame.verify_message = old_log or ""
        text = _expanded(roles["log_message"], ctx)
        if text:
            frame.log_message = f"{text}: {frame.log_message}" if frame.log_message else text
    if frame.log_message is None and verb != "warn":
        frame.log_message = frame.user_message
    frame.verify_message = ""


def _expanded(step: Step, ctx: Context) -> str:
    """A message's text; one that cannot be expanded is reported and counts as absent."""
    assert step.text is not None
    try:
        return step.text(ctx)
    except ForcedFail:
        return ""
    except (ExpansionError, Defer) as error:
        ctx.complain(f'failed to expand ACL message "{step.label}" ({step.where}): {error}')
        return ""


def _go_on(statement: Statement, outcome: Outcome, ctx: Context) -> None:
    """What a ``warn`` leaves behind before the next statement."""
    frame = ctx.frame
    if outcome is OK:
        ctx.warn(frame.user_message, frame.log_message)
    else:  # it was deferred
        reason = f": {frame.log_message}" if frame.log_message else ""
        ctx.note(f'ACL "warn" statement skipped ({statement.where}): condition test deferred{reason}')
    frame.user_message = frame.log_message = None
