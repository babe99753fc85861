"""MySQL and MariaDB by PyMySQL, over a socket that knows how long it has."""

from __future__ import annotations

import os
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS

from policyd.errors import Defer
from policyd.links.sockets import connected, is_silent, reason
from policyd.lookups.answers import Answer, Row, several
from policyd.lookups.servers import Server

PORT = 3306
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")  # Debian's, and that of others
LOCAL = ("", "localhost")  # to MySQL's own library, these mean the socket
OPTION_FILES = ("/etc/mysql/my.cnf", "/etc/my.cnf")
BACKSLASHES = "SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')"  # quote_mysql relies on them


class Session:
    """A connection. Satisfies `policyd.pools.Link`."""

    def __init__(self, server: Server, deadline: float) -> None:
        """Log in. Raises `Defer`."""
        database, user, password = server.fields
        try:
            self._socket = connected(server.host, server.port or PORT, _socket(server), deadline)
        except OSError as error:
            raise Defer(f"MYSQL connection failed: {reason(error)}") from None
        self._connection: Any = pymysql.connect(
            user=user or None,
            password=password.encode("latin-1"),
            database=database or None,
            charset="utf8mb4",
            use_unicode=False,
            conv={},  # values as the server writes them
            autocommit=None,
            defer_connect=True,
            read_default_group=server.group or None,
            read_default_file=next(filter(os.path.exists, OPTION_FILES), None) if server.group else None,
        )
        try:
            self._connection.connect(self._socket)
            if self._connection.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES:
                self._connection.query(BACKSLASHES)
        except (OSError, RuntimeError, pymysql.MySQLError) as error:
            self.close()
            raise Defer(f"MYSQL connection failed: {reason(error)}") from None

    def ask(self, query: str, deadline: float) -> Answer:
        """Put a query. Raises `Defer`."""
        self._socket.deadline = deadline
        try:
            with self._connection.cursor() as cursor:
                changed = cursor.execute(query.encode("latin-1"))
                if cursor.description is None:
                    return Answer(str(changed), lasting=False)
                names = [column[0].encode().decode("latin-1") for column in cursor.description]
                return Answer(_text(names, [[_value(field) for field in row] for row in cursor.fetchall()]))
        except (OSError, pymysql.MySQLError) as error:
            raise Defer(f"MYSQL: query failed: {reason(error)}") from None

    def is_fresh(self) -> bool:
        """Whether it is outside of any transaction, and the server has not ended it."""
        busy = self._connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS
        return not busy and self._connection.open and is_silent(self._socket.fileno())

    def close(self) -> None:
        """End it, without a word: the server may be slow to hear it."""
        self._socket.close()
        self._connection._force_close()


def _socket(server: Server) -> str:
    if server.socket or server.host not in LOCAL:
        return server.socket
    return next(filter(os.path.exists, SOCKETS), "")


def _value(octets: bytes | None) -> str | None:
    return None if octets is None else octets.decode("latin-1")


def _text(names: list[str], rows: list[Row]) -> str | None:
    """All rows, a line to each; None when there is none. NULL, alone in its row, is no text at all."""
    text: str | None = None
    for row in rows:
        if text is not None:
            text += "\n"
        value = row[0] if len(row) == 1 else several(names, row)
        if value is not None:
            text = (text or "") + value
    return text
