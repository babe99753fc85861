"""What ``control =`` can switch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from policyd.language.registry import VOCABULARY, Kind, Word, alias, control
from policyd.policy import AFTER_MAIL, Phase
from policyd.transaction import Checks, Transaction
from policyd.words.choices import flags

BEFORE_DATA = Phase.CONNECT | Phase.HELO | Phase.MAIL | Phase.RCPT | Phase.PREDATA


# -- the message


@control("freeze", phases=AFTER_MAIL, options=flags("no_tell"), needs="quarantine")
def _freeze(tx: Transaction, _: frozenset[str]) -> None:
    """Hold the message in the MTA's queue, where an administrator looks at it (Postfix: HOLD).

    Exim freezes it. ``/no_tell`` means nothing here: nobody is told anyway.
    """
    tx.quarantine = f"frozen by the {tx.phase.title} ACL"


@control("caseful_local_part", phases=Phase.RCPT)
def _caseful_local_part(tx: Transaction, _: None) -> None:
    """Keep the case of letters in ``$local_part``, for this recipient."""
    tx.caseful_local_part = True


@control("caselower_local_part", phases=Phase.RCPT)
def _caselower_local_part(tx: Transaction, _: None) -> None:
    """Lower the letters of ``$local_part`` again."""
    tx.caseful_local_part = False


# -- the session


@control("no_multiline_responses")
def _no_multiline_responses(tx: Transaction, _: None) -> None:
    """From now on, send only the first line of every reply to this client."""
    tx.connection.multiline = False


# -- checks


def _checks(tx: Transaction) -> Checks:
    """Those of the message; before the first one, of every message of the connection."""
    return tx.connection.checks if tx.phase & (Phase.CONNECT | Phase.HELO) else tx.checks


@control("dkim_disable_verify", phases=BEFORE_DATA)
def _dkim_disable_verify(tx: Transaction, _: None) -> None:
    """Do not verify DKIM signatures, and do not evaluate DMARC, of this message.

    In the connect and helo ACLs: of every message of this connection.
    """
    checks = _checks(tx)
    checks.dkim = checks.dmarc = checks.forensic = False


@control("dmarc_disable_verify", phases=BEFORE_DATA)
def _dmarc_disable_verify(tx: Transaction, _: None) -> None:
    """Do not evaluate DMARC for this message; in the connect and helo ACLs, for every message of this connection."""
    checks = _checks(tx)
    checks.dmarc = checks.forensic = False


@control("dmarc_enable_forensic", phases=BEFORE_DATA)
def _dmarc_enable_forensic(tx: Transaction, _: None) -> None:
    """Report a failure of DMARC to the domain that asks for it, for this message; in the connect and helo ACLs,
    for every message of this connection."""
    _checks(tx).forensic = True


alias(Kind.CONTROL, "dmarc_forensic_enable", "dmarc_enable_forensic")  # what Exim's first manuals called it


# -- what a milter cannot offer


def _like(pattern: str) -> Callable[[str], str]:
    """What reads options that are just looked at."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text, re.DOTALL):
            raise ValueError(f'syntax error in the options "{text}"')
        return text

    return read


def _without_effect(why: str, *names: str, phases: Phase | None = None, options: str = "", warns: bool = True) -> None:
    """*options*: a regular expression of what may stand behind the name."""

    def run(_: Transaction, __: Any) -> None:
        """Nothing."""

    run.__doc__ = f"Accepted, and without effect: {why}."
    traits = {"options": _like(options) if options else None, "warning": why if warns else ""}
    for name in names:
        VOCABULARY.add(Word(Kind.CONTROL, name, run, phases=phases, traits=traits))


BEFORE_MESSAGE = Phase.MAIL | Phase.RCPT | Phase.PREDATA
DELIVERED = "the MTA decides when a message is delivered"
COMPLETED = "the MTA completes the header of a message that is submitted"
OFFERED = "the MTA decides what it offers to a client"
SUBMISSION = "(/(sender_retain|domain=[^/]*|name=[^/]*))*"

_without_effect("the MTA decides when replies are sent", "no_delay_flush", warns=False)
_without_effect("a milter makes no callouts", "no_callout_flush", warns=False)
_without_effect("the MTA decides when replies are sent", "enforce_sync", "no_enforce_sync")
_without_effect(OFFERED, "no_pipelining")
_without_effect(OFFERED, "allow_auth_unadvertised", phases=Phase.CONNECT | Phase.HELO)
_without_effect("policyd leaves no files behind", "no_mbox_unspool", phases=AFTER_MAIL)
_without_effect(COMPLETED, "submission", phases=BEFORE_MESSAGE, options=SUBMISSION)
_without_effect(COMPLETED, "suppress_local_fixups", phases=BEFORE_MESSAGE)
_without_effect(DELIVERED, "queue", "queue_only", phases=AFTER_MAIL, options="(/.*)?")
_without_effect(DELIVERED, "cutthrough_delivery", options="(/.*)?")
_without_effect("the MTA delivers the message", "utf8_downconvert", phases=Phase.RCPT, options="(/(0|1|-1))?")
_without_effect("the MTA delivers the message", "dscp", options="/.*")

VOCABULARY.refuse(
    Kind.CONTROL,
    "a milter cannot refuse a message to the client and let it pass: use deny, or accept with control = freeze",
    "fakereject",
    "fakedefer",
)
VOCABULARY.refuse(Kind.CONTROL, "a milter is not asked about WELLKNOWN", "wellknown")
