"""PostgreSQL by libpq, without waiting in it: every wait has an end.

psycopg's own cursors turn values into Python's; a policy wants them as the
server writes them.
"""

from __future__ import annotations

from psycopg import Error, pq
from psycopg.conninfo import make_conninfo
from psycopg.pq.abc import PGconn, PGresult

from policyd.errors import Defer
from policyd.links.sockets import addresses, is_silent, reason, wait
from policyd.lookups.answers import Answer, several
from policyd.lookups.servers import Server

PORT = 5432
SOCKETS = "/var/run/postgresql"  # Debian's
SOCKET_NAME = ".s.PGSQL."  # and the port
GOOD = {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY}


class Session:
    """A connection. Satisfies `policyd.pools.Link`."""

    def __init__(self, server: Server, deadline: float) -> None:
        """Log in. Raises `Defer`."""
        try:
            self._connection: PGconn = pq.PGconn.connect_start(_parameters(server, deadline))
            self._log_in(deadline)
        except (OSError, Error) as error:
            raise Defer(f"PGSQL connection failed: {reason(error)}") from None
        self._connection.nonblocking = 1

    def ask(self, query: str, deadline: float) -> Answer:
        """Put a query. Raises `Defer`."""
        if "\0" in query:  # where libpq's text ends
            raise Defer("PGSQL: query failed: there is a NUL in it")
        try:
            result = self._last_result(query.encode("latin-1"), deadline)
        except (OSError, Error) as error:
            raise Defer(f"PGSQL: query failed: {reason(error)} ({query})") from None
        if result.status == pq.ExecStatus.TUPLES_OK:
            return Answer(_text(result))
        if result.status == pq.ExecStatus.COMMAND_OK:
            changed = result.command_tuples
            return Answer(None if changed is None else str(changed), lasting=False)
        status = pq.ExecStatus(result.status).name
        raise Defer(f"PGSQL: query failed: {_text_of(result.error_message)} (PGRES_{status}) ({query})")

    def is_fresh(self) -> bool:
        """Whether it is idle, outside of any transaction, and the server has not ended it."""
        idle = self._connection.transaction_status == pq.TransactionStatus.IDLE
        return idle and is_silent(self._connection.socket)

    def close(self) -> None:
        """End it."""
        self._connection.finish()

    def _log_in(self, deadline: float) -> None:
        while (status := self._connection.connect_poll()) != pq.PollingStatus.OK:
            if status == pq.PollingStatus.FAILED:
                raise ConnectionError(_text_of(self._connection.error_message))
            wait(self._connection.socket, status == pq.PollingStatus.WRITING, deadline)

    def _last_result(self, query: bytes, deadline: float) -> PGresult:
        """The result of a query; of several in one, the last, or the first that failed. Raises TimeoutError."""
        connection = self._connection
        connection.send_query(query)
        while connection.flush():
            wait(connection.socket, True, deadline)
        last = self._next_result(deadline)
        while last is not None and last.status in GOOD:
            following = self._next_result(deadline)
            if following is None:
                break
            last = following
        assert last is not None  # libpq gives one at least
        return last

    def _next_result(self, deadline: float) -> PGresult | None:
        connection = self._connection
        while connection.is_busy():
            wait(connection.socket, False, deadline)
            connection.consume_input()
        return connection.get_result()


def _parameters(server: Server, deadline: float) -> bytes:
    """How libpq reaches *server*. Raises OSError for a name that has no address."""
    database, user, password = server.fields
    words = {"dbname": database, "user": user, "password": password, "client_encoding": "SQL_ASCII"}
    if server.socket or not server.host:
        directory, _, name = server.socket.rpartition("/")
        number = name.removeprefix(SOCKET_NAME)
        words |= {"host": directory or SOCKETS, "port": number if number.isdigit() else str(PORT)}
    else:
        found = list(addresses(server.host, deadline))  # libpq itself would wait for DNS
        words |= {"host": ",".join([server.host] * len(found)), "hostaddr": ",".join(found)}
        words["port"] = str(server.port or PORT)
    return make_conninfo("", **{name: value for name, value in words.items() if value}).encode("latin-1")


def _text(result: PGresult) -> str | None:
    """All rows, a line to each; None when there is none."""
    names = [_text_of(result.fname(number) or b"") for number in range(result.nfields)]
    rows = [
        [_value(result.get_value(row, column)) for column in range(result.nfields)] for row in range(result.ntuples)
    ]
    if not rows:
        return None
    return "\n".join(row[0] if len(row) == 1 else several(names, row) for row in rows)


def _value(octets: bytes | None) -> str:
    return "" if octets is None else _text_of(octets)


def _text_of(octets: bytes) -> str:
    return octets.decode("latin-1").rstrip("\n") if octets.endswith(b"\n") else octets.decode("latin-1")
