"""Lookups that ask a server: who the servers are, and the first of them that answers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from policyd.errors import Defer
from policyd.language.cutting import cut
from policyd.lookups.answers import Answer, remembered
from policyd.pools import Pools
from policyd.transaction import Transaction

HOST = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:(\[]*)(?::(?P<port>[0-9]{1,5}))?(?:\((?P<socket>[^)]*)\))?(?:\[(?P<group>[^]]*)\])?"
)
OLD_SERVERS = re.compile(r"[ \t]*servers[ \t]*=[ \t]*([^;]*);[ \t\r\n]*", re.DOTALL)  # before the query itself


class Final(Defer):
    """A failure that other servers would not mend."""


@dataclass(frozen=True, slots=True)
class Server:
    """One entry of a list of servers. *port*: 0 where it names none; *fields*: what follows the host."""

    host: str
    port: int
    socket: str
    group: str
    fields: tuple[str, ...]


Ask = Callable[[Pools, Server, str, float], Answer]
"""Put a query to a server before a deadline (``time.monotonic()``). Raises `Defer`."""


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of server. *title* is what Exim calls it in messages; *fields*, how many follow the host."""

    name: str
    title: str
    fields: int
    ask: Ask


def answer(tx: Transaction, service: Service, query: str, options: tuple[str, ...]) -> str | None:
    """What the first server that answers says to *query*. Raises `Defer`.

    The time there is, of ``lookup_timeout`` and of this phase, is shared among the servers left to ask.
    """
    start = time.perf_counter()
    try:
        return remembered(tx, service.name, query, options, lambda: _asked(tx, service, query, options))
    finally:
        tx.services.metrics.observe("check_duration_seconds", time.perf_counter() - start, service.name)


def _asked(tx: Transaction, service: Service, query: str, options: tuple[str, ...]) -> Answer:
    everyone: tuple[str, ...] = getattr(tx.settings, f"{service.name}_servers")
    names, query = _chosen(everyone, query, options)
    deadline = min(tx.deadline, time.monotonic() + tx.settings.lookup_timeout)
    failure = Defer(f"no {service.title} servers defined ({service.name}_servers option)")
    for number, name in enumerate(names):
        patience = (deadline - time.monotonic()) / (len(names) - number)
        try:
            server = read(_known(name, everyone, service), service)
            return service.ask(tx.services.pools, server, query, time.monotonic() + patience)
        except Final:
            raise
        except Defer as error:
            failure = error
    raise failure


def _chosen(everyone: tuple[str, ...], query: str, options: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The names of the servers to ask, and the query without those that it names itself."""
    named = next((option for option in options if option.startswith("servers=")), None)
    old = OLD_SERVERS.match(query)
    if named is None and old is None:
        return everyone, query
    if named is None and old is not None:
        named, query = f"servers={old[1]}", query[old.end() :]
    return tuple(name for _, name in cut(str(named).removeprefix("servers="))), query


def _known(name: str, everyone: tuple[str, ...], service: Service) -> str:
    """The entry that *name* stands for: itself, or the one of the option with this host. Raises `Final`."""
    if "/" in name:
        return name
    for entry in everyone:
        if entry.startswith(f"{name}/"):
            return entry
    raise Final(f'{service.title} server "{name}" not found in {service.name}_servers')


def read(entry: str, service: Service) -> Server:
    """Take an entry apart. Raises `Final`."""
    head, *fields = entry.rsplit("/", service.fields)
    found = HOST.fullmatch(head)
    if len(fields) < service.fields or found is None:
        raise Final(f"incomplete {service.title} server data: {entry.partition('/')[0]}")
    host = found["host"].strip("[]")
    return Server(host, int(found["port"] or 0), found["socket"] or "", found["group"] or "", tuple(fields))
