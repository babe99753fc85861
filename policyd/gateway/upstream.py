"""The gateway's connection to the MTA: announced before it is made, and perhaps introduced in it, too."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from policyd.gateway.identity import endpoint
from policyd.gateway.places import Way
from policyd.mail.proxy import Address, Endpoint, header
from policyd.transaction import Client

PATIENCE = 20.0  # seconds for the connection, and as long again for each answer of the MTA
LONGEST = 4096  # octets of a greeting
UNAVAILABLE = "[UNAVAILABLE]"  # to XCLIENT


class MtaError(Exception):
    """The MTA cannot be reached, or does not take what it is told; why."""


Announce = Callable[[Endpoint], Awaitable[None]]
"""Is given the address and the port that the MTA will see."""


async def dial(way: Way, announce: Announce) -> socket.socket:
    """A connection to the MTA. Nobody can hear of it before *announce* has been told. Raises `MtaError`, `Defer`."""
    sock = socket.socket(socket.AF_INET6 if ":" in way.source else socket.AF_INET)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((way.source, 0))
        await announce(endpoint(sock.getsockname()))
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_connect(sock, way.mta)
        return sock
    except OSError as error:
        sock.close()
        raise MtaError(reason(error)) from error
    except BaseException:
        sock.close()
        raise


def reason(error: OSError) -> str:
    """What the system says; asyncio's own words, and those of a timeout, say less."""
    return os.strerror(error.errno) if error.errno else "it does not answer"


# -- telling the MTA


def told(client: Client) -> Endpoint:
    """Where the client comes from, as far as an MTA can be told: its port has 16 bits."""
    assert client.address is not None
    return Endpoint(client.address, client.port & 0xFFFF)


def _destination(client: Client) -> Endpoint:
    """Where the client connected to: to the balancer, or to the gateway."""
    proxy = client.proxy
    if proxy and proxy.external_address:
        return Endpoint(ip_address(proxy.external_address), proxy.external_port)
    return Endpoint(ip_address(client.local_address), client.local_port)


async def tell_nothing(_: socket.socket, __: Client) -> bytes:
    """The milter knows, that is enough."""
    return b""


async def tell_by_proxy(sock: socket.socket, client: Client) -> bytes:
    """A header of version 2, as from a balancer. Raises OSError."""
    octets = header(told(client), _destination(client))
    await asyncio.get_running_loop().sock_sendall(sock, octets)
    return b""


async def tell_by_xclient(sock: socket.socket, client: Client) -> bytes:
    """XCLIENT, as Postfix knows it: the greeting that answers it is for the client. Raises `MtaError`, OSError."""
    greeting = await _reply(sock)
    if not greeting.startswith(b"220"):
        return greeting  # the MTA takes no connections now; it says so itself
    await asyncio.get_running_loop().sock_sendall(sock, _xclient(client))
    answer = await _reply(sock)
    if not answer.startswith(b"220"):
        raise MtaError(f"it does not take XCLIENT: {answer.decode('latin-1').strip()}")
    return answer


def _xclient(client: Client) -> bytes:
    """What the MTA would have found out for itself, its name excepted."""
    source, destination = told(client), _destination(client)
    attributes = {
        "NAME": UNAVAILABLE,
        "ADDR": _literal(source.address),
        "PORT": source.port or UNAVAILABLE,
        "DESTADDR": _literal(destination.address),
        "DESTPORT": destination.port & 0xFFFF or UNAVAILABLE,
    }
    return f"XCLIENT {' '.join(f'{name}={value}' for name, value in attributes.items())}\r\n".encode()


def _literal(address: Address) -> str:
    return f"IPV6:{address}" if address.version == 6 else str(address)


async def _reply(sock: socket.socket) -> bytes:
    """One reply of the MTA, all its lines. Raises `MtaError`, OSError."""
    octets = b""
    async with asyncio.timeout(PATIENCE):
        while not _is_whole(octets):
            chunk = await asyncio.get_running_loop().sock_recv(sock, LONGEST)
            octets += chunk
            if not chunk or len(octets) > LONGEST:
                raise MtaError("it does not greet")
    return octets


def _is_whole(octets: bytes) -> bool:
    return octets.endswith(b"\n") and octets.rstrip().rpartition(b"\n")[2][3:4] in (b" ", b"")


TELL = {"none": tell_nothing, "proxy": tell_by_proxy, "xclient": tell_by_xclient}
"""How the MTA learns of the client, by ``gateway_tell``: returns octets of the MTA's that are for the client."""
