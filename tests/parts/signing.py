"""Signers with keys of their own, and the DNS they publish them in."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from policyd.checks.canonical import BodyHashes, Fields
from policyd.checks.dkim import DkimSignature, examine, verify
from policyd.checks.dkim_proof import Rules
from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.names import ascii_name


@dataclass(frozen=True)
class Pair:
    """A private key as dkimpy takes it, and its ``p=``."""

    private: bytes
    public: str


@cache
def rsa(bits: int = 2048, number: int = 0) -> Pair:
    """An RSA key; another *number*, another key."""
    key = generate_private_key(public_exponent=65537, key_size=bits)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Pair(private, base64.b64encode(public).decode())


@cache
def ed25519(number: int = 0) -> Pair:
    """An Ed25519 key, always the same for a *number*: it may stand in the name of a test."""
    private = hashlib.sha256(b"%d" % number).digest()
    key = Ed25519PrivateKey.from_private_bytes(private)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return Pair(base64.b64encode(private), base64.b64encode(public).decode())


@dataclass
class Records:
    """DNS of TXT records only, each a text; a text that is None fails for now. Counts what it is asked."""

    texts: Mapping[str, str | list[str] | None]
    asked: list[str] = field(default_factory=list)

    def lookup(self, rtype: str, name: str) -> Answer:
        """The records of *name*, cut into strings of 200 octets."""
        self.asked.append(name)
        found = self.texts.get(ascii_name(name) or "", [])
        if found is None:
            raise DnsTemporary(f"{name}: no reply in time")
        texts = [found] if isinstance(found, str) else found
        return Answer(tuple(tuple(_strings(text.encode("latin-1"))) for text in texts), exists=bool(texts))

    def until(self, deadline: float) -> Records:
        """Itself."""
        return self

    def txt(self, name: bytes, timeout: float = 5) -> bytes | None:
        """The same for dkimpy, which takes the first record."""
        try:
            records = self.lookup("TXT", name.decode("latin-1").rstrip(".")).records
        except DnsTemporary:
            raise dkim.DnsTimeoutError("no reply in time") from None
        return b"".join(records[0]) if records else None


def _strings(octets: bytes) -> Iterator[bytes]:
    for start in range(0, len(octets) or 1, 200):
        yield octets[start : start + 200]


def parted(message: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Header fields as a milter is given them, and the body."""
    header, _, body = message.partition(b"\r\n\r\n")
    fields: list[tuple[str, str]] = []
    for line in header.decode("latin-1").split("\r\n"):
        if line[:1] in (" ", "\t") and fields:
            name, value = fields[-1]
            fields[-1] = name, f"{value}\n{line}"
        else:
            name, _, value = line.partition(":")
            fields.append((name, value))
    return fields, body


# -- a signer of our own, for what dkimpy does not write: the RFC in its plainest words


def naive_body(body: bytes, method: str) -> bytes:
    """RFC 6376 3.4.3 and 3.4.4, line by line."""
    lines = body.split(b"\r\n")
    if method == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    whole = b"".join(line + b"\r\n" for line in lines)
    return whole or (b"\r\n" if method == "simple" else b"")


def naive_field(name: str, value: str, method: str) -> bytes:
    """RFC 6376 3.4.1 and 3.4.2."""
    octets = value.replace("\n", "\r\n").encode("latin-1")
    if method == "simple":
        return name.encode("latin-1") + b":" + octets + b"\r\n"
    octets = re.sub(rb"[ \t]+", b" ", octets.replace(b"\r\n", b"")).strip(b" ")
    return name.strip(" \t").lower().encode("latin-1") + b":" + octets + b"\r\n"


def signed(message: bytes, pair: Pair, **tags: str | None) -> bytes:
    """*message* under a signature with these tags; what is not given is usual, what is None is left out."""
    usual = {"v": "1", "a": "rsa-sha256", "c": "relaxed/relaxed", "d": "a.test", "s": "s", "h": "from:to:subject"}
    said = {**usual, **tags}
    fields, body = parted(message)
    header_method, _, body_method = (said["c"] or "simple").partition("/")
    digest = partial(hashlib.new, "sha1" if said["a"] == "rsa-sha1" else "sha256")
    octets = naive_body(body, body_method or "simple")
    if said.get("l"):
        octets = octets[: int(said["l"] or 0)]
    said = {"bh": base64.b64encode(digest(octets).digest()).decode(), **said, "b": ""}
    value = " " + "; ".join(f"{name}={text}" for name, text in said.items() if text is not None)
    rest = fields[:]
    chosen = b""
    for name in (said["h"] or "").split(":"):
        matching = [place for place, (other, _) in enumerate(rest) if other.lower().strip() == name.lower().strip()]
        if matching:  # the lowest one
            chosen += naive_field(*rest.pop(matching[-1]), header_method)
    chosen += naive_field("DKIM-Signature", value, header_method)[:-2]
    proof = base64.b64encode(_signature(pair, digest(chosen))).decode()
    return f"DKIM-Signature:{value}{proof}\r\n".encode("latin-1") + message


def _signature(pair: Pair, digest: Any) -> bytes:
    if not pair.private.startswith(b"-----"):
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(pair.private)).sign(digest.digest())
    key = load_pem_private_key(pair.private, None)
    assert isinstance(key, RSAPrivateKey)
    return key.sign(digest.digest(), PKCS1v15(), Prehashed(SHA1() if digest.name == "sha1" else SHA256()))


# -- verifying


def outcomes(
    message: bytes, records: Records, rules: Rules | None = None, now: float | None = None, chunk: int = 65535
) -> list[DkimSignature]:
    """What policyd makes of a message whose body comes in chunks of this size."""
    rules = rules or Rules()
    fields, body = parted(message)
    header, hashes = Fields(fields), BodyHashes()
    found = examine(header, rules, time.time() if now is None else now, hashes)
    for start in range(0, len(body), chunk):
        hashes.feed(body[start : start + chunk])
    return verify(found, header, hashes, records, rules)
