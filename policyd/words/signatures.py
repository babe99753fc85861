"""The signatures of a message: its body is hashed for them while it passes; DKIM, DMARC and ARC ask what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from policyd.checks.canonical import BodyHashes, Fields
from policyd.checks.dkim import DkimSignature, examine, verify
from policyd.checks.dkim_proof import Rules
from policyd.checks.dkim_signature import ALGORITHMS, Signature
from policyd.checks.dkim_tags import DkimResult, Flaw, Problem
from policyd.errors import ExpansionError
from policyd.observers import Observer, observe
from policyd.resolver import Question
from policyd.settings import Settings
from policyd.transaction import Transaction, fact

BEST = (
    DkimResult.PASS,
    DkimResult.TEMPERROR,  # it may pass another time
    DkimResult.POLICY,
    DkimResult.FAIL,
    DkimResult.NEUTRAL,
    DkimResult.PERMERROR,
    DkimResult.NONE,
)
"""What a message's signatures come to, for the metrics: the first of these that one of them has."""

RESULTS = frozenset(map(str, DkimResult))


@dataclass(slots=True)
class Passing:
    """A message on its way: its header, and the hashes of its body, which is gone when it has passed.

    *rules*: what signatures are accepted.
    """

    fields: Fields
    rules: Rules
    bodies: BodyHashes = field(default_factory=BodyHashes)
    signatures: Sequence[Signature] = ()


def passing(tx: Transaction) -> Passing:
    """The message, from the end of its header on."""
    found: Passing | None = tx.facts.get("passing")
    if found is None:
        found = Passing(Fields(tx.message.arrived), rules(tx.settings))
        tx.facts["passing"] = found
    return found


def feed(tx: Transaction, chunk: bytes) -> None:
    """The next part of the body."""
    found: Passing | None = tx.facts.get("passing")
    if found is not None:
        found.bodies.feed(chunk)


def rules(settings: Settings) -> Rules:
    """What this policy accepts of signatures."""
    return Rules(
        settings.dkim_max_signatures,
        settings.dkim_verify_hashes,
        settings.dkim_verify_keytypes,
        dict(settings.dkim_verify_min_keysizes),
        partial=settings.dkim_allow_unsigned_body,
        minimal=settings.dkim_verify_minimal,
    )


# -- DKIM


def _examine(tx: Transaction) -> None:
    if tx.checks.dkim:
        message = passing(tx)
        message.signatures = examine(message.fields, message.rules, tx.services.clock(), message.bodies)
        tx.facts["dkim_examined"] = True


def _keys(tx: Transaction) -> list[Question]:
    """What `dkim` will ask."""
    return [Question("TXT", said.key_name) for said in examined(tx) if not said.flaw]


observe("dkim", Observer(headers=_examine, body=feed, questions=_keys))


def was_examined(tx: Transaction) -> bool:
    """Whether the header has been looked at: not before its end, and not where DKIM is switched off."""
    return "dkim_examined" in tx.facts


def examined(tx: Transaction) -> Sequence[Signature]:
    """The signatures as they were written; none before the end of the header."""
    return passing(tx).signatures if was_examined(tx) else ()


def signatures(tx: Transaction) -> Sequence[DkimSignature]:
    """The signatures, and what came of each; none before the end of the message, or where DKIM is switched off.

    Raises `ExpansionError` where nobody knew in time that they would be asked for.
    """
    if not (tx.checks.dkim and tx.message.complete):
        return ()
    if not was_examined(tx):
        raise ExpansionError("DKIM is used only in text that is found while mail flows: set acl_smtp_dkim, too")
    found: list[DkimSignature] = dkim(tx)
    return found


def overrule(tx: Transaction, number: int, status: str, reason: str) -> None:
    """Give a signature another result: one of RFC 8601's words, or else ``policy``."""
    found: list[DkimSignature] = dkim(tx)
    one = found[number]
    result = DkimResult(status) if status in RESULTS else DkimResult.POLICY
    flaw = None if result is DkimResult.PASS else Flaw(Problem("", result), reason)
    found[number] = replace(one, proof=replace(one.proof, flaw=flaw))


@fact
def dkim(tx: Transaction) -> list[DkimSignature]:
    """Verify all signatures, within this phase's time, and count them."""
    message = passing(tx)
    found = verify(message.signatures, message.fields, message.bodies, tx.resolver, message.rules)
    results = [one.result for one in found]
    metrics = tx.services.metrics
    metrics.count("dkim_results_total", next((str(result) for result in BEST if result in results), "none"))
    for one in found:
        algorithm = one.signature.algorithm if one.signature.algorithm in ALGORITHMS else "other"
        metrics.count("dkim_signatures_total", str(one.result), algorithm, _bits(one))
    return found


def _bits(one: DkimSignature) -> str:
    """The size of the key, as the metric has it."""
    key = one.proof.key
    if key is None:
        return "unknown"
    if key.type == "ed25519":
        return "ed25519"
    return "lt1024" if key.bits < 1024 else "1024" if key.bits < 2048 else "2048" if key.bits == 2048 else "gt2048"
