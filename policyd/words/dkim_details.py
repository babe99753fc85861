"""What the DKIM ACL is told of each signature and its key, and what others are told of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator

from policyd.checks.dkim import DkimSignature
from policyd.checks.dkim_key import PublicKey
from policyd.checks.dkim_signature import ALGORITHMS
from policyd.language.marks import client_controlled
from policyd.language.registry import variable
from policyd.mail.authres import AuthResult
from policyd.resolver.names import in_a_labels
from policyd.transaction import Transaction
from policyd.words.authres import reports
from policyd.words.dkim import current, turn_of
from policyd.words.signatures import signatures, was_examined

UNLIMITED = "9999999999999"  # what Exim says where there is no l= or x=


def _told(name: str, tell: Callable[[DkimSignature], object], what: str, otherwise: str = "") -> None:
    """A variable about the current signature; *otherwise* is its value where there is none, or it does not say."""

    def run(tx: Transaction) -> str:
        one = current(tx)
        answer = tell(one) if one else None
        return otherwise if answer is None else str(answer)

    run.__doc__ = what
    client_controlled(variable(name)(run))


def _of_key(name: str, tell: Callable[[PublicKey], object], what: str, otherwise: str = "") -> None:
    _told(name, lambda one: tell(one.proof.key) if one.proof.key else None, what, otherwise)


@client_controlled
@variable("dkim_cur_signer")
def _dkim_cur_signer(tx: Transaction) -> str:
    """The domain or identity for which the DKIM ACL runs now."""
    return turn_of(tx).signer


_told("dkim_domain", lambda one: one.signature.domain, "The domain that has signed, ``d=``.")
_told("dkim_identity", lambda one: one.signature.identity, "The identity that has signed, ``i=``; empty without one.")
_told("dkim_selector", lambda one: one.signature.selector, "The selector of the key, ``s=``.")
_told("dkim_algo", lambda one: one.signature.algorithm, "The algorithm, ``a=``: ``rsa-sha256``, ``ed25519-sha256`` …")
_told("dkim_canon_headers", lambda one: one.signature.header_method, "How the header was made ready: ``simple`` …")
_told(
    "dkim_canon_body", lambda one: one.signature.body_method, "How the body was made ready: ``simple`` or ``relaxed``."
)
_told("dkim_copiedheaders", lambda one: one.signature.copied, "Header fields as the signer saw them, ``z=``.")
_told("dkim_headernames", lambda one: ":".join(one.signature.names), "The names of the signed header fields, ``h=``.")
_told(
    "dkim_bodylength",
    lambda one: one.signature.length,
    f"How many octets of the body are signed, ``l=``; {UNLIMITED} where it is all of them.",
    UNLIMITED,
)
_told(
    "dkim_created", lambda one: one.signature.created, "When it was signed, ``t=``, in seconds since 1970; or 0.", "0"
)
_told(
    "dkim_expires", lambda one: one.signature.expires, f"When it expires, ``x=``; {UNLIMITED} where never.", UNLIMITED
)
_of_key("dkim_key_testing", lambda key: int(key.testing), "1 when the domain only tries DKIM (``t=y``), else 0.", "0")
_of_key(
    "dkim_key_nosubdomains", lambda key: int(key.strict), "1 when there may be no subdomains (``t=s``), else 0.", "0"
)
_of_key("dkim_key_srvtype", lambda key: key.services, "What the key is for, ``s=``.", "*")
_of_key("dkim_key_granularity", lambda key: key.granularity, "For whom the key was meant, ``g=``, long ago.", "*")
_of_key("dkim_key_notes", lambda key: key.notes, "What is noted beside the key, ``n=``.")
_of_key("dkim_key_length", lambda key: key.bits, "The size of the key, in bits; 0 where none was needed or found.", "0")


# -- what others want to know of it


@reports("dkim")
def _report(tx: Transaction) -> Iterator[AuthResult]:
    """Every signature with its result (RFC 8601 2.7.1), verified now, if not before: in Exim, too, nobody has to ask.

    That there is none is only told when somebody has.
    """
    asked = "dkim" in tx.facts
    found = signatures(tx) if was_examined(tx) else ()
    told = [_properties(one) for one in found]
    for one, properties in zip(found, told, strict=True):
        which = (("header.b", b64encode(one.signature.octets[:6]).decode()),) if told.count(properties) > 1 else ()
        yield AuthResult("dkim", str(one.result), properties + which, one.reason)  # RFC 6008: which of those alike
    if asked and not found:
        yield AuthResult("dkim", "none")


def _properties(one: DkimSignature) -> tuple[tuple[str, str], ...]:
    said = one.signature
    local_part, at, domain = said.identity.rpartition("@")
    return (
        ("header.d", in_a_labels(said.domain)),
        ("header.i", f"{local_part}{at}{in_a_labels(domain)}"),
        ("header.s", in_a_labels(said.selector)),
        ("header.a", said.algorithm if said.algorithm in ALGORITHMS else ""),
        ("policy.dkim-l", str(said.length) if one.proof.unsigned else ""),
    )
