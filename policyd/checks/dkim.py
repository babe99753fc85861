"""DKIM: whose signatures does a message carry, and do they hold?  RFC 6376, with RFC 8301 and RFC 8463.

In two halves, because a body passes by and is gone: `examine` reads the
signatures when the header is complete, and says how the body is to be hashed;
`verify` finishes when it has been.
"""

from __future__ import annotations

from collections.abc import Sequence

from policyd.checks.canonical import BodyHashes, Fields
from policyd.checks.dkim_proof import Proof, Rules, accepted, is_accepted, proof_of_message
from policyd.checks.dkim_signature import Signature, signature
from policyd.checks.dkim_tags import NOT_TRIED, DkimResult, Flaw
from policyd.resolver import Resolver
from policyd.values import value_class

FIELD = "dkim-signature"


@value_class
class DkimSignature:
    """A signature, and what came of it."""

    signature: Signature
    proof: Proof

    @property
    def result(self) -> DkimResult:
        """RFC 8601's word."""
        return self.proof.flaw.problem.result if self.proof.flaw else DkimResult.PASS

    @property
    def reason(self) -> str:
        """Why it did not pass: a line of printable ASCII, or nothing."""
        return self.proof.flaw.reason if self.proof.flaw else ""


def examine(fields: Fields, rules: Rules, now: float, bodies: BodyHashes) -> list[Signature]:
    """The signatures of a header; *bodies* is told the hashes they need. *now*: seconds since 1970.

    Preferred types of keys first, then preferred hashes, then from the top, as
    Exim takes them. What is below *max_signatures* is not looked at.
    """
    places = fields.places(FIELD)[: rules.max_signatures]
    found = [accepted(signature(fields.all[place][1], place, now), rules) for place in places]
    for said in found:
        if not said.flaw:
            bodies.want(said.body)
    if len(found) > 1:
        found.sort(key=lambda said: _preference(said, rules))
    return found


def _preference(said: Signature, rules: Rules) -> tuple[int, int]:
    if not is_accepted(said, rules):
        return len(rules.key_types), 0
    key_type, _, hash_name = said.algorithm.partition("-")
    return rules.key_types.index(key_type), rules.hashes.index(hash_name)


def verify(
    found: Sequence[Signature], fields: Fields, bodies: BodyHashes, resolver: Resolver, rules: Rules
) -> list[DkimSignature]:
    """What comes of each signature, when the body has passed. Never raises: no answer from DNS is ``temperror``."""
    outcomes: list[DkimSignature] = []
    for said in found:
        if rules.minimal and any(outcome.result is DkimResult.PASS for outcome in outcomes):
            proof = Proof(Flaw(NOT_TRIED, "not tried: another signature is good"))
        else:
            proof = proof_of_message(said, fields, bodies, resolver, rules)
        outcomes.append(DkimSignature(said, proof))
    return outcomes
