"""Bounce address tag validation: return paths that bear a signature, so that forged bounces show."""

from __future__ import annotations

import hmac
import re

from policyd.errors import ExpansionError
from policyd.language.closures import Text
from policyd.language.marks import client_controlled
from policyd.language.registry import item, variable
from policyd.transaction import Transaction

TAGGED = re.compile(r"prvs=([0-9])([0-9]{3})([0-9A-F]{6})=(.+)@(.+)", re.IGNORECASE)
LIFETIME = 7  # days
DAYS = 1000  # their numbers begin again after so many
DIGITS = 6  # of the signature


def _day(tx: Transaction) -> int:
    return int(tx.services.clock()) // 86400


def _signature(address: str, secret: str, key: str, day: str) -> str:
    text = f"{key}{day}{address}".encode("latin-1")
    return hmac.new(secret.encode("latin-1"), text, "sha1").hexdigest()[:DIGITS]


@item("prvs", arguments=(2, 3))
def _prvs(tx: Transaction, address: str, secret: str, key: str = "0") -> str:
    """``${prvs{address}{secret}{key number}}``: the address with a signature in its local part, good for 7 days.

    The key number, a digit, tells `prvscheck` which of several secrets was used.
    """
    if address.find("@") < 1 or address.endswith("@"):
        raise ExpansionError("prvs first argument must be a qualified email address")
    if not re.fullmatch("[0-9]", key):
        raise ExpansionError("prvs third argument must be a single digit")
    day = f"{(_day(tx) + LIFETIME) % DAYS:03}"
    return f"prvs={key}{day}{_signature(address, secret, key, day)}={address}"


@item("prvscheck", arguments=(2, 3), shape=("text", "lazy", "lazy"))
def _prvscheck(tx: Transaction, address: str, secret: Text, result: Text | None = None) -> str:
    """``${prvscheck{address}{secret}{text}}``: nothing, if the address bears no signature; the text, if it does.

    The text is expanded when ``$prvscheck_result`` says whether the signature
    is good; without one, the original address is the result. For the secret,
    ``$prvscheck_keynum`` is known, and for both ``$prvscheck_address``.
    """
    left = tx.frame.left
    found = TAGGED.fullmatch(address)
    if found is None:
        secret(tx)  # what is wrong in them is wrong in any case
        if result is not None:
            result(tx)
        return ""
    key, day, signature, local_part, domain = found.groups()
    original = f"{local_part}@{domain}"
    left["prvscheck_address"], left["prvscheck_keynum"] = original, key
    genuine = hmac.compare_digest(_signature(original, secret(tx), key, day), signature)
    left["prvscheck_result"] = "1" if genuine and _is_fresh(int(day), _day(tx) % DAYS) else ""
    text = result(tx) if result is not None else ""
    del left["prvscheck_address"], left["prvscheck_keynum"]
    return text or original


def _is_fresh(last: int, today: int) -> bool:
    """Whether day *last* is not over; the days may have begun again between the two."""
    return last >= (0 if last < LIFETIME and today >= DAYS - LIFETIME else today)


def _left(name: str, meaning: str) -> None:
    def run(tx: Transaction) -> str:
        return tx.frame.left.get(name, "")

    run.__doc__ = meaning
    client_controlled(variable(name)(run))


_left("prvscheck_address", "In ``prvscheck``: the address without its signature.")
_left("prvscheck_keynum", "In ``prvscheck``: the number of the key that the signature names.")
_left("prvscheck_result", "``1`` when the last ``prvscheck`` found a good signature; nothing otherwise.")
