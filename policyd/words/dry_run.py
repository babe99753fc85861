"""Trying a policy out: ``control = dry_run``. The main option ``dry_run`` does the same for every ACL."""

from __future__ import annotations

from policyd.language.registry import control
from policyd.transaction import Transaction


@control("dry_run", extension=True)
def _dry_run(tx: Transaction, _: None) -> None:
    """Let this command through, whatever the ACL that runs now comes to; log and count what it comes to.

    In a statement that refuses or discards, that one is tried out: when it
    decides, that is logged and counted, and the ACL goes on with the next
    statement; at its end the command is let through. In a ``warn`` at the top,
    the whole ACL is tried out. A refusal has ``dry run:`` in front of its log
    line, and ``enforced="false"`` in ``policyd_decisions_total``. A message that
    an ACL on trial wants held is not held; header fields are added and removed
    as ever.
    """
    tx.dry_run = True
