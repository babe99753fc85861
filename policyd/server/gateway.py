"""The gateway's process: a worker's life under the supervisor, and an event loop in it."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import suppress

from policyd.errors import Defer
from policyd.gateway.listener import Gateway, run
from policyd.gateway.places import way
from policyd.gateway.rules import PolicyRules
from policyd.policy import Policy
from policyd.server.session import DecisionLog
from policyd.server.worker import Post, Worker

DESCRIPTORS = 2  # of each connection: both its ends
OTHERS = 100  # descriptors for everything else


class GatewayProcess(Worker):
    """Takes connections at *sock* instead of the MTA's questions."""

    def __init__(self, policy: Policy, post: Post, log: DecisionLog, sock: socket.socket) -> None:
        super().__init__(policy, post, log)
        self._sock = sock

    def _serve(self) -> None:
        wanted = self._post.settings.gateway_connections * DESCRIPTORS
        if not has_room(wanted):
            self.log.write("panic", f"gateway: it may not have {wanted} files open, as gateway_connections would need")
        run(self._live())

    async def _live(self) -> None:
        """Relay until the orders' thread ends the process."""
        self._loop = asyncio.get_running_loop()
        settings = self._post.settings
        with suppress(Defer):  # then they expire
            self._registry.forget()
        rules = PolicyRules(self.policy, self._services)
        self._gateway = Gateway(way(settings), rules, self._registry, self.metrics, self.log)
        self._listening = self._loop.create_task(self._gateway.listen(self._sock))
        self._ready()
        await asyncio.Event().wait()

    def _adopt(self, snapshot: bytes) -> None:
        super()._adopt(snapshot)
        self._gateway.rules = PolicyRules(self.policy, self._services)

    def _drain(self) -> None:
        """Leave new connections to a successor, and wait for the end of those that are open."""
        left = asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        if left:
            self.log.write("main", f"{self._post.name}: {left} connections cut off")

    async def _end(self) -> int:
        self._listening.cancel()
        self._sock.close()
        return await self._gateway.drain(self._post.drain)


def has_room(descriptors: int) -> bool:
    """Whether so many more files may be open; the limit is raised, if it has to be and can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = descriptors + OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return True
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    except (OSError, ValueError):
        return False
    return most == wanted
