"""What is agreed with the MTA on a channel: it tells, and waits for, no more than the policy needs.

libmilter asks once per channel: each keeps the terms of the policy it begins with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import milter

from policyd.language.registry import COMPUTED
from policyd.observers import BODY
from policyd.policy import Phase
from policyd.server import macros

PHASES = frozenset(str(phase.name).lower() for phase in Phase)
CONTENT = BODY | {"data", "add", "change", "received"}  # verdicts, sizes, and what has a place among its fields
MESSAGE = CONTENT | {"rcpt", "predata", "quit", "notquit"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an MTA tells: *name* is that of the session's callback.

    It is told for any of the needs in *told*, and answered for any of those in
    *answered*. *never* and *silent*: the steps of the protocol that say that
    it is not told, and that nobody waits for an answer.
    """

    name: str
    never: int
    silent: int
    told: frozenset[str]
    answered: frozenset[str] = frozenset()


EVENTS = (
    # Refusing waits for HELO, which can carry a text. But of a client that nobody waits for, and that leaves at once,
    # libmilter throws away all it was told, before an ACL has counted it.
    Event("connect", 0, milter.P_NR_CONN, frozenset(), frozenset({"connect", "delay"})),
    Event("helo", milter.P_NOHELO, milter.P_NR_HELO, PHASES, frozenset({"connect", "helo"})),
    Event("envfrom", milter.P_NOMAIL, milter.P_NR_MAIL, PHASES, frozenset({"connect", "helo", "mail"})),
    Event("envrcpt", milter.P_NORCPT, milter.P_NR_RCPT, MESSAGE | {"commands"}, frozenset({"rcpt"})),
    Event("data", milter.P_NODATA, milter.P_NR_DATA, frozenset({"predata", "commands"}), frozenset({"predata"})),
    Event("header", milter.P_NOHDRS, milter.P_NR_HDR, CONTENT),
    Event("eoh", milter.P_NOEOH, milter.P_NR_EOH, CONTENT),
    Event("body", milter.P_NOBODY, milter.P_NR_BODY, BODY),
)
"""The end of a message is always told, and waited for."""

ALWAYS = milter.P_HDR_LEADSPC | milter.P_NOUNKNOWN  # the exact octets of fields, and no unknown commands
ACTIONS = {
    "add": milter.ADDHDRS,
    "change": milter.CHGHDRS,
    "delete": milter.DELRCPT,
    "quarantine": milter.QUARANTINE,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a policy wants: *actions* and *steps* of the protocol, and macros by their stage.

    *symbols*: how the MTA is asked for these.
    """

    actions: int
    steps: int
    macros: Mapping[int, tuple[str, ...]]
    symbols: Mapping[int, str]


@lru_cache(maxsize=16)
def terms_of(needs: frozenset[str]) -> Terms:
    """The least that is enough for *needs*; for text that is computed, everything."""
    if COMPUTED in needs:
        needs = MESSAGE | PHASES | BODY | ACTIONS.keys() | {COMPUTED, "commands", "delay"}
    steps = ALWAYS
    for event in EVENTS:
        if event.told and needs.isdisjoint(event.told):
            steps |= event.never
        elif needs.isdisjoint(event.answered):
            steps |= event.silent
    actions = sum(action for need, action in ACTIONS.items() if need in needs)
    wanted = macros.wanted(needs)
    return Terms(actions, steps, wanted, macros.symbols(wanted))


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the MTA has agreed to, for policies with these *needs*.

    *leading_space*: header fields come and go with the blank after their colon.
    *silent*: the callbacks whose answers nobody waits for.
    """

    needs: frozenset[str]
    leading_space: bool
    silent: frozenset[str]
    macros: Mapping[int, macros.Keys]


def agree(ctx: Any, options: list[int], needs: frozenset[str]) -> Agreement:
    """Settle what is done and told on a channel.

    *options*: the actions and steps that the MTA offers, and two numbers that
    mean nothing; then those agreed on.
    """
    terms, actions, steps = terms_of(needs), options[0], options[1]
    if actions & milter.SETSYMLIST:
        macros.ask(ctx, terms.symbols)
    options[:] = [actions & (terms.actions | milter.SETSYMLIST), steps & terms.steps, 0, 0]
    return agreement(needs, options[1])


@lru_cache(maxsize=16)
def agreement(needs: frozenset[str], steps: int) -> Agreement:
    """What the *steps* of the protocol that are agreed on come to."""
    silent = frozenset(event.name for event in EVENTS if steps & event.silent)
    keys = {stage: macros.keys(names) for stage, names in terms_of(needs).macros.items()}
    return Agreement(needs, bool(steps & milter.P_HDR_LEADSPC), silent, keys)
