"""Does one signature hold?  RFC 6376 6.1: its body, its header, its key. ARC asks the same of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from policyd.checks import dkim_tags as tags
from policyd.checks.canonical import HASHES, BodyHashes, Fields, canonical_field
from policyd.checks.dkim_key import PublicKey, mismatch, public_keys, refutation
from policyd.checks.dkim_signature import Signature
from policyd.checks.dkim_tags import Flaw, Unverifiable
from policyd.mail.arrived import Field
from policyd.resolver import Resolver
from policyd.values import value_class

_VALUE = re.compile(r";[ \t\r\n]*b[ \t\r\n]*=([^;]*)")  # begins with a literal, which is found quickly


@value_class
class Rules:
    """What a postmaster accepts.

    *hashes* and *key_types* in the order in which signatures are taken;
    *min_bits* by type of key. *partial*: a signature may leave the end of the
    body unsigned (``l=``). *minimal*: the first that passes is enough.
    """

    max_signatures: int = 10
    hashes: Sequence[str] = ("sha256",)  # RFC 8301 3.1
    key_types: Sequence[str] = ("ed25519", "rsa")
    min_bits: Mapping[str, int] = field(default_factory=lambda: {"rsa": 1024})  # RFC 8301 3.2
    max_bits: int = 8192  # twice what RFC 8301 wants of a verifier; more would only keep us busy
    partial: bool = False
    minimal: bool = False


@value_class
class Proof:
    """What came of a signature: it holds unless there is a *flaw*.

    *key*: None where none was needed or found. *unsigned*: octets behind ``l=``.
    """

    flaw: Flaw | None = None
    key: PublicKey | None = None
    unsigned: int = 0


def accepted(said: Signature, rules: Rules) -> Signature:
    """The same signature, with a flaw when its kind is not accepted."""
    if said.flaw or is_accepted(said, rules):
        return said
    return replace(said, flaw=Flaw(tags.NOT_ACCEPTED, f"{said.algorithm} is not accepted here"))


def is_accepted(said: Signature, rules: Rules) -> bool:
    """Whether signatures of this kind count."""
    key_type, _, hash_name = said.algorithm.partition("-")
    return key_type in rules.key_types and hash_name in rules.hashes


def proof_of_message(said: Signature, fields: Fields, bodies: BodyHashes, resolver: Resolver, rules: Rules) -> Proof:
    """Whether a signature of header fields and the body holds. Never raises.

    A body that has changed needs no key.
    """
    if said.flaw:
        return Proof(said.flaw)
    try:
        unsigned = _unsigned_octets(said, bodies)
    except Unverifiable as error:
        return Proof(error.flaw)
    proof = proof_of_digest(said, _header_digest(said, fields), resolver, rules)
    if not unsigned:
        return proof
    flaw = None if rules.partial else Flaw(tags.BODY_UNSIGNED, f"{unsigned} octets of the body are not signed")
    return replace(proof, unsigned=unsigned, flaw=proof.flaw or flaw)


def proof_of_digest(said: Signature, digest: bytes, resolver: Resolver, rules: Rules) -> Proof:
    """Whether a key of the signer's has signed *digest*. Never raises."""
    try:
        first, *others = public_keys(resolver, said)
    except Unverifiable as error:
        return Proof(error.flaw)
    proof = Proof(_flaw(first, said, digest, rules), first)
    for key in others:
        if proof.flaw and not _flaw(key, said, digest, rules):
            return Proof(None, key)
    return proof


def _flaw(key: PublicKey, said: Signature, digest: bytes, rules: Rules) -> Flaw | None:
    if unfit := mismatch(key, said):
        return unfit
    if key.bits < rules.min_bits.get(key.type, 0):
        return Flaw(tags.KEY_TOO_SHORT, f"a key of {key.bits} bits is too short")
    if key.bits > rules.max_bits:
        return Flaw(tags.KEY_TOO_LONG, f"a key of {key.bits} bits is too long")
    return refutation(key, said.octets, digest, said.hash_name)


def _header_digest(said: Signature, fields: Fields) -> bytes:
    """The hash of the header fields that were signed: RFC 6376 3.7.

    One more From than the signer knew of counts as signed, too: nobody may put
    another author above a good signature (RFC 6376 8.15).
    """
    forms = fields.selected([*said.signed, "from"], said.header_method, said.place)
    return digest_of(said, forms, fields.all[said.place])


def digest_of(said: Signature, forms: Sequence[bytes], field: Field) -> bytes:
    """The hash of canonical *forms* and of the signature's own *field*, which cannot sign its own value."""
    name, value = field
    text = f";{value}"
    if own := _VALUE.search(text):  # there is one b=, or none
        text = text[: own.start(1)] + text[own.end(1) :]
    form = canonical_field((name, text[1:]), said.header_method)
    digest: bytes = HASHES[said.hash_name](b"".join([*forms, form.removesuffix(b"\r\n")])).digest()
    return digest


def _unsigned_octets(said: Signature, bodies: BodyHashes) -> int:
    """How many octets of the body are behind ``l=``. Raises `Unverifiable` when the others have changed."""
    found = bodies.result(said.body)
    if said.length is not None and said.length > found.octets:
        raise Unverifiable(tags.SYNTAX, "l= is more than there is of the body")  # RFC 6376 3.5
    if found.digest != said.body_hash:
        raise Unverifiable(tags.BODY_CHANGED, "the body has changed")
    return 0 if said.length is None else found.octets - said.length
