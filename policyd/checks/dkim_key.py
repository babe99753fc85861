"""Public keys in DNS: RFC 6376 3.6, RFC 8463 for Ed25519."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from policyd.checks import dkim_tags as tags
from policyd.checks.dkim_signature import Signature, is_within
from policyd.checks.dkim_tags import Flaw, Unverifiable, decoded, items, shown, tag_list
from policyd.checks.remembered import remembered
from policyd.resolver import DnsTemporary, Resolver

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

MAX_RECORDS = 4  # of one name; there should be one (RFC 6376 3.6.2.2)
MAX_RECORD = 16384  # octets


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key record. *flags* and *hashes* are its lists; no *hashes*: any.

    *granularity* (``g=`` of RFC 4871) and *notes* are only there to be shown.
    """

    material: RSAPublicKey | Ed25519PublicKey
    type: str
    bits: int
    flags: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    services: str = "*"
    for_mail: bool = True  # by its services
    granularity: str = "*"
    notes: str = ""

    @property
    def testing(self) -> bool:
        """``t=y``: the domain only tries DKIM."""
        return "y" in self.flags

    @property
    def strict(self) -> bool:
        """``t=s``: no subdomains in ``i=``."""
        return "s" in self.flags


# -- finding it: RFC 6376 6.1.2


def public_keys(resolver: Resolver, signature: Signature) -> list[PublicKey]:
    """The keys that may have made *signature*: one, where its domain is in order. Raises `Unverifiable`."""
    try:
        answer = resolver.lookup("TXT", signature.key_name)
    except DnsTemporary as error:
        raise Unverifiable(tags.NO_ANSWER, f"no key for now: {shown(str(error))}") from None
    found: list[PublicKey] = []
    trouble: Unverifiable | None = None  # with the first
    for strings in answer.records[:MAX_RECORDS]:
        try:
            found.append(public_key(b"".join(strings).decode("latin-1")))
        except Unverifiable as error:
            trouble = trouble or error
    if not found:
        raise trouble or Unverifiable(tags.NO_KEY, "there is no key")
    return found


def mismatch(key: PublicKey, signature: Signature) -> Flaw | None:
    """Why *key* is not meant for such a signature."""
    if key.type != signature.key_type:
        return Flaw(tags.KEY_OCTETS, f"the key is for {key.type}")
    if key.hashes and signature.hash_name not in key.hashes:
        return Flaw(tags.KEY_MISMATCH, f"the key is not for {signature.hash_name}")
    if not key.for_mail:
        return Flaw(tags.KEY_SYNTAX, "the key is not for mail")
    domain = signature.identity.rpartition("@")[2] if key.strict else ""
    if domain and not is_within(signature.domain, domain):
        return Flaw(tags.KEY_MISMATCH, "the key is not for subdomains")
    return None


# -- reading it: RFC 6376 3.6.1


@remembered
def public_key(text: str) -> PublicKey:
    """A key record. Raises `Unverifiable`."""
    if len(text) > MAX_RECORD:
        raise Unverifiable(tags.KEY_SYNTAX, f"the key record is longer than {MAX_RECORD} octets")
    found = tag_list(text, tags.KEY_SYNTAX)
    if found.get("v", "DKIM1") != "DKIM1":
        raise Unverifiable(tags.KEY_SYNTAX, "not a DKIM1 key record")
    if "p" not in found:
        raise Unverifiable(tags.KEY_SYNTAX, "the key record has no p=")
    octets = decoded(found["p"])
    if octets is None:
        raise Unverifiable(tags.KEY_SYNTAX, "the key is not base64")
    if not octets:
        raise Unverifiable(tags.KEY_REVOKED, "the key has been revoked")
    material, bits = _material(found.get("k", "rsa"), octets)
    return PublicKey(
        material,
        found.get("k", "rsa"),
        bits,
        flags=items(found.get("t", "")),
        hashes=items(found.get("h", "")),
        services=found.get("s", "*"),
        for_mail=not {"*", "email"}.isdisjoint(items(found.get("s", "*"))),
        granularity=found.get("g", "*"),
        notes=found.get("n", ""),
    )


def _material(key_type: str, octets: bytes) -> tuple[RSAPublicKey | Ed25519PublicKey, int]:
    """The key itself, and how many bits it has. Raises `Unverifiable`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if key_type not in ("rsa", "ed25519"):
        raise Unverifiable(tags.KEY_SYNTAX, f"keys of type {shown(key_type)} are not known")
    try:
        if key_type == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets), 256  # RFC 8463 section 4
        key = load_der_public_key(octets)  # SubjectPublicKeyInfo or RSAPublicKey (RFC 6376 erratum 3017)
    except Exception as error:  # whatever the library has against somebody else's octets
        raise Unverifiable(tags.KEY_OCTETS, f"the key cannot be read: {shown(str(error))}") from None
    if not isinstance(key, RSAPublicKey):
        raise Unverifiable(tags.KEY_OCTETS, "the key is not an RSA key")
    return key, key.key_size


# -- using it


def refutation(key: PublicKey, signature: bytes, digest: bytes, hash_name: str) -> Flaw | None:
    """Why *signature* is not this key's for *digest*; None where it is."""
    try:
        key.material.verify(signature, digest, *_scheme(key.type, hash_name))
    except Exception as error:
        return _found_by(error)
    return None


def _found_by(error: Exception) -> Flaw:
    """What the library has against a signature; or a hash that the host's OpenSSL refuses, an absurd exponent."""
    from cryptography.exceptions import InvalidSignature

    if isinstance(error, InvalidSignature):
        return Flaw(tags.INCORRECT, "the signature is wrong: signed header fields have changed")
    return Flaw(tags.KEY_OCTETS, f"the key cannot be used: {shown(str(error))}")


@lru_cache
def _scheme(key_type: str, hash_name: str) -> tuple[()] | tuple[PKCS1v15, Prehashed]:
    """RSASSA-PKCS1-v1_5 (RFC 6376 3.3.1 and 3.3.2). For Ed25519, what is signed is the hash (RFC 8463 section 3)."""
    if key_type == "ed25519":
        return ()
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    return PKCS1v15(), Prehashed(SHA1() if hash_name == "sha1" else SHA256())
