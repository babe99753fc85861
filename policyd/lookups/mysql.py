"""``mysql``: a query to MySQL or MariaDB."""

from __future__ import annotations

from policyd.language.registry import lookup
from policyd.lookups.answers import Answer
from policyd.lookups.servers import Server, Service, answer
from policyd.pools import Pools
from policyd.transaction import Transaction

CLIENT = "policyd.lookups.clients.mariadb"
ESCAPED = str.maketrans(
    {"'": "\\'", '"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\0": "\\0"}
)


def _quote(text: str) -> str:
    """For a string between ``'…'`` or ``"…"`` in a query: quotes, ``\\``, NUL, line ends and tabs get a backslash."""
    return text.translate(ESCAPED)


@lookup("mysql", style="query", options=("servers=",), requires=(CLIENT, "mysql"), quote=_quote)
def _mysql(tx: Transaction, query: str, options: tuple[str, ...]) -> str | None:
    """What a query to a server of ``mysql_servers`` gives: the value of its only column, or ``name=value …`` of
    several, a line to a row; how many rows a statement that is no query has changed. Without a row, nothing is found.

    NULL is empty, and alone it is nothing. Text is UTF-8. Whatever comes from a
    message stands in quotes, through ``${quote_mysql:…}``. The first server that
    answers counts. ``servers=HOST:HOST``: only these of the list, in this order;
    any other, with ``HOST/DATABASE/USER/PASSWORD``.
    """
    return answer(tx, SERVICE, query, options)


def _ask(pools: Pools, server: Server, query: str, deadline: float) -> Answer:
    from policyd.lookups.clients.mariadb import Session  # only those load it who use it

    with pools.link(("mysql", server), lambda: Session(server, deadline)) as session:
        return session.ask(query, deadline)


SERVICE = Service("mysql", "MySQL", fields=3, ask=_ask)
