"""PROXY headers put to a live Exim, and to policyd's gateway in front of the same Exim: every octet of the replies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import pytest
from corpora.proxy_headers import HEADERS, REFUSED
from parts.daemon import Policyd
from parts.ports import free_port, is_listening, wait_until
from parts.programs import spawn, stop

HOSTNAME = "mx.example.org"
EXIM = """\
proxy_protocol_timeout = 1s
local_interfaces = 127.0.0.1
hosts_proxy = 127.0.0.1
primary_hostname = mx.example.org
smtp_banner = mx.example.org ESMTP policyd
smtp_enforce_sync = false
smtp_accept_max = 0
smtp_load_reserve = 1000
smtp_connect_backlog = 1000
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
acl_smtp_helo = helo
begin acl
helo:
  accept message = hello
"""
COMMANDS = b"EHLO client.example.org\r\nNOOP\r\nMAIL FROM:<a@b>\r\nquit\r\n"
BANNER = "220 mx.example.org ESMTP policyd"
REFUSAL = "503 Command refused, required Proxy negotiation failed"

V1, V2 = HEADERS["v1, IPv6"][0], HEADERS["v2, IPv6"][0]
TRUNCATED = {f"{len(octets)} octets, cut at {at}": octets[:at] for octets in (V1, V2) for at in range(len(octets))}
WHOLE = {name: octets for name, (octets, *_) in chain(HEADERS.items(), REFUSED.items())}
ODD = {
    "commands at once": HEADERS["v1, IPv4"][0] + b"NOOP\r\n",
    "commands after UNKNOWN": HEADERS["v1, unknown"][0] + b"\r\nHELP\r\n",
    "commands after a malformed header": REFUSED["v1, port 0"][0] + b"NOOP\r\nquit now\r\nEHLO \0\r\n\r\n",
    "garbage and commands": b"12345678901234NOOP\r\nHELP\r\nQUIT foo\r\n",
    "a long line": REFUSED["v1, port 0"][0] + b"A" * 20000 + b"\r\n",
    "a longer line": REFUSED["v1, port 0"][0] + b"A" * 40000 + b"\r\nNOOP\r\n",
    "QUIT": REFUSED["v1, port 0"][0] + b"QUIT\r\n",
    "NULs": bytes(20),
    "a line feed alone": b"PROXY TCP4 192.0.2.1 198.51.100.2 4242 25\n",
}
CASES = WHOLE | TRUNCATED | ODD
DRIPPED = {"v1, an octet now and then": HEADERS["v1, IPv4"][0], "v2, an octet now and then": HEADERS["v2, IPv4"][0]}

Replies = dict[str, bytes]
PATIENCE = 15.0  # seconds for one conversation


@contextmanager
def daemon(exim) -> Iterator[int]:
    """An Exim that listens on a port of 127.0.0.1; who comes from there has to send a header."""
    port, file = free_port(), exim.directory / "proxy.conf"
    file.write_text(exim._base(EXIM) + EXIM)
    file.chmod(0o644)
    command = ["env", f"LD_LIBRARY_PATH={exim.libraries}", exim.program, "-C", file, "-bdf", "-oX", str(port)]
    process = spawn([*command, "-oP", exim.directory / "proxy.pid"], exim.directory / "proxy.out")
    try:
        wait_until(lambda: is_listening(("127.0.0.1", port)), "Exim")
        yield port
    finally:
        stop(process)


async def converse(port: int, octets: bytes, pause: float) -> bytes:
    """Send *octets*, one each *pause* seconds or all at once, and after the banner `COMMANDS`: all that was said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = bytearray()

    async def listen() -> None:
        while chunk := await reader.read(4096):
            said.extend(chunk)

    listening = asyncio.ensure_future(listen())
    try:
        for piece in [octets[at : at + 1] for at in range(len(octets))] if pause else [octets]:
            writer.write(piece)
            await asyncio.sleep(pause)
            if said:
                break
        while not said.startswith(b"220"):
            await asyncio.sleep(0.02)
        writer.write(COMMANDS)
        await listening
    finally:
        listening.cancel()
        writer.close()
    return bytes(said)


async def talk(port: int) -> Replies:
    """What is said to each case, all of them at once."""

    async def one(octets: bytes, pause: float = 0.0) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE):
                return await converse(port, octets, pause)
        except TimeoutError:
            return b"nothing more"

    tasks = {name: asyncio.ensure_future(one(octets)) for name, octets in CASES.items()}
    tasks |= {name: asyncio.ensure_future(one(octets, 0.4)) for name, octets in DRIPPED.items()}
    await asyncio.gather(*tasks.values())
    return {name: task.result() for name, task in tasks.items()}


@pytest.fixture(scope="module")
def said(exim) -> tuple[Replies, Replies]:
    """By Exim itself, and by the gateway in front of it."""
    options = {"hosts_proxy": "127.0.0.1", "primary_hostname": HOSTNAME, "proxy_protocol_timeout": "1s"}
    with daemon(exim) as port:
        gateway = free_port()
        options |= {"gateway_listen": f"127.0.0.1:{gateway}", "gateway_mta": f"127.0.0.1:{port}"}
        with Policyd("", "unix:/nowhere", options, command="gateway"):

            async def both() -> tuple[Replies, Replies]:
                exims, ours = await asyncio.gather(talk(port), talk(gateway))
                return exims, ours

            return asyncio.run(both())


@pytest.mark.parametrize("name", [*CASES, *DRIPPED])
def test_the_same_is_said(said, name):
    exims, ours = said
    assert ours[name] == exims[name]


@pytest.mark.parametrize("name", [*HEADERS, "commands at once"])
def test_accepted(said, name):
    assert said[1][name].decode().split("\r\n")[0] == BANNER
    assert b"503" not in said[1][name]


@pytest.mark.parametrize("name", [*REFUSED, *TRUNCATED, *DRIPPED])
def test_refused(said, name):
    first, *between, last = said[1][name].decode().split("\r\n")[:-1]
    assert (first, last) == (BANNER, "221 mx.example.org closing connection")
    assert between[-2:] == [REFUSAL] * 2
    assert set(between) <= {REFUSAL, "501 NUL characters are not allowed in SMTP commands"}
