"""ARC: what did they see who passed this message on?  RFC 8617, verified only: policyd never seals.

In two halves, like DKIM: `examine` when the header is complete, `verify` when
the body has passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum

from policyd.checks.canonical import RELAXED, BodyHashes, Fields
from policyd.checks.dkim_proof import Proof, Rules, accepted, digest_of, proof_of_digest, proof_of_message
from policyd.checks.dkim_signature import MAX_FIELD, Signature, field_tags, read
from policyd.checks.dkim_tags import SYNTAX, DkimResult, Flaw, Unverifiable
from policyd.mail.lexical import uncommented
from policyd.mail.octets import lower
from policyd.resolver import Resolver
from policyd.values import value_class

MAX_SETS = 50  # RFC 8617 4.2.1
MESSAGE_TAGS = ("a", "b", "bh", "d", "h", "s")  # RFC 8617 4.1.2
SEAL_TAGS = ("a", "b", "cv", "d", "s")  # RFC 8617 4.1.3
NAMES = ("arc-authentication-results", "arc-message-signature", "arc-seal")  # the order in which a seal signs them

_INSTANCE = re.compile(r"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,3})[ \t\r\n]*;")
_NUMBER = re.compile(r"[0-9]{1,3}")


class ArcResult(StrEnum):
    """RFC 8617 section 4.4, and what RFC 8601 calls trouble that may pass."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    TEMPERROR = "temperror"


@value_class
class ArcSet:
    """What one of them added. *results*: the ARC-Authentication-Results field behind its instance number."""

    instance: int
    places: tuple[int, int, int]  # in the order of `NAMES`
    results: str
    message: Signature
    seal: Signature
    validity: str  # cv=


@value_class
class Chain:
    """All sets, the oldest first. *trouble*: why they are no chain; then there may be none."""

    sets: tuple[ArcSet, ...] = ()
    trouble: str = ""


@value_class
class ArcOutcome:
    """What the chain is worth. *oldest_pass*: the first instance whose message signature still holds; 0: none does."""

    result: ArcResult
    reason: str = ""
    sets: tuple[ArcSet, ...] = ()
    oldest_pass: int = 0


NO_CHAIN = Chain()
NOT_SEALED = ArcOutcome(ArcResult.NONE)


class Broken(Exception):  # noqa: N818 - a finding; it stays inside this check
    """Why a chain is not valid."""


# -- the header: RFC 8617 5.2, steps 1 to 3


def examine(fields: Fields, rules: Rules, now: float, bodies: BodyHashes) -> Chain:
    """The chain in a header; *bodies* is told the hashes it needs. *now*: seconds since 1970. Never raises."""
    found = [fields.places(name) for name in NAMES]
    if not any(found):
        return NO_CHAIN
    try:
        sets = tuple(_sets(fields, found, rules, now))
    except (Broken, Unverifiable) as error:
        return Chain(trouble=str(error))
    trouble = _trouble(sets)
    if not trouble:
        for one in sets:
            if not one.message.flaw:
                bodies.want(one.message.body)
    return Chain(sets, trouble)


def _sets(fields: Fields, found: Sequence[Sequence[int]], rules: Rules, now: float) -> Iterator[ArcSet]:
    """Each set, by its number, of the fields *found*. Raises `Broken` unless there is each part of each, once."""
    if max(map(len, found)) > MAX_SETS:
        raise Broken(f"more than {MAX_SETS} sets")
    results, messages, seals = (_numbered(fields, places) for places in found)
    for number in range(1, max(map(len, found)) + 1):
        if not (number in results and number in messages and number in seals):
            raise Broken(f"set {number} is not complete")
        yield _set(fields, number, (results[number], messages[number], seals[number]), rules, now)


def _numbered(fields: Fields, places: Sequence[int]) -> dict[int, int]:
    """Where the fields of one name are, by their instance."""
    found: dict[int, int] = {}
    for place in places:
        name, value = fields.all[place]
        number = _instance(lower(name), value)
        if number in found:
            raise Broken(f"two {lower(name)} fields of instance {number}")
        found[number] = place
    return found


def _instance(name: str, value: str) -> int:
    if len(value) > MAX_FIELD:
        raise Broken(f"a field longer than {MAX_FIELD} octets")
    if name == NAMES[0]:  # no tag list, but it begins like one: RFC 8617 4.1.1
        found = _INSTANCE.match(_uncommented(value))
        number = found[1] if found else ""
    else:
        number = field_tags(value).get("i", "")
    if not _NUMBER.fullmatch(number):
        raise Broken(f"{name} without an instance number")
    return int(number)


def _uncommented(value: str) -> str:
    """An ARC-Authentication-Results field; without comments, which it may have anywhere, if one is in its beginning."""
    return value if _INSTANCE.match(value) else uncommented(value)


def _set(fields: Fields, number: int, places: tuple[int, int, int], rules: Rules, now: float) -> ArcSet:
    said, sealed = field_tags(fields.all[places[1]][1]), field_tags(fields.all[places[2]][1])
    del said["i"], sealed["i"]  # in DKIM, another thing
    message = accepted(read(said, places[1], MESSAGE_TAGS, now), rules)
    seal = replace(accepted(read(sealed, places[2], SEAL_TAGS, now), rules), header_method=RELAXED)  # always
    if NAMES[2] in message.signed:  # RFC 8617 4.1.2
        message = replace(message, flaw=Flaw(SYNTAX, "a seal is signed"))
    if "h" in sealed:  # RFC 8617 4.1.3
        seal = replace(seal, flaw=Flaw(SYNTAX, "h= in a seal"))
    results = _uncommented(fields.all[places[0]][1]).partition(";")[2].strip(" \t\r\n")
    return ArcSet(number, places, results, message, seal, lower(sealed.get("cv", "")))


def _trouble(sets: Sequence[ArcSet]) -> str:
    """What is wrong with the sets as they are written; nothing when they may be a chain."""
    if sets and sets[-1].validity == "fail":
        return f"seal {len(sets)}: the chain had failed"
    for one in sets:
        if one.seal.flaw:
            return f"seal {one.instance}: {one.seal.flaw.reason}"
        if one.validity != ("none" if one.instance == 1 else "pass"):
            return f"seal {one.instance}: wrong cv="
    return ""


# -- the signatures: RFC 8617 5.2, steps 4 to 6


def verify(chain: Chain, fields: Fields, bodies: BodyHashes, resolver: Resolver, rules: Rules) -> ArcOutcome:
    """What the chain is worth, when the body has passed. Never raises: no answer from DNS is ``temperror``."""
    sets = chain.sets
    if chain.trouble:
        return ArcOutcome(ArcResult.FAIL, chain.trouble, sets)
    if not sets:
        return NOT_SEALED

    def message(number: int) -> Proof:
        return proof_of_message(sets[number - 1].message, fields, bodies, resolver, rules)

    newest = message(len(sets))
    if newest.flaw:
        return _failed(f"message signature {len(sets)}", newest.flaw, sets)
    for one in reversed(sets):
        proof = proof_of_digest(one.seal, _sealed(one, sets, fields), resolver, rules)
        if proof.flaw:
            return _failed(f"seal {one.instance}", proof.flaw, sets)
    oldest = len(sets)
    while oldest > 1 and not message(oldest - 1).flaw:
        oldest -= 1
    return ArcOutcome(ArcResult.PASS, "", sets, oldest)


def _failed(what: str, flaw: Flaw, sets: tuple[ArcSet, ...]) -> ArcOutcome:
    temporary = flaw.problem.result is DkimResult.TEMPERROR
    return ArcOutcome(ArcResult.TEMPERROR if temporary else ArcResult.FAIL, f"{what}: {flaw.reason}", sets)


def _sealed(one: ArcSet, sets: Sequence[ArcSet], fields: Fields) -> bytes:
    """The hash of every set up to this one, whose seal is the last: RFC 8617 5.1.1."""
    signed = [place for earlier in sets[: one.instance] for place in earlier.places][:-1]
    return digest_of(one.seal, fields.forms(signed, RELAXED), fields.all[one.seal.place])
