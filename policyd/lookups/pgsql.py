"""``pgsql``: a query to PostgreSQL."""

from __future__ import annotations

from policyd.language.registry import lookup
from policyd.lookups.answers import Answer
from policyd.lookups.servers import Server, Service, answer
from policyd.pools import Pools
from policyd.transaction import Transaction

CLIENT = "policyd.lookups.clients.postgres"
ESCAPED = str.maketrans({"'": "''", '"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b"})


def _quote(text: str) -> str:
    """For a string between ``'…'`` in a query: ``'`` is doubled, and ``"``, ``\\``, line ends and tabs get a backslash.

    However the server is set up, such a string ends only where it is meant to.
    """
    return text.translate(ESCAPED)


@lookup("pgsql", style="query", options=("servers=",), requires=(CLIENT, "pgsql"), quote=_quote)
def _pgsql(tx: Transaction, query: str, options: tuple[str, ...]) -> str | None:
    """What a query to a server of ``pgsql_servers`` gives: the value of its only column, or ``name=value …`` of
    several, a line to a row; how many rows a statement that is no query has changed. Without a row, nothing is found.

    NULL is empty. Whatever comes from a message stands in quotes, through
    ``${quote_pgsql:…}``. The first server that answers counts.
    ``servers=HOST:HOST``: only these of the list, in this order; any other, with
    ``HOST/DATABASE/USER/PASSWORD``.
    """
    return answer(tx, SERVICE, query, options)


def _ask(pools: Pools, server: Server, query: str, deadline: float) -> Answer:
    from policyd.lookups.clients.postgres import Session  # psycopg is slow to load

    with pools.link(("pgsql", server), lambda: Session(server, deadline)) as session:
        return session.ask(query, deadline)


SERVICE = Service("pgsql", "PostgreSQL", fields=3, ask=_ask)
