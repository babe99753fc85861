"""What the client is told, and the log, when an ACL has come to its verdict."""

from __future__ import annotations

from dataclasses import replace

from policyd import loglines
from policyd.errors import Where
from policyd.language.verdict import DEFER, DISCARD, DROP, ERROR, FAIL, OK, Outcome, Verdict
from policyd.mail.reply import WIDTH, ReplyText, reply_lines, reply_text, split
from policyd.policy import CONNECT, HELO, NOTQUIT, PREDATA, QUIT
from policyd.transaction import Transaction, host_text
from policyd.values import value_class

DEFAULT_CODES = {FAIL: 550, DROP: 550, DEFER: 451, ERROR: 451}
ACCEPT_CODES = {CONNECT: 220, PREDATA: 354, QUIT: 221}  # 250 elsewhere
ENDINGS = frozenset({QUIT, NOTQUIT})  # nothing is left to refuse
REFUSED = "Administrative prohibition"
TROUBLE = "Temporary local problem - please try later"
REHEARSED = "dry run: "


@value_class
class Reply:
    """What the client is told. *code* is 0 where the MTA speaks for itself; *lines* may then be a policy's own text.

    *enhanced* (RFC 3463) is empty when the policy gave none. *where* is the
    statement that decided; None when no ACL ran. *explanation* names the one
    that is kept (`policyd.explanations`).
    """

    outcome: Outcome
    code: int = 0
    enhanced: str = ""
    lines: tuple[str, ...] = ()
    where: Where | None = None
    explanation: str = ""


def worded(tx: Transaction, verdict: Verdict) -> Reply:
    """Put a verdict into words, and log it unless it is an acceptance."""
    if tx.phase in ENDINGS:
        return _farewell(tx, verdict)
    if verdict.outcome is OK:
        return _accepted(tx, verdict)
    if verdict.outcome is DISCARD:
        reply = replace(_accepted(tx, verdict), outcome=DISCARD)
        _log(tx, loglines.discard(tx, verdict), ("main", "reject"))
        return reply
    return _refused(tx, verdict)


def _refused(tx: Transaction, verdict: Verdict) -> Reply:
    """Why something is wrong for now is mostly none of the client's business."""
    code = DEFAULT_CODES[verdict.outcome]
    text = _text(tx, code, split(verdict.text or REFUSED))
    if text.complaint and verdict.log is verdict.text and len(verdict.log or "") <= WIDTH:  # log what is said instead
        verdict = replace(verdict, log=f"{code} {text.text}")
    _log(tx, loglines.rejection(tx, verdict), tx.reject_targets)
    details = verdict.details or (verdict.outcome is DEFER and tx.settings.smtp_return_error_details)
    lines = _lines(tx, text.text) if code == 550 or (verdict.text and details) else (TROUBLE,)
    return Reply(verdict.outcome, text.code, text.enhanced, lines, verdict.where)


def _accepted(tx: Transaction, verdict: Verdict) -> Reply:
    """Mostly the MTA speaks for itself; a text of the policy's own is there for whoever can show it."""
    if not verdict.text:
        return Reply(OK, where=verdict.where)
    wide = verdict.text.rstrip() if tx.phase is CONNECT else verdict.text
    text = _text(tx, ACCEPT_CODES.get(tx.phase, 250), split(wide) if verdict.outcome is OK else wide)
    return Reply(OK, text.code, text.enhanced, _accepting_lines(tx, text), verdict.where)


def _accepting_lines(tx: Transaction, text: ReplyText) -> tuple[str, ...]:
    """A greeting is shown as it is; the answer to HELO has one line."""
    if tx.phase is CONNECT:
        return tuple(text.text.split("\n"))
    lines = _lines(tx, text.text)
    if tx.phase is HELO and "\n" in text.text:
        coded = " ".join(filter(None, (str(text.code), text.enhanced, text.text)))
        tx.log(f"EHLO/HELO response must not contain newlines: message truncated: {coded}")
        return lines[:1]
    return lines


def _farewell(tx: Transaction, verdict: Verdict) -> Reply:
    """The answer to QUIT: whatever the verdict, its text, and in it a code is text like any other."""
    wrong = verdict.log or "" if verdict.outcome is ERROR else _misuse(verdict)
    if wrong is not None:
        tx.complain(f"ACL for {'QUIT' if tx.phase is QUIT else 'not-QUIT'} returned ERROR: {wrong}")
    if not verdict.text:
        return Reply(OK, where=verdict.where)
    return Reply(OK, ACCEPT_CODES[QUIT], "", _lines(tx, split(verdict.text)), verdict.where)


def _misuse(verdict: Verdict) -> str | None:
    """What is wrong with refusing at the end of a connection; None where it was not a verb that refused."""
    if verdict.verb in ("", "accept"):
        return None
    return f"QUIT or not-QUIT toplevel ACL may not fail ('{verdict.verb}' verb used incorrectly)"


def _text(tx: Transaction, code: int, text: str) -> ReplyText:
    """The parts of an ACL's message; what is wrong with its code is logged."""
    reply = reply_text(code, text)
    if reply.complaint:
        tx.complain(reply.complaint)
    return reply


def _lines(tx: Transaction, text: str) -> tuple[str, ...]:
    return reply_lines(text, tx.connection.multiline)


def _log(tx: Transaction, line: str, targets: tuple[str, ...]) -> None:
    for target in targets:
        tx.record(target, f"{REHEARSED}{line}" if tx.dry_run else line)


def rehearsed(tx: Transaction, reply: Reply, quarantine: str) -> Reply:
    """What becomes of a verdict in a dry run: the command is accepted, and *quarantine* is what it was before."""
    if tx.quarantine != quarantine:
        tx.log(f"{REHEARSED}{host_text(tx)} would be held: {tx.quarantine}")
        tx.quarantine = quarantine
    if reply.outcome is OK:
        return reply
    return Reply(OK, where=reply.where, explanation=reply.explanation)


def rendered(reply: Reply) -> list[str]:
    """The lines of a reply as SMTP has them; none where the policy has nothing to say."""
    prefix = f"{reply.enhanced} " if reply.enhanced else ""
    last = len(reply.lines) - 1
    return [f"{reply.code}{' ' if n == last else '-'}{prefix}{line}" for n, line in enumerate(reply.lines)]
