"""A relay before a name server, as a program: ``PORT SERVER``. From SIGUSR1 to SIGUSR2, each answer is held back."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from itertools import count

DELAY = 1.5  # seconds
Address = tuple[str, int]


class Relay:
    """Between clients and a server, both on 127.0.0.1, over UDP. Each question gets a number of our own."""

    def __init__(self) -> None:
        self.delay = 0.0
        self._numbers = count()
        self._waiting: dict[bytes, tuple[bytes, Address]] = {}
        self._door: asyncio.DatagramTransport
        self._server: asyncio.DatagramTransport

    async def run(self, port: int, server: int) -> None:
        """Until the process ends."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, lambda: setattr(self, "delay", DELAY))
        loop.add_signal_handler(signal.SIGUSR2, lambda: setattr(self, "delay", 0.0))
        self._door, _ = await loop.create_datagram_endpoint(
            lambda: Side(self._question), local_addr=("127.0.0.1", port)
        )
        self._server, _ = await loop.create_datagram_endpoint(
            lambda: Side(self._answer), remote_addr=("127.0.0.1", server)
        )
        await asyncio.Event().wait()

    def _question(self, packet: bytes, client: Address) -> None:
        number = (next(self._numbers) % 65536).to_bytes(2, "big")
        self._waiting[number] = packet[:2], client
        self._server.sendto(number + packet[2:])

    def _answer(self, packet: bytes, _: Address) -> None:
        if found := self._waiting.pop(packet[:2], None):
            number, client = found
            asyncio.get_running_loop().call_later(self.delay, self._door.sendto, number + packet[2:], client)


class Side(asyncio.DatagramProtocol):
    """Hands packets on. Nobody there is what a client that waits finds out by itself."""

    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Called by asyncio."""
        self._take(data, addr)


if __name__ == "__main__":
    asyncio.run(Relay().run(*map(int, sys.argv[1:])))
