"""A client's way to the MTA: announced, connected, told, relayed, and withdrawn."""

from __future__ import annotations

import asyncio
import socket

from policyd.errors import Defer
from policyd.gateway.connection import dismiss
from policyd.gateway.identity import UNAVAILABLE
from policyd.gateway.places import Way
from policyd.gateway.registry import Registry
from policyd.gateway.relay import Relay
from policyd.gateway.upstream import TELL, MtaError, dial, reason, told
from policyd.mail.proxy import Endpoint
from policyd.transaction import Client, Log


class Passage:
    """Carries clients to the MTA."""

    def __init__(self, way: Way, registry: Registry, log: Log) -> None:
        self._way = way
        self._registry = registry
        self._log = log
        self._relays: set[Relay] = set()

    async def carry(self, sock: socket.socket, client: Client) -> str:
        """Relay until it is over; what a metric calls what became of it. Raises OSError, `Defer`."""
        announced: list[Endpoint] = []

        async def announce(seen: Endpoint) -> None:
            announced.append(self._shown(client, seen))
            if not _is_probe(client):
                self._log.write("main", _line(client, seen))
            await asyncio.to_thread(self._registry.publish, announced[0], client)

        try:
            return await self._relayed(sock, client, await dial(self._way, announce))
        except MtaError as error:
            self._log.write("panic", f"gateway: the MTA at {self._way.place}: {error}")
            await dismiss(sock, [UNAVAILABLE])
            return "failed"
        finally:
            for shown in announced:
                await self._withdraw(shown)

    def _shown(self, client: Client, seen: Endpoint) -> Endpoint:
        """Where the MTA tells its milter that the connection comes from."""
        return seen if self._way.tell == "none" else told(client)

    async def _relayed(self, sock: socket.socket, client: Client, mta: socket.socket) -> str:
        with mta:
            try:
                greeting = await TELL[self._way.tell](mta, client)
            except OSError as error:
                raise MtaError(reason(error)) from error
            await asyncio.get_running_loop().sock_sendall(sock, greeting)
            relay = Relay()
            self._relays.add(relay)
            try:
                await relay.run(sock, mta)
            finally:
                self._relays.discard(relay)
        return "relayed"

    async def _withdraw(self, shown: Endpoint) -> None:
        try:
            await asyncio.to_thread(self._registry.withdraw, shown)
        except Defer as error:  # it expires
            self._log.write("panic", f"gateway: {error}")

    def end_silent(self, seconds: float) -> None:
        """End what has been silent for so long."""
        latest = asyncio.get_running_loop().time() - seconds
        for relay in list(self._relays):
            if relay.heard < latest:
                relay.abort()


def _is_probe(client: Client) -> bool:
    """Whether a balancer comes for itself, every few seconds: to see if we are there."""
    return client.proxy is not None and client.proxy.local_address in ("", str(client.address))


def _line(client: Client, seen: Endpoint) -> str:
    proxy = f" PRX={client.proxy.local_address}" if client.proxy and client.proxy.local_address else ""
    return f"gateway: [{client.address}]:{client.port}{proxy} ({client.source}) comes to the MTA from {seen}"
