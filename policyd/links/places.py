"""Where a Redis is: URLs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import unquote_to_bytes

PORT = 6379
SENTINEL_PORT = 26379
URL = re.compile(
    r"(?P<scheme>redis|rediss|unix)(?:\+(?P<kind>sentinel|cluster))?://"
    r"(?:(?P<user>[^:@/]*):(?P<password>[^@/]*)@)?"
    r"(?P<hosts>[^/?@]*)(?P<path>/[^?]*)?(?:\?db=(?P<database>[0-9]{1,5}))?"
)
HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
SHAPES = (
    "redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER], rediss://… with TLS, unix://[USER:PASSWORD@]/PATH[?db=NUMBER], "
    "redis+sentinel://[USER:PASSWORD@]HOST[:PORT],…/SERVICE[/NUMBER], redis+cluster://[USER:PASSWORD@]HOST[:PORT],…"
)

Node = tuple[str, int]
"""A host and its port; or the path of a socket, and 0."""


class Kind(Enum):
    """How many servers there are, and who knows them."""

    SERVER = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Place:
    """A Redis. *nodes*: the server, the Sentinels, or some of the cluster. *service*: the master's name there."""

    kind: Kind
    nodes: tuple[Node, ...]
    tls: bool = False
    service: str = ""
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Its URL, without who we are there."""
        if self.nodes[0][1] == 0:
            return f"unix://{self.nodes[0][0]}"
        scheme = ("rediss" if self.tls else "redis") + (f"+{self.kind.value}" if self.kind.value else "")
        path = "".join(f"/{part}" for part in (self.service, self.database) if part)
        return f"{scheme}://{','.join(map(named, self.nodes))}{path}"


def named(node: Node) -> str:
    """``host:port``."""
    host, port = node
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def place(url: str) -> Place:
    """Read a URL. Raises ValueError with what is wrong; it does not show the password."""
    found = URL.fullmatch(url)
    if found is None or (found["scheme"] == "unix" and found["kind"]):
        raise ValueError("not the URL of a Redis")
    user, password = (_octets(found[name] or "") for name in ("user", "password"))
    path, kind = (found["path"] or "").strip("/"), Kind(found["kind"] or "")
    if found["scheme"] == "unix":
        if found["hosts"] or not path:
            raise ValueError("the path of the socket is missing")
        nodes: tuple[Node, ...] = (("/" + path, 0),)
        return Place(kind, nodes, database=int(found["database"] or 0), user=user, password=password)
    service, number = _service(kind, path)
    nodes = tuple(_node(text, SENTINEL_PORT if kind is Kind.SENTINEL else PORT) for text in found["hosts"].split(","))
    if kind is Kind.SERVER and len(nodes) > 1:
        raise ValueError("several hosts are a cluster, redis+cluster://, or Sentinels, redis+sentinel://")
    return Place(kind, nodes, found["scheme"] == "rediss", service, _number(number, found["database"]), user, password)


def _service(kind: Kind, path: str) -> tuple[str, str]:
    """The service and the number of the database, both perhaps empty."""
    if kind is Kind.SERVER:
        return "", path
    if kind is Kind.SENTINEL:
        service, _, number = path.partition("/")
        if not service:
            raise ValueError("the name of the service is missing: redis+sentinel://HOST/SERVICE")
        return service, number
    if path:
        raise ValueError("a cluster has no databases with numbers")
    return "", ""


def _number(path: str, query: str | None) -> int:
    text = path or query or "0"
    if not re.fullmatch("[0-9]{1,5}", text):
        raise ValueError(f'"{text}" is not the number of a database')
    return int(text)


def _node(text: str, port: int) -> Node:
    found = HOST.fullmatch(text)
    if found is None or not 0 < int(found["port"] or port) < 65536:
        raise ValueError(f'"{text}" is not a host with a port')
    return found["ipv6"] or found["host"], int(found["port"] or port)


def _octets(text: str) -> str:
    return unquote_to_bytes(text.encode("latin-1")).decode("latin-1")
