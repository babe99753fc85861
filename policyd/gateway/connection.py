"""One connection to the gateway: who it is, and then either a refusal or a relay."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Protocol

from policyd.gateway.identity import Introduction, diagnosis, endpoint, introduced, itself, unproven
from policyd.gateway.refusal import LONGEST, Refusal
from policyd.mail.proxy import Endpoint, Header, Malformed, parse, wanted
from policyd.metrics import Metrics
from policyd.transaction import Client

REFUSED_FOR = 300.0  # seconds that a peer is refused until it is told to go
ATTENTION = 10.0  # seconds that a peer has to take what it is told
FAREWELL = 1.0  # seconds that it has to go, once it has been told everything


class Rules(Protocol):
    """What the policy says. Both may take their time, and raise `Defer`."""

    hostname: str
    header_timeout: float  # seconds
    idle_timeout: float  # seconds
    most: int  # connections at once
    most_per_client: int  # 0: any number

    def owes_header(self, client: Client) -> bool:
        """Whether *client* is one of ``hosts_proxy``."""

    def greet(self, client: Client) -> list[str]:
        """What the connect ACL has against a balancer that has not proven itself: lines; mostly none."""


async def identify(sock: socket.socket, peer: Endpoint, rules: Rules, metrics: Metrics) -> Introduction:
    """Find out whom *peer* stands for. Raises OSError and `Defer`."""
    own = itself(peer, endpoint(sock.getsockname()))
    if not await asyncio.to_thread(rules.owes_header, own):
        return Introduction(own)
    octets = bytearray()
    try:
        async with asyncio.timeout(rules.header_timeout):
            header = await _header(sock, octets)
    except (Malformed, TimeoutError, EOFError) as error:
        return _unproven(own, error, bytes(octets), metrics)
    result = "accepted" if header.source else "local"
    metrics.count("proxy_headers_total", f"v{header.version}", result)
    return Introduction(introduced(header, own))


async def _header(sock: socket.socket, octets: bytearray) -> Header:
    """Read a header, and nothing after it. Raises `Malformed`, EOFError."""
    loop = asyncio.get_running_loop()
    while missing := wanted(bytes(octets)):
        chunk = await loop.sock_recv(sock, missing)
        if not chunk:
            raise EOFError
        octets += chunk
    return parse(bytes(octets))


def _unproven(balancer: Client, error: Exception, octets: bytes, metrics: Metrics) -> Introduction:
    result, why = diagnosis(error, octets)
    version = "v2" if octets.startswith(b"\r\n\r\n\0") else "v1" if octets.startswith(b"PROXY") else "none"
    metrics.count("proxy_headers_total", version, result)
    return Introduction(unproven(balancer), why)


async def refuse(sock: socket.socket, rules: Rules, client: Client) -> None:
    """Be an SMTP server that refuses everything but QUIT. Raises OSError and `Defer`."""
    objections = await asyncio.to_thread(rules.greet, client)
    if objections:
        return await dismiss(sock, objections)
    refusal = Refusal(rules.hostname)
    await say(sock, [refusal.banner()])
    try:
        async with asyncio.timeout(REFUSED_FOR):
            while not refusal.over and (octets := await asyncio.get_running_loop().sock_recv(sock, LONGEST)):
                await say(sock, refusal.hear(octets))
        await dismiss(sock, [])
    except TimeoutError:
        await dismiss(sock, [f"421 {rules.hostname}: SMTP command timeout - closing connection"])


async def say(sock: socket.socket, lines: list[str]) -> None:
    """Send *lines*, if they are taken soon. Raises OSError."""
    octets = "".join(f"{line}\r\n" for line in lines).encode("latin-1", "replace")
    async with asyncio.timeout(ATTENTION):
        await asyncio.get_running_loop().sock_sendall(sock, octets)


async def dismiss(sock: socket.socket, lines: list[str]) -> None:
    """Say *lines*, and that they are the last. What a peer still says is heard: unread, it would take the lines away.

    Raises OSError.
    """
    await say(sock, lines)
    sock.shutdown(socket.SHUT_WR)
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL):
            while await asyncio.get_running_loop().sock_recv(sock, LONGEST):
                pass
