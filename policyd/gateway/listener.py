"""The gateway itself: takes connections, counts them, and sees to it that each comes to an end."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Coroutine
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import uvloop

from policyd.errors import Defer
from policyd.gateway.connection import Rules, dismiss, identify, refuse
from policyd.gateway.identity import UNAVAILABLE, endpoint
from policyd.gateway.passage import Passage
from policyd.gateway.places import Way
from policyd.gateway.registry import Registry
from policyd.journal import report
from policyd.mail.proxy import Endpoint
from policyd.metrics import Metrics
from policyd.transaction import Client, Log

TOO_MANY = "421 Too many concurrent SMTP connections; please try again later."
TOO_MANY_OF_ONE = "421 Too many concurrent SMTP connections from this IP address; please try again later."
POLITE = 50  # connections beyond the limit that are told so; more are just closed
BREATH = 0.1  # seconds without new connections when none can be taken: there are no descriptors left


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run *main* in an event loop of this thread until it ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


class Gateway:
    """Relays between balancers and the MTA. *rules* may be replaced at any time."""

    def __init__(self, way: Way, rules: Rules, registry: Registry, metrics: Metrics, log: Log) -> None:
        self.rules = rules
        self._passage = Passage(way, registry, log)
        self._metrics = metrics
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: Counter[IPv4Address | IPv6Address | None] = Counter()

    async def listen(self, listener: socket.socket) -> None:
        """Take connections until cancelled; those that are open then go on."""
        loop = asyncio.get_running_loop()
        watch = loop.create_task(self._watch())
        try:
            while True:
                try:
                    sock, name = await loop.sock_accept(listener)
                except OSError as error:
                    self._log.write("panic", f"gateway: cannot take a connection: {error.strerror}")
                    await asyncio.sleep(BREATH)
                    continue
                task = loop.create_task(self._serve(sock, endpoint(name)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            watch.cancel()

    async def drain(self, patience: float) -> int:
        """Wait until the open connections have ended, for *patience* seconds; how many had to be cut off."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return len(left)

    async def _watch(self) -> None:
        """End what has been silent for too long."""
        while True:
            await asyncio.sleep(self.rules.idle_timeout / 8)
            self._passage.end_silent(self.rules.idle_timeout)

    # -- one connection

    async def _serve(self, sock: socket.socket, peer: Endpoint) -> None:
        """Nothing that goes wrong with one connection concerns another."""
        self._metrics.count("gateway_connections")
        try:
            with sock:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._metrics.count("gateway_connections_total", await self._result(sock, peer))
        except OSError:  # the peer has gone, or takes nothing: a probe, mostly
            self._metrics.count("gateway_connections_total", "gone")
        except Exception as error:
            self._metrics.count("gateway_connections_total", "failed")
            report(self._log.write, "the gateway", error)
        finally:
            self._metrics.count("gateway_connections", amount=-1)

    async def _result(self, sock: socket.socket, peer: Endpoint) -> str:
        """Deal with a connection; what the metric calls what became of it."""
        if len(self._tasks) > self.rules.most + POLITE:
            return "limited"
        if len(self._tasks) > self.rules.most:
            await dismiss(sock, [TOO_MANY])
            return "limited"
        try:
            found = await identify(sock, peer, self.rules, self._metrics)
            if not found.refused:
                return await self._admit(sock, found.client)
            self._log.write("main", found.complaint)
            await refuse(sock, self.rules, found.client)
            return "refused"
        except Defer as error:
            self._log.write("panic", f"gateway: {error}")
            await dismiss(sock, [UNAVAILABLE])
            return "failed"

    async def _admit(self, sock: socket.socket, client: Client) -> str:
        """Relay, unless this client has too many connections already. A balancer is not a client."""
        counted = client.proxy is None or client.proxy.local_address
        if counted and 0 < self.rules.most_per_client <= self._clients[client.address]:
            await dismiss(sock, [TOO_MANY_OF_ONE])
            return "limited"
        self._clients[client.address] += 1
        try:
            return await self._passage.carry(sock, client)
        finally:
            self._clients[client.address] -= 1
            if not self._clients[client.address]:
                del self._clients[client.address]
