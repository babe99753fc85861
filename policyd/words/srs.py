"""Sender rewriting: return paths of forwarded mail that lead through the forwarder, and back."""

from __future__ import annotations

import hmac
import re

from policyd.errors import ExpansionError
from policyd.language.marks import client_controlled
from policyd.language.registry import item, test, variable
from policyd.mail.mailboxes import mailbox
from policyd.mail.octets import lower
from policyd.transaction import Transaction
from policyd.words.encodings import BASE32
from policyd.words.quoting import quoted

REWRITTEN = re.compile(r"SRS0=([^=]+)=([a-z2-7]{2})=([^=]*)=(.+)", re.IGNORECASE)
BARE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
DAYS = 1024  # their numbers begin again after so many
LIFETIME = 10  # days
DIGITS = 4  # of the signature


def _day(tx: Transaction) -> int:
    return int(tx.services.clock()) // 86400 % DAYS


def _signature(secret: str, address: str) -> str:
    text = lower(address).encode("latin-1")
    return hmac.new(secret.encode("latin-1"), text, "md5").hexdigest()[:DIGITS]


@item("srs_encode", arguments=(3, 3))
def _srs_encode(tx: Transaction, secret: str, sender: str, domain: str) -> str:
    """``${srs_encode{secret}{return path}{domain}}``: an address at the domain that leads back to the return path.

    *domain* is where the message was addressed to. An empty return path stays
    empty.
    """
    if not sender:
        return ""
    found = mailbox(sender)
    if not found.address:
        raise ExpansionError(found.error)
    local_part = found.address.removesuffix(f"@{found.domain}") if found.domain else found.address
    quote = '"' if local_part.startswith('"') else ""
    day = BASE32[_day(tx) >> 5] + BASE32[_day(tx) & 31]
    tag = f"SRS0={_signature(secret, sender)}={day}={found.domain}="
    return f"{quote}{tag}{local_part.removeprefix(quote)}@{domain}"


@test("inbound_srs", arguments=2)
def _inbound_srs(tx: Transaction, local_part: str, secret: str) -> bool:
    """``inbound_srs{local part}{secret}``: whether this is an address that ``srs_encode`` made with this secret.

    Then ``$srs_recipient`` is the return path in it. Addresses are good for 10
    days. An empty secret means not to check.
    """
    found = REWRITTEN.fullmatch(local_part)
    if found is None:
        return False
    signature, day, domain, original = found.groups()
    original = original if BARE.fullmatch(original) else quoted(original)
    if secret:
        age = (_day(tx) - (BASE32.find(day[0]) * 32 + BASE32.find(day[1]))) % DAYS
        genuine = hmac.compare_digest(_signature(secret, f"{original}@{domain}"), signature)
        if lower(day) != day or age > LIFETIME or not genuine:
            return False
    tx.facts["srs_recipient"] = lower(f"{original}@{domain}")
    return True


@client_controlled
@variable("srs_recipient")
def _srs_recipient(tx: Transaction) -> str:
    """The return path that the last ``inbound_srs`` found."""
    return str(tx.facts.get("srs_recipient", ""))
