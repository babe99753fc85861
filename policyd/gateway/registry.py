"""Who is behind the gateway's connections to the MTA: written by the gateway, read by the milter.

A connection is known by the address and the port that the MTA sees. The gateway
writes before it connects, so that whoever hears of the connection finds it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import astuple, replace
from ipaddress import ip_address

from policyd.gateway.identity import plain
from policyd.mail.proxy import Endpoint
from policyd.settings import Settings
from policyd.stores import Store
from policyd.transaction import Client, Proxy

PREFIX = b"gateway:"
LIFE = 600.0  # seconds: longer than an MTA lets a connection wait before it asks its milters
PATIENCE = 5.0  # seconds for the store
OWN_SOURCE = "127.0.0.2"


class Unknown(LookupError):  # noqa: N818 - it says something about the connection
    """A connection from a gateway's address, of which no gateway has told."""


def sources(settings: Settings) -> tuple[str, ...]:
    """The addresses from which gateways connect to the MTA; none where there is no gateway."""
    return settings.gateway_source or ((OWN_SOURCE,) if settings.gateway_listen else ())


class Registry:
    """*sources*: the addresses whose connections are a gateway's, and nobody else's.

    *told*: gateways tell the MTA, too, which then sees the client's own address and port.
    """

    def __init__(self, store: Store, sources: Collection[str], *, told: bool = False) -> None:
        self._store = store
        self._sources = frozenset(map(ip_address, sources))
        self._told = told and bool(sources)

    @classmethod
    def of(cls, settings: Settings, shared: Store, here: Store) -> Registry:
        """The one that the settings describe.

        It is in the store that hosts share, unless gateways connect from loopback addresses: those are every host's.
        """
        addresses = sources(settings)
        alone = all(ip_address(address).is_loopback for address in addresses)
        return cls(here if alone else shared, addresses, told=settings.gateway_tell != "none")

    def publish(self, seen: Endpoint, client: Client) -> None:
        """Tell who will connect from *seen*. Raises `Defer`."""
        self._patient().put(_key(seen), _written(client), LIFE)

    def withdraw(self, seen: Endpoint) -> None:
        """The connection from *seen* is over. Raises `Defer`."""
        self._patient().delete(_key(seen))

    def forget(self) -> None:
        """Withdraw what a gateway at these addresses has left behind when it was killed. Raises `Defer`."""
        for key, _ in list(self._store.scan(PREFIX)):
            if any(key.startswith(PREFIX + str(source).encode() + b"|") for source in self._sources):
                self._store.delete(key)

    def behind(self, client: Client) -> Client:
        """The client that a gateway relays, if *client* is a gateway, or is told of by one; otherwise *client*.

        Raises `Unknown`: it comes from where only gateways may come from, and is none. Raises `Defer`.
        """
        if client.address is None or not self._sources:
            return client
        gateway = client.address in self._sources
        if not (gateway or self._told):
            return client
        seen = Endpoint(plain(client.address), client.port)
        written = self._patient().get(_key(seen))
        if written is not None:
            return _read(written)
        if gateway:
            raise Unknown(f"no gateway has told of a connection from {seen}")
        return client

    def _patient(self) -> Store:
        return self._store.until(time.monotonic() + PATIENCE)


def _key(seen: Endpoint) -> bytes:
    return PREFIX + f"{seen.address}|{seen.port}".encode()


def _written(client: Client) -> bytes:
    proxy = astuple(client.proxy) if client.proxy else None
    fields = (str(client.address), client.port, client.local_address, client.local_port, proxy, client.source)
    return json.dumps(fields).encode()


def _read(written: bytes) -> Client:
    """The inverse of `_written`. Raises `Unknown` for anything else."""
    try:
        address, port, local_address, local_port, proxy, source = json.loads(written)
        client = Client(ip_address(address), int(port), "", str(local_address), int(local_port), source=str(source))
        return replace(client, proxy=Proxy(*proxy)) if proxy else client
    except (ValueError, TypeError):
        raise Unknown(f"no gateway wrote {written[:80]!r}") from None
