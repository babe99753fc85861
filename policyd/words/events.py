"""What happened, for ``event_action``."""

from __future__ import annotations

from policyd.language.marks import client_controlled
from policyd.language.registry import Kind, alias, variable
from policyd.transaction import Transaction


@variable("event_name")
def _event_name(tx: Transaction) -> str:
    """What happened, while ``event_action`` is expanded; empty at other times.

    Of Exim's events, ``dns:fail``: a question got no answer. Of policyd's own,
    ``policy:decision`` (an ACL has come to its end), ``policy:ratelimit`` (a
    limit is exceeded) and ``lookup:fail`` (a lookup could not be done). Those
    about deliveries are the MTA's, and no milter learns of them.
    """
    return tx.event.name if tx.event else ""


@client_controlled
@variable("event_data")
def _event_data(tx: Transaction) -> str:
    """More about the event.

    ``policy:decision``: phase, verdict, code and text, as in ``rcpt fail 550 no
    such user``; ``policy:ratelimit``: rate, limit and key, as
    ``policyd ratelimit`` names it;
    ``lookup:fail``: the key or query, a colon, why; ``dns:fail``: why, the name
    and the type, with colons between.
    """
    return tx.event.data if tx.event else ""


@variable("event_defer_errno")
def _event_defer_errno(_: Transaction) -> str:
    """Always 0: it belongs to deliveries."""
    return "0"


alias(Kind.VARIABLE, "tpda_event", "event_name")
alias(Kind.VARIABLE, "tpda_data", "event_data")
alias(Kind.VARIABLE, "tpda_defer_errno", "event_defer_errno")
