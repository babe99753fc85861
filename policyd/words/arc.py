"""ARC in policies: ``verify = arc``, its variables, and who is believed. Nothing else knows of it."""

from __future__ import annotations

from collections.abc import Iterator

from policyd.checks.arc import ArcOutcome, ArcResult, Chain, examine, verify
from policyd.errors import ExpansionError
from policyd.language.marks import client_controlled
from policyd.language.registry import variable, verification
from policyd.mail.authres import AuthResult
from policyd.mail.octets import lower
from policyd.observers import Observer, observe
from policyd.policy import Phase
from policyd.resolver import Question
from policyd.transaction import Transaction, fact
from policyd.words.authres import reports
from policyd.words.signatures import feed, passing

STATES = tuple(map(str, ArcResult))


def _examine(tx: Transaction) -> None:
    message = passing(tx)
    tx.facts["arc_chain"] = examine(message.fields, message.rules, tx.services.clock(), message.bodies)


def _keys(tx: Transaction) -> list[Question]:
    """What `arc` will ask; nothing where it is plain that the chain is broken."""
    chain: Chain = tx.facts["arc_chain"]
    if chain.trouble or not chain.sets:
        return []
    said = [said for one in chain.sets for said in (one.seal, one.message)]
    return [Question("TXT", name) for name in dict.fromkeys(one.key_name for one in said if not one.flaw)]


observe("arc", Observer(headers=_examine, body=feed, questions=_keys))


@fact
def arc(tx: Transaction) -> ArcOutcome:
    """What the chain is worth, within this phase's time, counted."""
    message = passing(tx)
    chain: Chain = tx.facts["arc_chain"]
    outcome = verify(chain, message.fields, message.bodies, tx.resolver, message.rules)
    trusted = "true" if is_trusted(tx, outcome) else "false"
    tx.services.metrics.count("arc_results_total", str(outcome.result), trusted)
    return outcome


def evaluated(tx: Transaction) -> ArcOutcome:
    """The outcome, found when first asked for. Raises `ExpansionError` where nobody knew in time that it would be."""
    if "arc_chain" not in tx.facts:
        raise ExpansionError("ARC is used only in text that is found while mail flows: use it in the data ACL, too")
    outcome: ArcOutcome = arc(tx)
    return outcome


def is_trusted(tx: Transaction, outcome: ArcOutcome) -> bool:
    """Whether the chain holds, and its newest seal is by one whom the policy believes."""
    sealers = tx.settings.arc_trusted_sealers
    if sealers is None or outcome.result is not ArcResult.PASS:
        return False
    return sealers(tx, lower(outcome.sets[-1].seal.domain)) is not None


def _states(text: str) -> frozenset[str]:
    """``/pass:none``: the states that will do. Raises ValueError."""
    names = [name.strip(" \t") for name in text.removeprefix("/").split(":")] if text else ["pass"]
    for name in names:
        if lower(name) not in STATES:
            raise ValueError(f'"{name}" is no state of ARC\nthere are {", ".join(STATES)}')
    return frozenset(map(lower, names))


@verification("arc", phases=Phase.DATA, options=_states, needs="arc")
def _verify_arc(tx: Transaction, states: frozenset[str]) -> bool:
    """Whether the state of the ARC chain is one of those named: ``arc/none:fail``; without any, ``pass``.

    ``none``: there is no chain; ``fail``: it is broken. Where that is only
    because DNS does not answer, it may be told apart as ``temperror``. Sets the
    ``$arc_…`` variables.
    """
    outcome = evaluated(tx)
    if outcome.result in states or (outcome.result is ArcResult.TEMPERROR and "fail" in states):
        return True
    tx.frame.log_message = f"ARC {outcome.result}{': ' + outcome.reason if outcome.reason else ''}"
    return False


def _known(tx: Transaction) -> ArcOutcome | None:
    outcome: ArcOutcome | None = tx.facts.get("arc")
    return outcome


@variable("arc_state", needs="arc")
def _arc_state(tx: Transaction) -> str:
    """``none``, ``pass`` or ``fail``: what ``verify = arc`` has found; empty until then, like all ``$arc_…``."""
    outcome = _known(tx)
    return "" if outcome is None else str(outcome.result).replace("temperror", "fail")


@client_controlled
@variable("arc_state_reason", needs="arc")
def _arc_state_reason(tx: Transaction) -> str:
    """Why the chain is broken, in words."""
    outcome = _known(tx)
    return outcome.reason if outcome else ""


@client_controlled
@variable("arc_domains", needs="arc")
def _arc_domains(tx: Transaction) -> str:
    """Those who have sealed the message, the first of them first: a list of domains."""
    outcome = _known(tx)
    return ":".join(one.seal.domain for one in outcome.sets) if outcome else ""


@variable("arc_oldest_pass", needs="arc")
def _arc_oldest_pass(tx: Transaction) -> str:
    """The number of the first who would still find the message as it was passed on; 0 where nobody would."""
    outcome = _known(tx)
    return str(outcome.oldest_pass) if outcome else "0"


@variable("arc_trusted", needs="arc", extension=True)
def _arc_trusted(tx: Transaction) -> str:
    """``yes`` when the chain holds and whoever sealed it last is one of ``arc_trusted_sealers``; otherwise ``no``."""
    outcome = _known(tx)
    return "yes" if outcome and is_trusted(tx, outcome) else "no"


@client_controlled
@variable("arc_results", needs="arc", extension=True)
def _arc_results(tx: Transaction) -> str:
    """What the one who sealed the message last had found of it: their ARC-Authentication-Results field.

    Believe it only where ``$arc_trusted`` is ``yes``.
    """
    outcome = _known(tx)
    return outcome.sets[-1].results if outcome and outcome.sets else ""


@reports("arc")
def _report(tx: Transaction) -> Iterator[AuthResult]:
    """RFC 8617 10.2; not before it has been asked for."""
    outcome = _known(tx)
    if outcome:
        number = outcome.oldest_pass
        oldest = str(number if number > 1 else 0) if number else ""  # 0: all hold (RFC 8617 5.2, step 5)
        yield AuthResult("arc", _arc_state(tx), (("header.oldest-pass", oldest),), outcome.reason)
