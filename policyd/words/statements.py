"""The modifiers of an ACL that act, and the ``condition`` condition."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from policyd.durations import seconds
from policyd.errors import Defer
from policyd.language.cutting import cut
from policyd.language.expand import expanded, parsed
from policyd.language.patterns import Pattern
from policyd.language.registry import condition, modifier
from policyd.language.source import BLANKS
from policyd.policy import AFTER_MAIL, ANY, Phase
from policyd.transaction import Transaction
from policyd.words.comparisons import truth

if TYPE_CHECKING:
    from policyd.language.compiler import Compiler
    from policyd.language.source import Source

LOGS = ("main", "reject", "panic")
SEVERAL = re.compile(r"\\n|\n|\$\{?acl_|\$\{(?:acl|expand|lookup|readfile|readsocket|run|sg|tr)\b", re.ASCII)
"""What stands in a text that is to be several fields, or to bring them from elsewhere."""
NEW_LINE = re.compile(r"\r?\n(?![ \t])")
LOGWRITE = re.compile(r"(?::((?:(?:main|reject|panic),?)*):|(?!:))(.*)", re.DOTALL)
LOG_NAME = re.compile("|".join(LOGS))


# -- condition


@condition("condition", argument=expanded)
def _condition(_: Transaction, text: str) -> bool:
    """True for yes, true and numbers but zero; false for no, false, zero and nothing; anything else defers."""
    answer = truth(text)
    if answer is None:
        raise Defer(f'invalid "condition" value "{text}"')
    return answer


# -- the log


@modifier("logwrite", argument=expanded)
def _logwrite(tx: Transaction, text: str) -> None:
    """Write a line to the log, now; ``:main,reject,panic:`` in front says to which."""
    found = LOGWRITE.fullmatch(text)
    if found is None:
        tx.complain(f'unknown log name in "{text}" in "logwrite" in {tx.phase.title} ACL')
        return
    names, line = found.groups()
    for target in dict.fromkeys(LOG_NAME.findall(names or "main")):
        tx.record(target, line.lstrip(BLANKS))


def log_names(text: str) -> tuple[str, ...]:
    """The items of a ``log_reject_target`` list; empty text means no log at all."""
    names = tuple(dict.fromkeys(item for _, item in cut(text)))
    for name in names:
        if name not in LOGS:
            raise ValueError(f'unknown log name "{name}": main, reject and panic exist')
    return names


@modifier("log_reject_target", argument=parsed(log_names))
def _log_reject_target(tx: Transaction, names: tuple[str, ...]) -> None:
    """Which logs a refusal by this ACL goes to: a list of main, reject and panic, or nothing."""
    tx.reject_targets = names


# -- headers


def fields(source: Source, compiler: Compiler) -> Callable[[Any], str]:
    """A text of header fields. Where the policy has no line ends to say, none of the client's begins a field."""
    text = expanded(source, compiler)
    if SEVERAL.search(source.text):
        return text
    return lambda ctx: _in_one(text(ctx).strip("\n"))


def _in_one(text: str) -> str:
    """One field, whatever line ends there are."""
    return NEW_LINE.sub("\n ", text) if "\n" in text else text


@modifier("add_header", argument=fields, phases=AFTER_MAIL, needs="add")
def _add_header(tx: Transaction, text: str) -> None:
    """Add header lines to the message; ``:at_start:``, ``:after_received:`` or ``:at_start_rfc:`` says where.

    A line end of the policy's own (``\\n``) begins another field; one in a value
    from the message, such as ``$h_subject:``, does not.
    """
    tx.add_headers(text)


def header_names(text: str) -> list[str]:
    """The items of a ``remove_header`` list, whose separator is always a colon."""
    items = [item for _, item in cut(f"<:{text}") if item]
    for item in items:
        if item.startswith("^"):
            Pattern(item, caseless=True)  # a wrong one is an error here, and not where it is applied
    return items


@modifier("remove_header", argument=parsed(header_names), phases=AFTER_MAIL, needs="change")
def _remove_header(tx: Transaction, items: list[str]) -> None:
    """Remove all header fields with the names in a list; ``^`` and a regular expression is for their whole text.

    Names and expressions are matched without case. What an ACL of the same phase
    adds is not removed.
    """
    tx.removed_headers += items


# -- time


@modifier("delay", argument=parsed(seconds), phases=ANY & ~Phase.NOTQUIT, needs="delay")
def _delay(tx: Transaction, duration: float) -> None:
    """Wait; never longer than the phase may take."""
    tx.services.sleep(max(0.0, min(duration, tx.deadline - time.monotonic() - 1)))


@modifier("continue", argument=expanded)
def _continue(_: Transaction, __: str) -> None:
    """Expand a text for what its expansion does, and ignore the result."""
