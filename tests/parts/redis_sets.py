"""More than one Redis: a master with a replica and a Sentinel, a cluster of three, and one with TLS."""

from __future__ import annotations

import datetime
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from parts.ports import free_port, wait_until
from parts.programs import Running, environment, program, spawn, stop, until_ready
from parts.redis_server import RedisServer, ask

SLOTS = 16384


class Watched(Running):
    """A master ``main``, its replica, and a Sentinel that needs nobody's consent, while the ``with`` block runs."""

    def _start(self, undo: ExitStack) -> None:
        self.master = undo.enter_context(RedisServer())
        self.replica = undo.enter_context(
            RedisServer(options=["--replicaof", "127.0.0.1", str(self.master.port), "--repl-diskless-sync-delay", "0"])
        )
        self.port = free_port()
        self._watch(self.master.directory, undo)
        wait_until(lambda: b"master_link_status:up" in self.replica.ask("INFO", "replication"), "the replica", 60)
        wait_until(self._knows_the_replica, "the Sentinel", 60)

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/main"

    def _watch(self, directory: Path, undo: ExitStack) -> None:
        file = directory / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {directory}\n"
            f"sentinel monitor main 127.0.0.1 {self.master.port} 1\n"
            "sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 3000\n"
        )
        executable = program("redis-server")
        log = directory / "sentinel.log"
        process = spawn([executable, file, "--sentinel"], log, environment(executable))
        undo.callback(stop, process)
        until_ready(process, "sentinel", lambda: "+monitor master" in log.read_text(), log.read_text)

    def _knows_the_replica(self) -> bool:
        found = ask(self.port, "SENTINEL", "replicas", "main")
        return bool(found) and b"disconnected" not in found[0][found[0].index(b"flags") + 1]


class RedisCluster(Running):
    """Three nodes that share the slots, while the ``with`` block runs."""

    def _start(self, undo: ExitStack) -> None:
        buses = [free_port() for _ in range(3)]
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--cluster-port"]
        self.nodes = [undo.enter_context(RedisServer(options=[*options, str(bus)])) for bus in buses]
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER", "ADDSLOTSRANGE", SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1)
        for node, bus in zip(self.nodes[1:], buses[1:], strict=True):
            self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for node in self.nodes:
            wait_until(lambda node=node: b"cluster_state:ok" in node.ask("CLUSTER", "INFO"), "the cluster", 60)

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port}"

    def holder(self, slot: int) -> int:
        """Which of the nodes has a slot."""
        return slot * 3 // SLOTS

    def begin_move(self, slot: int, target: int) -> None:
        """New keys of *slot* go to another node; those that it has are still where they were."""
        source, target_node = self.nodes[self.holder(slot)], self.nodes[target]
        target_node.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", _id(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", _id(target_node))

    def end_move(self, slot: int, target: int) -> None:
        """Move the keys, and tell everybody."""
        source, target_node = self.nodes[self.holder(slot)], self.nodes[target]
        for key in source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1000):
            assert source.ask("MIGRATE", "127.0.0.1", target_node.port, key.decode(), 0, 1000) == b"OK"
        for node in (target_node, source, *self.nodes):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", _id(target_node))


def _id(node: RedisServer) -> str:
    identity: bytes = node.ask("CLUSTER", "MYID")
    return identity.decode()


class SecureRedis:
    """A server with TLS that wants to see a certificate. *authority* and *client* are files in *directory*."""

    def __init__(self, directory: Path) -> None:
        self.authority, self.client, server = (
            directory / "authority.pem",
            directory / "client.pem",
            directory / "server.pem",
        )
        self.port = free_port()
        key = ec.generate_private_key(ec.SECP256R1())
        self.authority.write_bytes(_pem(_certificate("authority", key, "authority", key)))
        for file, name in ((server, "127.0.0.1"), (self.client, "policyd")):
            own = ec.generate_private_key(ec.SECP256R1())
            file.write_bytes(_pem(_certificate(name, own, "authority", key)) + _pem(own))
        options = ["--tls-port", str(self.port), "--tls-cert-file", str(server), "--tls-key-file", str(server)]
        self._server = RedisServer(options=[*options, "--tls-ca-cert-file", str(self.authority)])

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(
        subject_name=_named(name),
        issuer_name=_named(issuer),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(days=1),
        not_valid_after=now + datetime.timedelta(days=1),
    ).add_extension(x509.BasicConstraints(ca=key is by, path_length=None), critical=True)
    if name[0].isdigit():
        made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
    return made.sign(by, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(made: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    encoding = serialization.Encoding.PEM
    if isinstance(made, x509.Certificate):
        return made.public_bytes(encoding)
    return made.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
