"""``redis``: a command to Redis or Valkey."""

from __future__ import annotations

from policyd.errors import ExpansionError
from policyd.language.registry import lookup
from policyd.language.source import BLANKS
from policyd.lookups.answers import Answer
from policyd.lookups.servers import Server, Service, answer
from policyd.pools import Pools
from policyd.transaction import Transaction

CLIENT = "policyd.lookups.clients.redis"
MAX_ARGUMENTS = 32
SPECIAL = BLANKS + "\\"


def _quote(text: str) -> str:
    """For a part of a command: blanks and backslashes get a backslash."""
    return "".join(f"\\{c}" if c in SPECIAL else c for c in text)


@lookup("redis", style="query", options=("servers=",), requires=(CLIENT, "redis"), quote=_quote)
def _redis(tx: Transaction, query: str, options: tuple[str, ...]) -> str | None:
    """What a command to a server of ``redis_servers`` gives: text as it is, ``true`` or ``false`` for a number, the
    elements of an array, a line to each.

    A key that does not exist gives empty text; an empty array, nothing. A
    command has at most 32 arguments with blanks between them; whatever comes
    from a message goes through ``${quote_redis:…}``. In a cluster, a server that
    says ``MOVED`` is passed over, so every node is in the list.
    ``servers=HOST:HOST``: only these of the list, in this order; any other, with
    ``HOST/NUMBER/PASSWORD``.
    """
    return answer(tx, SERVICE, query, options)


def _ask(pools: Pools, server: Server, query: str, deadline: float) -> Answer:
    from policyd.lookups.clients.redis import Session  # only those load it who use it

    command = words(query)
    with pools.link(("redis", server), lambda: Session(server, deadline)) as session:
        return session.ask(command, deadline)


def words(query: str) -> list[str]:
    """The arguments of a command. A backslash makes the next character part of one. Raises `ExpansionError`."""
    found: list[str] = []
    at, word = 0, ""
    begun = False
    while at < len(query):
        c = query[at]
        if c in BLANKS:
            if begun:
                found.append(word)
            word, begun = "", False
        else:
            if c == "\\":
                at += 1
            word, begun = word + query[at : at + 1], True
        at += 1
    if begun:
        found.append(word)
    if len(found) > MAX_ARGUMENTS:
        raise ExpansionError(f"REDIS: a command of more than {MAX_ARGUMENTS} arguments")
    return found


SERVICE = Service("redis", "Redis", fields=2, ask=_ask)
