"""Octets between the client and the MTA: both ways, untouched, no faster than the slower of the two takes them."""

from __future__ import annotations

import asyncio
import socket
from typing import cast


class End(asyncio.Protocol):
    """One of the two connections. Its *other* one may be made a moment later: what comes until then waits."""

    other: End

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._transport: asyncio.Transport | None = None
        self._waiting = b""  # what came from the other end before this one was made
        self._ended = False  # it sends no more
        self._ending = False  # nothing more is to be sent to it

    # -- what the other end has for this one

    def take(self, data: bytes) -> None:
        """Send *data*, as soon as it can be sent."""
        if self._transport is None:
            self._waiting += data
        elif not self._transport.is_closing():
            self._transport.write(data)

    def end(self) -> None:
        """Nothing more is to come; the other direction goes on until it ends, too."""
        self._ending = True
        if self._ended:
            self._relay.close()
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def read(self, on: bool) -> None:
        """Whether more is wanted of this end."""
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    def close(self, *, now: bool = False) -> None:
        """End this connection: after what has been written to it, or at once."""
        if self._transport is not None:
            (self._transport.abort if now else self._transport.close)()

    # -- what the event loop has to say

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """This end is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._transport.write(self._waiting)
        if self._ending:
            self.end()

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._relay.hear()
        self.other.take(data)

    def eof_received(self) -> bool:
        """Pass it on."""
        self._ended = True
        self.other.end()
        return True

    def pause_writing(self) -> None:
        """This end takes no more for now."""
        self.other.read(False)

    def resume_writing(self) -> None:
        """It does again."""
        self.other.read(True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Without this end there is nothing to relay; what is on its way to the other still gets there."""
        self.other.close()
        self._relay.lost()


class Relay:
    """A client's connection and ours to the MTA. *heard*: when something last came, by the event loop's clock."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        self._left = 2
        self.heard = self._loop.time()
        self._client, self._mta = End(self), End(self)
        self._client.other, self._mta.other = self._mta, self._client

    async def run(self, client: socket.socket, mta: socket.socket) -> None:
        """Relay until both connections are closed, which they are in any case when this returns."""
        try:
            await self._loop.connect_accepted_socket(lambda: self._client, client)
            await self._loop.connect_accepted_socket(lambda: self._mta, mta)
            if self._left < 2:
                self.close()
            await self._over
        finally:
            self.abort()

    def hear(self) -> None:
        """Something has come."""
        self.heard = self._loop.time()

    def close(self) -> None:
        """End both, after what has come has been passed on."""
        self._client.close()
        self._mta.close()

    def abort(self) -> None:
        """End both now."""
        self._client.close(now=True)
        self._mta.close(now=True)

    def lost(self) -> None:
        """One end is no more."""
        self._left -= 1
        if not self._left and not self._over.done():
            self._over.set_result(None)
