"""The gateway as a process, between real sockets: who gets through, and what becomes of the octets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from corpora.proxy_headers import HEADERS, REFUSED
from parts.daemon import Policyd
from parts.exchange import Log, World, load
from parts.ports import free_port, wait_until

from policyd.errors import Defer
from policyd.gateway.listener import Gateway, run
from policyd.gateway.places import Way, listen
from policyd.gateway.registry import Registry, Unknown
from policyd.gateway.rules import PolicyRules
from policyd.stores import LmdbStore, MemoryStore
from policyd.transaction import Client, Proxy

V1, V2 = HEADERS["v1, IPv4"][0], HEADERS["v2, IPv6"][0]
BANNER = b"220 policyd.test ESMTP policyd\r\n"
NO = b"503 Command refused, required Proxy negotiation failed\r\n"
BYE = b"221 policyd.test closing connection\r\n"
UNAVAILABLE = b"421 Temporary local problem - please try later\r\n"


class Echo:
    """Instead of an MTA: says back what it hears, and remembers who has come. *greet* begins each connection."""

    def __init__(self, greet: Callable[[socket.socket], None] = lambda _: None) -> None:
        self.peers: list[tuple[str, int]] = []
        echo = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                echo.peers.append(self.client_address[:2])
                greet(self.request)
                while octets := self.request.recv(1 << 16):
                    self.request.sendall(octets)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.request_queue_size = 512
        self.server.socket.listen(512)
        self.port = self.server.server_address[1]

    def __enter__(self) -> Echo:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Gate:
    """A gateway, and connections to it."""

    def __init__(self, policyd: Policyd, port: int) -> None:
        self.policyd = policyd
        self.port = port
        self.registry = Registry(LmdbStore(policyd.directory / "state/store"), ["127.0.0.2"], told=True)

    @contextmanager
    def connect(self, first: bytes = b"", host: str = "127.0.0.1") -> Iterator[socket.socket]:
        with socket.create_connection((host, self.port), timeout=30) as sock:
            sock.sendall(first)
            yield sock

    def says(self, first: bytes, host: str = "127.0.0.1") -> bytes:
        """All it says to *first*, after which nothing comes."""
        with self.connect(first, host) as sock:
            sock.shutdown(socket.SHUT_WR)
            return everything(sock)

    def counted(self, name: str, **labels: str) -> float:
        """A metric."""
        wanted = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        line = f"policyd_{name}{{{wanted}}} " if wanted else f"policyd_{name} "
        found = [text for text in self.policyd.page("/metrics").splitlines() if text.startswith(line)]
        return float(found[0].split()[-1])


def everything(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def exactly(sock: socket.socket, length: int) -> bytes:
    octets = b""
    while len(octets) < length and (chunk := sock.recv(length - len(octets))):
        octets += chunk
    return octets


@pytest.fixture
def start() -> Iterator[Callable[..., Gate]]:
    """``start(PORT, **options)``: a gateway before the MTA at a port of 127.0.0.1."""
    with ExitStack() as running:

        def begin(mta: int, policy: str = "", **options: str) -> Gate:
            port = free_port()
            given = {
                "gateway_listen": f"[::]:{port}",
                "gateway_mta": f"127.0.0.1:{mta}",
                "hosts_proxy": "<; 127.0.0.1 ; ::1",
                "proxy_protocol_timeout": "5s",
            }
            options = given | options
            return Gate(running.enter_context(Policyd(policy, "unix:/nowhere", options, command="gateway")), port)

        yield begin


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


def test_who_comes_is_published_before_the_mta_can_know(start):
    found: list[Client] = []
    gates: list[Gate] = []

    def ask(sock: socket.socket) -> None:
        host, port = sock.getpeername()
        found.append(gates[0].registry.behind(Client(ip_address(host), port)))

    with Echo(ask) as mta:
        gates.append(start(mta.port))
        for first, host in ((V1, "127.0.0.1"), (V2, "::1")):
            with gates[0].connect(first, host) as sock:
                own = sock.getsockname()[1]
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
            client = found.pop()
            assert (client.proxy.local_address, client.proxy.local_port) == (host, own)
            assert (client.local_address, client.local_port) == (host, gates[0].port)
            assert (str(client.address), client.port, client.source) == {
                V1: ("192.0.2.1", 4242, "proxy_v1"),
                V2: ("2001:db8::1", 4242, "proxy_v2"),
            }[first]
    assert {host for host, _ in mta.peers} == {"127.0.0.2"}
    seen = Client(ip_address("127.0.0.2"), mta.peers[0][1])
    wait_until(lambda: is_unknown(gates[0].registry, seen), "the withdrawal")
    assert gates[0].counted("proxy_headers_total", result="accepted", version="v1") == 1
    wait_until(lambda: gates[0].counted("gateway_connections") == 0, "the end of both")
    assert gates[0].counted("gateway_connections_total", result="relayed") == 2


def is_unknown(registry: Registry, client: Client) -> bool:
    try:
        registry.behind(client)
    except Unknown:
        return True
    return False


SPOOFS = [V1, V2, HEADERS["v2, local"][0]]


@pytest.mark.parametrize("first", SPOOFS, ids=["v1", "v2", "local"])
def test_a_header_of_somebody_who_is_not_listed_is_not_believed(start, first):
    """It goes to the MTA, which has to make of it what it can; the client is who has connected."""
    found: list[Client] = []
    gates: list[Gate] = []

    def ask(sock: socket.socket) -> None:
        found.append(gates[0].registry.behind(Client(ip_address("127.0.0.2"), sock.getpeername()[1])))

    with Echo(ask) as mta:
        gates.append(start(mta.port, hosts_proxy="10.0.0.0/8"))
        with gates[0].connect(first) as sock:
            assert exactly(sock, len(first)) == first
            own = sock.getsockname()[1]
    (client,) = found
    assert client == Client(ip_address("127.0.0.1"), own, "", "127.0.0.1", gates[0].port)


@pytest.mark.parametrize(
    ("first", "version", "result", "why"),
    [
        (REFUSED["v1, port 0"][0], "v1", "malformed", "malformed PROXY header: port 0"),
        (REFUSED["v2, UDP"][0], "v2", "malformed", "malformed PROXY header: family and transport 0x12"),
        (b"EHLO x\r\n", "none", "malformed", "malformed PROXY header: neither version"),
        (b"PROXY TCP4 192.0", "v1", "timeout", "16 octets of a PROXY header when its time was over"),
        (b"", "none", "missing", "no PROXY header"),
    ],
)
def test_refused(start, echo, first, version, result, why):
    gate = start(echo.port, proxy_protocol_timeout="0.5s")
    with gate.connect(first) as sock:
        port = sock.getsockname()[1]
        assert exactly(sock, len(BANNER)) == BANNER
        sock.sendall(b"EHLO localhost\r\n")
        assert exactly(sock, len(NO)) == NO
        sock.sendall(b"QUIT\r\n")
        assert everything(sock) == BYE
    assert echo.peers == []
    assert f"gateway: [127.0.0.1]:{port} refused: {why}\n" in gate.policyd.log()
    assert gate.counted("proxy_headers_total", result=result, version=version) == 1
    wait_until(lambda: gate.counted("gateway_connections_total", result="refused") == 1, "the count")


def test_a_connection_that_ends_within_its_header(start, echo):
    gate = start(echo.port)
    assert gate.says(V1[:20]) == BANNER
    assert "20 octets of a PROXY header when the connection ended" in gate.policyd.log()


def test_the_connect_acl_hears_of_who_has_not_proven_itself(start, echo):
    policy = "begin acl\nacl_check_connect:\n  deny condition = $proxy_session\n    message = 554 no header\n  accept\n"
    gate = start(echo.port, policy)
    assert gate.says(b"EHLO x\r\n") == b"554 no header\r\n"
    assert gate.says(V1 + b"octets") == b"octets"  # the ACL is the milter's business


def test_50_megabytes_pass_untouched_both_ways_and_no_faster_than_they_are_read(start, echo):
    gate = start(echo.port)
    octets = os.urandom(1 << 20) * 50
    with gate.connect(V2) as sock:
        sending = threading.Thread(target=lambda: (sock.sendall(octets), sock.shutdown(socket.SHUT_WR)))
        sending.start()
        time.sleep(0.5)  # nobody reads: all stand still
        assert sending.is_alive()
        before = memory(gate)
        received = everything(sock)
        sending.join()
    assert received == octets
    assert before < 80 << 20


def memory(gate: Gate) -> int:
    """Octets that the gateway's process holds."""
    return int(Path(f"/proc/{gateway_of(gate)}/statm").read_text().split()[1]) * 4096


def test_half_of_a_connection_may_end_first(start):
    def last_word(sock: socket.socket) -> None:
        heard = everything(sock)
        sock.sendall(b"heard " + heard)

    with Echo(last_word) as mta:
        gate = start(mta.port)
        assert gate.says(V1 + b"all") == b"heard all"


def test_the_mta_may_end_it(start):
    def go(sock: socket.socket) -> None:
        sock.sendall(b"421 not now\r\n")
        sock.shutdown(socket.SHUT_RDWR)

    with Echo(go) as mta:
        gate = start(mta.port)
        with gate.connect(V1) as sock:
            assert everything(sock) == b"421 not now\r\n"
        wait_until(lambda: gate.counted("gateway_connections") == 0, "the end")


def test_silence_ends(start, echo):
    gate = start(echo.port, gateway_idle_timeout="1s")
    with gate.connect(V1 + b"hello") as sock:
        assert exactly(sock, 5) == b"hello"
        begin = time.monotonic()
        assert everything(sock) == b""
        assert time.monotonic() - begin < 10


def test_no_more_than_there_is_room_for(start, echo):
    gate = start(echo.port, gateway_connections="3", gateway_connections_per_client="2")
    other = V1.replace(b"192.0.2.1", b"192.0.2.9")
    with gate.connect(V1 + b"1") as one, gate.connect(V1 + b"2") as two:
        assert (one.recv(1), two.recv(1)) == (b"1", b"2")
        too_many = b"421 Too many concurrent SMTP connections from this IP address; please try again later.\r\n"
        assert gate.says(V1) == too_many
        wait_until(lambda: gate.counted("gateway_connections") == 2, "its end")
        with gate.connect(other + b"3") as three:
            assert three.recv(1) == b"3"
            assert gate.says(other) == b"421 Too many concurrent SMTP connections; please try again later.\r\n"
    wait_until(lambda: gate.counted("gateway_connections") == 0, "the end")
    assert gate.says(V1 + b"again") == b"again"
    wait_until(lambda: gate.counted("gateway_connections_total", result="limited") == 2, "the count")


def test_a_balancers_probes_are_not_counted_as_one_clients(start, echo):
    gate = start(echo.port, gateway_connections_per_client="1")
    with gate.connect(HEADERS["v2, local"][0] + b"1") as one, gate.connect(HEADERS["v2, local"][0] + b"2") as two:
        assert (one.recv(1), two.recv(1)) == (b"1", b"2")
    assert "comes to the MTA" not in gate.policyd.log()


def test_an_mta_that_is_not_there(start):
    port = free_port()
    gate = start(port)
    assert gate.says(V1) == UNAVAILABLE
    assert f"panic: gateway: the MTA at [127.0.0.1]:{port}: Connection refused" in gate.policyd.log()
    wait_until(lambda: gate.counted("gateway_connections_total", result="failed") == 1, "the count")


def test_hosts_proxy_that_cannot_be_decided(start, echo):
    gate = start(echo.port, hosts_proxy="net-lsearch;/nowhere/balancers")
    assert gate.says(V1) == UNAVAILABLE
    assert echo.peers == []
    assert "/nowhere/balancers" in gate.policyd.log()


# -- telling the MTA


def test_a_header_for_the_mta(start, echo):
    gate = start(echo.port, gateway_tell="proxy")
    assert gate.says(V1 + b"octets") == HEADERS["v2, IPv4"][0] + b"octets"
    assert gate.says(V2) == HEADERS["v2, IPv6"][0]


def test_xclient(start):
    said = []

    def postfix(sock: socket.socket) -> None:
        sock.sendall(b"220-mta\r\n220 first\r\n")
        said.append(sock.makefile("rb").readline())
        sock.sendall(b"220 second\r\n")

    with Echo(postfix) as mta:
        gate = start(mta.port, gateway_tell="xclient")
        assert gate.says(V1 + b"octets") == b"220 second\r\noctets"
        assert gate.says(V2 + b"octets") == b"220 second\r\noctets"
    assert said == [
        b"XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.1 PORT=4242 DESTADDR=198.51.100.2 DESTPORT=25\r\n",
        b"XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=4242 DESTADDR=IPV6:2001:db8::2 DESTPORT=25\r\n",
    ]


@pytest.mark.parametrize(
    ("greeting", "answer", "heard"),
    [
        (b"220 mta\r\n", b"550 5.7.0 Error: insufficient authorization\r\n", UNAVAILABLE),
        (b"220 mta\r\n", b"", UNAVAILABLE),
        (b"", b"", UNAVAILABLE),
        (b"421 too busy\r\n", b"", b"421 too busy\r\n"),
        (b"220 " + b"x" * 5000, b"", UNAVAILABLE),
    ],
    ids=["refused", "gone", "silent", "busy", "endless"],
)
def test_an_mta_that_does_not_take_xclient(start, greeting, answer, heard):
    """Nobody gets through as somebody else."""

    def mta(sock: socket.socket) -> None:
        sock.sendall(greeting)
        if greeting.startswith(b"220 mta"):
            sock.recv(1000)
            sock.sendall(answer)
        sock.shutdown(socket.SHUT_RDWR)

    with Echo(mta) as running:
        gate = start(running.port, gateway_tell="xclient")
        with gate.connect(V1) as sock:
            assert everything(sock) == heard


# -- the process


def test_the_list_may_change(start, echo):
    gate = start(echo.port)
    assert gate.says(b"EHLO x\r\n") == BANNER
    configuration = gate.policyd.configuration / "zz-local.conf"
    configuration.write_text(configuration.read_text().replace("<; 127.0.0.1 ; ::1", "10.0.0.0/8"))
    gate.policyd.reload()
    wait_until(lambda: gate.says(b"octets\r\n") == b"octets\r\n", "the new list")


def test_a_successor_takes_the_place_of_one_that_died(start, echo):
    gate = start(echo.port)
    with gate.connect(V1 + b"x") as sock:
        assert sock.recv(1) == b"x"
        seen = Client(ip_address("127.0.0.2"), echo.peers[0][1])
        assert gate.registry.behind(seen).proxy == Proxy("127.0.0.1", sock.getsockname()[1], "198.51.100.2", 25)
        os.kill(gateway_of(gate), signal.SIGKILL)
    wait_until(lambda: is_unknown(gate.registry, seen), "what it left behind to be forgotten")
    assert gate.says(V1 + b"again") == b"again"


def gateway_of(gate: Gate) -> int:
    """The process with the store open."""
    (pid,) = gate.policyd.workers()
    return pid


def test_draining(start, echo):
    gate = start(echo.port)
    with gate.connect(V1 + b"x") as sock:
        assert sock.recv(1) == b"x"
        os.kill(gate.policyd.pid, signal.SIGTERM)
        wait_until(lambda: not connects(gate), "no more connections")
        sock.sendall(b"still here")
        assert exactly(sock, 10) == b"still here"
    wait_until(lambda: "stopped" in gate.policyd.log(), "the end")
    assert "cut off" not in gate.policyd.log()


def connects(gate: Gate) -> bool:
    try:
        with gate.connect():
            return True
    except ConnectionRefusedError:
        return False


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"gateway_listen": ""}, "gateway_listen is not set: there is nothing to do"),
        ({"gateway_mta": "[::1]:25"}, "gateway_mta: [::1]:25: gateway_source has no address to connect to it from"),
        ({"gateway_listen": "192.0.2.1:25"}, "gateway_listen: 192.0.2.1:25: Cannot assign requested address"),
    ],
)
def test_what_cannot_work_does_not_start(start, options, complaint):
    with pytest.raises(ChildProcessError, match=f"^policyd gateway ended:\n{complaint}".replace("[", r"\[")):
        start(25, **options)


class Full(MemoryStore):
    """A store that takes nothing, and can forget nothing."""

    def put(self, key, value, ttl):
        raise Defer("the store is full")

    def delete(self, key):
        raise Defer("the store is damaged")


def test_without_a_store_nobody_passes(echo):
    log = Log()
    services = replace(World().services, log=log)
    rules = PolicyRules(load("hosts_proxy = 127.0.0.1"), services)
    registry = Registry(Full(), ["127.0.0.2"])
    gateway = Gateway(Way(("127.0.0.1", echo.port), "127.0.0.2"), rules, registry, services.metrics, log)

    async def main() -> None:
        with listen("127.0.0.1:0") as listener:
            listening = asyncio.ensure_future(gateway.listen(listener))
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(V1 + b"x")
            assert await reader.read() == UNAVAILABLE
            writer.close()
            listening.cancel()
            assert await gateway.drain(5) == 0

    run(main())
    assert echo.peers == []
    assert log.of("panic") == ["gateway: the store is damaged", "gateway: the store is full"]
