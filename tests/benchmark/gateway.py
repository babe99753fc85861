"""What the gateway carries: ``PYTHONPATH=tests python tests/benchmark/gateway.py [CONNECTIONS]`` prints a table.

A crowd of connections at once, some of which never get their header done; and
messages of 10 MB, through the gateway and through HAProxy in TCP mode in turn.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from corpora.proxy_headers import HEADERS
from parts.daemon import Policyd
from parts.haproxy import HAProxy
from parts.ports import free_port

HEADER = HEADERS["v2, IPv4"][0]
COMMANDS = (b"EHLO x", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"DATA")
MESSAGE = b"a line of seventy-six octets, as long as base64 makes them, with its line end\r\n" * 134218  # 10 MB
END = b"\r\n.\r\n"


# -- an MTA that takes everything, in a process of its own


async def _receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 sink\r\n")
    while line := await reader.readline():
        if line.startswith(b"DATA"):
            writer.write(b"354 go on\r\n")
            tail = b""
            while not tail.endswith(END):
                tail = (tail + await reader.read(1 << 20))[-len(END) :]
        if line.startswith(b"QUIT"):
            break
        writer.write(b"250 ok\r\n")
    writer.close()


def _sink(listener: socket.socket) -> None:
    import uvloop

    async def serve() -> None:
        server = await asyncio.start_server(_receive, sock=listener, limit=1 << 20, backlog=2048)
        await server.serve_forever()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


@contextmanager
def sink() -> Iterator[int]:
    """Its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        process = multiprocessing.get_context("fork").Process(target=_sink, args=(listener,), daemon=True)
        process.start()
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.join()


# -- the site


@dataclass
class Site:
    """Ports of 127.0.0.1, all before the same MTA."""

    policyd: Policyd
    gateway: int
    haproxy: int

    @property
    def memory(self) -> int:
        """Octets that the gateway's process holds."""
        (pid,) = self.policyd.workers()
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@contextmanager
def site() -> Iterator[Site]:
    with ExitStack() as parts:
        mta, gateway = parts.enter_context(sink()), free_port()
        options = {
            "gateway_listen": f"127.0.0.1:{gateway}",
            "gateway_mta": f"127.0.0.1:{mta}",
            "gateway_connections": "2000",
            "gateway_connections_per_client": "0",
            "hosts_proxy": "127.0.0.1",
        }
        policyd = parts.enter_context(Policyd("", "unix:/nowhere", options, command="gateway"))
        haproxy = parts.enter_context(HAProxy({"tcp": f"127.0.0.1:{mta}"}))
        yield Site(policyd, gateway, haproxy.ports["tcp"])


# -- a crowd


async def _session(port: int, everybody: asyncio.Barrier) -> bool:
    """A message from a client who stays until all others are there: whether it was taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(HEADER)
        replies = [await reader.readline()]
        await everybody.wait()
        for command in (*COMMANDS, b"Subject: hi\r\n\r\nbody\r\n.", b"QUIT"):
            writer.write(command + b"\r\n")
            replies.append(await reader.readline() if command != b"QUIT" else b"")
        return [reply[:3] for reply in replies] == [b"220", b"250", b"250", b"250", b"354", b"250", b""]
    finally:
        writer.close()


async def _loris(port: int) -> bool:
    """A header that never ends: whether it was refused, when its time was over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        banner = asyncio.ensure_future(reader.readline())
        for at in range(len(HEADER)):
            writer.write(HEADER[at : at + 1])
            if (await asyncio.wait([banner], timeout=0.5))[0]:
                break
        writer.write(b"NOOP\r\n")
        return (await banner).startswith(b"220") and (await reader.readline()).startswith(b"503")
    finally:
        writer.close()


async def crowd(port: int, number: int, slow: int) -> tuple[int, int]:
    """*number* connections open at once, *slow* more among them: how many messages were taken, how many refused."""
    everybody = asyncio.Barrier(number)
    async with asyncio.timeout(60):
        lorises = [asyncio.ensure_future(_loris(port)) for _ in range(slow)]
        taken = await asyncio.gather(*(_session(port, everybody) for _ in range(number)))
        refused = await asyncio.gather(*lorises)
    return sum(taken), sum(refused)


# -- throughput


def transfer(port: int, header: bytes) -> float:
    """Seconds for one `MESSAGE`, from the connection to the answer to its last octet."""
    begin = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(header)
        replies = sock.makefile("rb")
        replies.readline()
        for command in COMMANDS:
            sock.sendall(command + b"\r\n")
            replies.readline()
        sock.sendall(MESSAGE + END[2:])
        if not replies.readline().startswith(b"250"):
            raise ConnectionError("the message was not taken")
        return time.perf_counter() - begin


def rates(running: Site, rounds: int) -> tuple[float, float]:
    """Megabytes a second through the gateway, and through HAProxy: the medians of transfers that took turns."""
    gateway, haproxy = [], []
    for _ in range(rounds):
        gateway.append(transfer(running.gateway, HEADER))
        haproxy.append(transfer(running.haproxy, b""))
    megabytes = len(MESSAGE) / 1e6
    return megabytes / median(gateway), megabytes / median(haproxy)


def main(number: int) -> None:
    """The table."""
    with site() as running:
        for _ in range(5):
            begin, slow = time.perf_counter(), number // 10
            taken, refused = asyncio.run(crowd(running.gateway, number, slow))
            seconds = time.perf_counter() - begin
            print(
                f"{number} connections at once, {slow} slow ones: {taken} messages taken, {refused} refused, ", end=""
            )
            print(f"{seconds:.1f} s, {running.memory / 1e6:.1f} MB")
        gateway, haproxy = rates(running, 30)
        print(
            f"a message of 10 MB: gateway {gateway:.0f} MB/s, HAProxy {haproxy:.0f} MB/s, {running.memory / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
