"""What the supervisor says to its children: short messages over a socket pair, whose end means that it is gone."""

from __future__ import annotations

import os
import signal
import socket
import struct
from dataclasses import dataclass
from enum import Enum

HEAD = struct.Struct("!cI")  # the order, and how many octets follow
READY = b"!"
WAKE = signal.SIGUSR1
PATIENCE = 5.0  # seconds until a child that does not read is given up


class Order(Enum):
    """What a child is told to do."""

    POLICY = b"P"  # use this policy from the next connection on; the payload is its text
    STATE = b"S"  # to the exporter: what the supervisor knows; the payload is a `State`
    DRAIN = b"D"  # take no more connections, finish those that are open, and end


@dataclass(frozen=True, slots=True)
class Channel:
    """One end of a socket pair."""

    sock: socket.socket

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """The supervisor's end and the child's."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        return cls(ours), cls(theirs)

    def send(self, order: Order, payload: bytes = b"") -> None:
        """Raises OSError (a TimeoutError among them) when the child does not take it."""
        self.sock.settimeout(PATIENCE)
        self.sock.sendall(HEAD.pack(order.value, len(payload)) + payload)
        self.sock.setblocking(False)

    def receive(self) -> tuple[Order, bytes] | None:
        """The next order; None when the other end is gone."""
        head = self._exactly(HEAD.size)
        if head is None:
            return None
        order, length = HEAD.unpack(head)
        payload = self._exactly(length)
        return None if payload is None else (Order(order), payload)

    def _exactly(self, length: int) -> bytes | None:
        data = bytearray()
        while len(data) < length:
            chunk = self.sock.recv(min(length - len(data), 1 << 16))
            if not chunk:
                return None
            data += chunk
        return bytes(data)

    def announce(self) -> None:
        """The child's word that it is ready; the signal wakes the supervisor up."""
        self.sock.send(READY)
        os.kill(os.getppid(), WAKE)

    def announced(self) -> bool:
        """Whether the child has announced itself since the last time."""
        try:
            return self.sock.recv(1) == READY
        except OSError:  # nothing there, or nobody
            return False

    def close(self) -> None:
        """This end only."""
        self.sock.close()
