"""What ``control =`` can switch. Those that a milter cannot offer are refused at load."""

from __future__ import annotations

from policyd.language.registry import control
from policyd.policy import AFTER_MAIL, ANY, Phase
from policyd.transaction import Transaction


@control("freeze", phases=AFTER_MAIL, options=True)
def _freeze(tx: Transaction, _: str) -> None:
    """Hold the message in the MTA's queue (Postfix: HOLD), instead of Exim's freezing."""
    tx.quarantine = f"frozen by the {str(tx.phase.name).lower()} ACL"


@control("no_multiline_responses")
def _no_multiline_responses(tx: Transaction, _: str) -> None:
    """Send only the first line of every reply of this message."""
    tx.multiline = False


@control("caseful_local_part", phases=Phase.RCPT)
def _caseful_local_part(tx: Transaction, _: str) -> None:
    """Keep the case of letters in ``$local_part``, for this recipient."""
    tx.caseful_local_part = True


@control("caselower_local_part", phases=Phase.RCPT)
def _caselower_local_part(tx: Transaction, _: str) -> None:
    """Lower the letters of ``$local_part`` again."""
    tx.caseful_local_part = False


@control("no_delay_flush", phases=ANY)
def _no_delay_flush(_: Transaction, __: str) -> None:
    """Accepted without effect: the MTA decides when replies are sent."""


@control("no_callout_flush", phases=ANY)
def _no_callout_flush(_: Transaction, __: str) -> None:
    """Accepted without effect: a milter makes no callouts."""
