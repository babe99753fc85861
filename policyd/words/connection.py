"""How a connection ended."""

from __future__ import annotations

from policyd.language.registry import variable
from policyd.transaction import Transaction


@variable("smtp_notquit_reason")
def _smtp_notquit_reason(tx: Transaction) -> str:
    """In ``acl_smtp_notquit``: why the connection ended without QUIT.

    ``acl-drop`` after a ``drop``. A milter is told nothing else about the end
    of a connection, so that every other one counts as ended with QUIT; in
    ``policyd session``, a dialogue that just stops gives ``connection-lost``.
    """
    return tx.connection.notquit_reason
