"""SQLite by the standard library: statements that end in time, and values as SQLite itself writes them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from policyd.errors import Defer, Unopened
from policyd.lookups.answers import Answer, several

STEPS = 10_000  # of SQLite's machine, between two looks at the clock
NULL = "<NULL>"


class Session:
    """A connection. Satisfies `policyd.pools.Link`."""

    def __init__(self, path: str) -> None:
        """Open the file, or make it. Raises `Unopened`."""
        try:
            # one thread at a time has it, but not always the same one
            self._connection = sqlite3.connect(path.encode("latin-1"), isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise Unopened(f"{error}: {path}") from None
        self._connection.text_factory = bytes

    def ask(self, query: str, deadline: float, patience: float) -> Answer:
        """Put a query, or several; *patience*: seconds to wait for a lock. Raises `Defer`."""
        left = min(patience, deadline - time.monotonic())
        self._connection.set_progress_handler(lambda: int(time.monotonic() > deadline), STEPS)
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {max(int(left * 1000), 0)}")
            rows = [row for statement in statements(query) for row in self._rows(statement)]
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:  # ValueError: not UTF-8, or a NUL
            raise Defer(f"sqlite: {error}") from None
        return Answer("\n".join(rows) if rows else None, lasting=bool(rows))

    def is_fresh(self) -> bool:
        """Whether it is outside of any transaction."""
        return not self._connection.in_transaction

    def close(self) -> None:
        """End it."""
        self._connection.close()

    def _rows(self, statement: str) -> list[str]:
        cursor = self._connection.execute(statement)
        names = [_octets(column[0]) for column in cursor.description or ()]
        return [_line(names, [_value(field) for field in row]) for row in cursor.fetchall()]


def statements(query: str) -> Iterator[str]:
    """The single statements of a query, as Unicode. Raises ValueError for what is not UTF-8."""
    text = query.encode("latin-1").decode("utf-8")
    start = at = 0
    while (at := text.find(";", at) + 1) > 0:
        if sqlite3.complete_statement(text[start:at]):
            yield text[start:at]
            start = at
    if text[start:].strip():
        yield text[start:]


def _line(names: list[str], row: list[str]) -> str:
    return row[0] if len(row) == 1 else several(names, row)


def _value(field: Any) -> str:
    """A value as text, as SQLite would convert it."""
    if field is None:
        return NULL
    if isinstance(field, bytes):
        return field.decode("latin-1")
    return _real(field) if isinstance(field, float) else str(field)


def _real(number: float) -> str:
    """Fifteen digits, and always a point: ``3.0``, ``1.0e+20``."""
    if number in (float("inf"), float("-inf")):
        return "Inf" if number > 0 else "-Inf"
    digits, exponent, power = f"{number:.15g}".partition("e")
    return (digits if "." in digits else f"{digits}.0") + exponent + power


def _octets(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
