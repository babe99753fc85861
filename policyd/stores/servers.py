"""Which server of a Redis has a key: the only one, the master that Sentinels name, or a node of a cluster."""

from __future__ import annotations

import time
from binascii import crc_hqx
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from policyd.links.places import Kind, Node, Place
from policyd.links.redis import Refusal
from policyd.links.sockets import reason
from policyd.stores.dialler import Denied, Dial, Dialler, Unreachable

SLOTS = 16384  # of a cluster


class Servers(Protocol):
    """Thread-safe: what is found is found again when two look for it at once."""

    def holder(self, key: bytes, deadline: float) -> Node:
        """Who has *key*. Raises `Unreachable`."""

    def all(self, deadline: float) -> Iterable[Node]:
        """Who together has all keys. Raises `Unreachable`."""

    def lost(self, node: Node) -> bool:
        """*node* did not answer, or is no master any more; whether another may be found instead."""

    def moved(self, key: bytes, node: Node) -> None:
        """*node* has *key* now."""


class OneServer:
    """A server that is where it is."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def holder(self, key: bytes, deadline: float) -> Node:
        """The server."""
        return self._node

    def all(self, deadline: float) -> Iterable[Node]:
        """The server."""
        return [self._node]

    def lost(self, node: Node) -> bool:
        """There is no other."""
        return False

    def moved(self, key: bytes, node: Node) -> None:
        """A node of a cluster that was taken for a server of its own: it will say so again."""


class Sentinels:
    """The master of a service: asked for when it is not known."""

    def __init__(self, place: Place, dial: Dial) -> None:
        self._nodes = place.nodes
        self._service = place.service.encode("latin-1")
        self._dial = dial
        self._master: Node | None = None

    def holder(self, key: bytes, deadline: float) -> Node:
        """The master. Raises `Unreachable`."""
        master = self._master
        if master is None:
            self._master = master = self._found(deadline)
        return master

    def all(self, deadline: float) -> Iterable[Node]:
        """The master. Raises `Unreachable`."""
        return [self.holder(b"", deadline)]

    def lost(self, node: Node) -> bool:
        """Ask the Sentinels again."""
        if self._master == node:
            self._master = None
        return True

    def moved(self, key: bytes, node: Node) -> None:
        """Nothing: no cluster."""

    def _found(self, deadline: float) -> Node:
        failure = "none of them knows the service"
        for node, patience in _in_turn(self._nodes, deadline):
            try:
                reply = _told(self._dial, node, patience, b"SENTINEL", b"get-master-addr-by-name", self._service)
            except (OSError, Denied) as error:
                failure = reason(error)
                continue
            if isinstance(reply, list) and len(reply) == 2:
                return reply[0].decode("latin-1"), int(reply[1])
        raise Unreachable(f"no master: {failure}")


class Cluster:
    """The nodes of a cluster, and who has which slot."""

    def __init__(self, place: Place, dial: Dial) -> None:
        self._known = place.nodes
        self._dial = dial
        self._slots: dict[int, Node] = {}

    def holder(self, key: bytes, deadline: float) -> Node:
        """Who has the slot of *key*. Raises `Unreachable`."""
        number = slot(key)
        if number not in self._slots:
            self._slots = self._learnt(deadline)
        try:
            return self._slots[number]
        except KeyError:
            raise Unreachable(f"nobody has slot {number}") from None

    def all(self, deadline: float) -> Iterable[Node]:
        """The nodes that have slots. Raises `Unreachable`."""
        self._slots = self._learnt(deadline)
        return set(self._slots.values())

    def lost(self, node: Node) -> bool:
        """Ask the others who has what."""
        self._known = tuple(dict.fromkeys([*self._slots.values(), *self._known]))
        self._slots = {}
        return True

    def moved(self, key: bytes, node: Node) -> None:
        """*node* has the slot now."""
        self._slots[slot(key)] = node

    def _learnt(self, deadline: float) -> dict[int, Node]:
        failure = "the cluster has no nodes"
        for node, patience in _in_turn(self._known, deadline):
            try:
                reply = _told(self._dial, node, patience, b"CLUSTER", b"SLOTS")
                return dict(_ranges(reply, node[0]))
            except (OSError, Denied) as error:
                failure = reason(error)
        raise Unreachable(failure)


def _ranges(reply: Any, asked: str) -> Iterator[tuple[int, Node]]:
    """Each slot and its master, from a ``CLUSTER SLOTS``. A node that has no name is the one that was *asked*."""
    try:
        for first, last, (host, port, *_), *_ in reply:
            node = (host.decode("latin-1") if host else asked, int(port))
            for number in range(max(first, 0), min(last, SLOTS - 1) + 1):
                yield number, node
    except (TypeError, ValueError):
        raise Denied(f"CLUSTER SLOTS: {reply!r:.100}") from None


def _in_turn(nodes: tuple[Node, ...], deadline: float) -> Iterator[tuple[Node, float]]:
    """Each node, and until when to wait for it: those that are left share the time that is left."""
    for number, node in enumerate(nodes):
        now = time.monotonic()
        if now >= deadline:
            return
        yield node, now + (deadline - now) / (len(nodes) - number)


def _told(dial: Dial, node: Node, deadline: float, *command: bytes) -> Any:
    """What *node* answers. Raises OSError and `Denied`."""
    connection = dial(node, deadline)
    try:
        reply = connection.ask(deadline, *command)
    finally:
        connection.close()
    if isinstance(reply, Refusal):
        raise Denied(str(reply))
    return reply


def servers(place: Place, dialler: Dialler) -> Servers:
    """Whoever finds the servers of *place*."""
    match place.kind:
        case Kind.SERVER:
            return OneServer(place.nodes[0])
        case Kind.SENTINEL:
            return Sentinels(place, dialler.sentinel)
        case Kind.CLUSTER:
            return Cluster(place, dialler.server)


def slot(key: bytes) -> int:
    """The slot of a cluster that *key* belongs to: by what is between the first braces, if there is something."""
    tag = key.partition(b"{")[2].partition(b"}")
    return crc_hqx(tag[0] if tag[0] and tag[1] else key, 0) % SLOTS
