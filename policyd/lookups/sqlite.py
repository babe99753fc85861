"""``sqlite``: a query to a SQLite database."""

from __future__ import annotations

import re
import time
from os import stat
from typing import TYPE_CHECKING

from policyd.errors import Defer, ExpansionError
from policyd.language.registry import lookup
from policyd.lookups.answers import Answer, remembered
from policyd.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable

FILE = "file="
OLD_FILE = re.compile(r"[ \t\r\n]*(/[^ \t\r\n,]*)[^ \t\r\n]*[ \t\r\n]*")  # before the query itself


def _quote(text: str) -> str:
    """For a string between ``'…'`` in a query: ``'`` is doubled."""
    return text.replace("'", "''")


@lookup("sqlite", style="query", options=(FILE,), quote=_quote)
def _sqlite(tx: Transaction, query: str, options: tuple[str, ...]) -> str | None:
    """What a query to a database gives: the value of its only column, or ``name=value …`` of several, a line to a row.
    Without a row, nothing is found; so a statement that is no query finds nothing, whatever it does.

    The database is the one of ``file=/PATH``, of a path before the query, or of
    ``sqlite_dbfile``; it is made if need be. NULL is ``<NULL>``. Whatever comes
    from a message stands in quotes, through ``${quote_sqlite:…}``. For others
    who write, a query waits ``sqlite_lock_timeout`` seconds.
    """
    path, query = _database(tx, query, options)
    if not path.startswith("/"):
        raise ExpansionError('absolute file name expected for "sqlite" lookup')
    return remembered(tx, "sqlite", (path, query), options, lambda: _asked(tx, path, query))


def _database(tx: Transaction, query: str, options: tuple[str, ...]) -> tuple[str, str]:
    """The path of the database, and the query without it."""
    named = next((option.removeprefix(FILE) for option in options if option.startswith(FILE)), None)
    old = OLD_FILE.match(query)
    if named is None and old is not None:
        return old[1], query[old.end() :]
    return tx.settings.sqlite_dbfile if named is None else named, query


def _asked(tx: Transaction, path: str, query: str) -> Answer:
    from policyd.lookups.clients.sqlite import Session  # only those load it who use it

    deadline = min(tx.deadline, time.monotonic() + tx.settings.lookup_timeout)
    with tx.services.pools.link(_identity(path), lambda: Session(path)) as session:
        return session.ask(query, deadline, tx.settings.sqlite_lock_timeout)


def _identity(path: str) -> Hashable:
    """The very file: one that replaces it is another database."""
    try:
        status = stat(path.encode("latin-1"))
        return ("sqlite", path, status.st_dev, status.st_ino)
    except OSError:
        return ("sqlite", path)
    except ValueError as error:  # a NUL in the name
        raise Defer(f"sqlite: {path}: {error}") from None
