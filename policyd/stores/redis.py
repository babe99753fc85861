"""State of many hosts: a Redis or Valkey, alone, behind Sentinels, or a cluster."""

from __future__ import annotations

import copy
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from policyd.errors import Defer
from policyd.links.places import Node, Place
from policyd.links.redis import Refusal
from policyd.links.sockets import reason
from policyd.pools import Pools
from policyd.stores.dialler import Denied, Dialler, Unreachable
from policyd.stores.protocol import Operation, Step, T, Unavailable, fitting
from policyd.stores.scripts import LOOK, SWAP, Script, stepping
from policyd.stores.servers import servers

TURNS = 5  # servers that are asked for one key: each may say that another has it
RACES = 1000  # that a step may lose to others who write the same key
LONGEST_LIFE = 10 * 365 * 86400.0  # seconds
BATCH = 256  # keys that a scan asks for at once
ASKING = (b"ASKING",)  # before a command to the node that a key is on its way to
OF_ONE_KEY = ("WRONGTYPE", "ERR")  # refusals that say nothing about other keys


class RedisStore:
    """The store of many hosts. An operation is one call; the time is the server's, unless there is a *clock*.

    Nothing is connected before it is used, and a child makes connections of its
    own. *timeout*: seconds for one operation. A call that may have reached a
    server is not made again: nothing is counted twice.
    """

    def __init__(
        self,
        place: Place,
        *,
        timeout: float = 1.0,
        dialler: Dialler | None = None,
        prefix: bytes = b"policyd:",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._place = place
        self._timeout = timeout
        self._dialler = dialler or Dialler(place)
        self._prefix = prefix + b"{"
        self._clock = clock
        self._servers = servers(place, self._dialler)
        self._pools = Pools()
        self._deadline = float("inf")

    def __str__(self) -> str:
        return str(self._place)

    def open(self) -> None:
        """Nothing: a Redis that is down must not keep the daemon from starting."""

    def close(self) -> None:
        """End the connections that wait for work."""
        self._pools.close()

    def until(self, deadline: float) -> RedisStore:
        """The same store, giving up (with `Defer`) at *deadline*, a ``time.monotonic()`` value."""
        bounded = copy.copy(self)
        bounded._deadline = deadline
        return bounded

    def get(self, key: bytes) -> bytes | None:
        """What is stored, unless it has expired."""
        value = self._ask(self._named(key), b"GET", self._named(key))
        return None if value is None else self._octets(value)

    def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Store *value* for *ttl* seconds, whatever was there."""
        self._ask(self._named(key), b"SET", self._named(key), value, b"PX", _life(ttl))

    def delete(self, key: bytes) -> None:
        """Forget what is stored, if anything is."""
        self._ask(self._named(key), b"DEL", self._named(key))

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Everything whose key begins with *prefix*. A key may come twice while a cluster moves it."""
        pattern = _literally(self._prefix + prefix) + b"*"
        for node in self._nodes():
            cursor = b"0"
            while True:
                (found,) = self._at(node, (b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"%d" % BATCH))
                cursor, keys = self._page(found)
                values = self._at(node, *((b"GET", key) for key in keys)) if keys else []
                for key, value in zip(keys, values, strict=True):
                    if isinstance(value, bytes):
                        yield key[len(self._prefix) : -1], value
                if cursor == b"0":
                    break

    def read(self, key: bytes, step: Step[T]) -> T:
        """What *step* answers to what is stored now; nothing is written."""
        if isinstance(step, Operation):
            answer: T = self._stepped(key, step, b"0")
            return answer
        stored, now = self._look(self._named(key))
        return step(stored, now)[1]

    def update(self, key: bytes, step: Step[T], ttl: float) -> T:
        """Read, compute and write as one; the value lives for *ttl* seconds.

        An `Operation` is one call. Any other step is taken here, and again
        whenever somebody else was faster.
        """
        if isinstance(step, Operation):
            taken: T = self._stepped(key, step, _life(ttl))
            return taken
        name = self._named(key)
        for _ in range(RACES):
            stored, now = self._look(name)
            value, answer = step(stored, now)
            if value is None:
                return answer
            old = (b"0", b"") if stored is None else (b"1", stored)
            if self._call(SWAP, name, _life(ttl), *old, value):
                return answer
        raise Defer(f"{self}: too many write {name!r} at once")

    # -- calls

    def _named(self, key: bytes) -> bytes:
        """The name in Redis: the braces tell a cluster what to choose the node by."""
        return b"%s%s}" % (self._prefix, fitting(key))

    def _stepped(self, key: bytes, operation: Operation[T], life: bytes) -> T:
        reply = self._call(stepping(operation.lua), self._named(key), life, *operation.arguments())
        try:
            return operation.answer(self._octets(reply))
        except ValueError:
            raise self._nonsense(reply) from None

    def _look(self, name: bytes) -> tuple[bytes | None, float]:
        reply = self._call(LOOK, name, b"0")
        try:
            stored, now = reply
            return None if stored is None else self._octets(stored), float(now)
        except (TypeError, ValueError):
            raise self._nonsense(reply) from None

    def _page(self, reply: Any) -> tuple[bytes, list[bytes]]:
        """What ``SCAN`` says: where to go on, and some keys. Raises `Defer`."""
        try:
            cursor, keys = reply
            return self._octets(cursor), [self._octets(key) for key in keys]
        except (TypeError, ValueError):
            raise self._nonsense(reply) from None

    def _octets(self, reply: Any) -> bytes:
        """*reply*, if it is a string. Raises `Defer`."""
        if not isinstance(reply, bytes):
            raise self._nonsense(reply)
        return reply

    def _nonsense(self, reply: Any) -> Defer:
        return Unavailable(f"{self}: unexpected reply {reply!r:.80}", "refused")

    def _call(self, script: Script, name: bytes, life: bytes, *arguments: bytes) -> Any:
        """What a script answers. A server that does not know it is given its text."""
        now = b"%.17g" % self._clock() if self._clock else b""
        rest = (b"1", name, life, now, *arguments)
        reply = self._ask(name, b"EVALSHA", script.digest, *rest, known=False)
        return self._ask(name, b"EVAL", script.text, *rest) if isinstance(reply, Refusal) else reply

    def _ask(self, name: bytes, *command: bytes, known: bool = True) -> Any:
        """The reply of whoever has the key *name*. Raises `Defer`. Unless it is *known*, a NOSCRIPT is a reply."""
        began = time.monotonic()
        try:
            reply = self._redirected(name, command, self._limit(began))
        except (OSError, Denied) as error:
            raise self._failure(error, began) from None
        if isinstance(reply, Refusal) and (known or not str(reply).startswith("NOSCRIPT")):
            if str(reply).startswith(OF_ONE_KEY):
                raise Defer(f"{self}: {reply}")
            raise Unavailable(f"{self}: {reply}", "refused")
        return reply

    def _failure(self, error: Exception, began: float) -> Defer:
        """What to raise. That there was little time from the beginning says nothing about the store."""
        text = f"{self}: {reason(error)}"
        if isinstance(error, TimeoutError):
            hurried = self._deadline - began < self._timeout / 2
            return Defer(text) if hurried else Unavailable(text, "timeout")
        return Unavailable(text, "refused" if isinstance(error, Denied) else "connection")

    def _limit(self, began: float) -> float:
        """Until when an operation may take."""
        return min(self._deadline, began + self._timeout)

    def _redirected(self, name: bytes, command: tuple[bytes, ...], deadline: float) -> Any:
        """The reply of the first server that does not send us to another one."""
        reply, asked = None, None
        for turn in range(TURNS):
            node = asked or self._servers.holder(name, deadline)
            try:
                reply = self._exchanged(node, deadline, [ASKING, command] if asked else [command])[-1]
            except Unreachable:
                if turn + 1 == TURNS or not self._servers.lost(node):
                    raise
                asked = None
                continue
            word, where = _redirection(reply, node)
            asked = where if word == "ASK" else None
            if word == "MOVED":
                self._servers.moved(name, where)
            elif word == "READONLY":
                self._servers.lost(node)
            elif word != "ASK":
                break
        return reply

    def _exchanged(self, node: Node, deadline: float, commands: list[tuple[bytes, ...]]) -> list[Any]:
        """The replies of *node*. Raises OSError and `Denied`."""
        try:
            with self._pools.link((os.getpid(), node), lambda: self._dialler.server(node, deadline)) as connection:
                return connection.ask_all(deadline, commands)
        except Unreachable:
            raise
        except OSError:
            self._servers.lost(node)
            raise

    # -- all servers

    def _nodes(self) -> list[Node]:
        began = time.monotonic()
        try:
            return list(self._servers.all(self._limit(began)))
        except (OSError, Denied) as error:
            raise self._failure(error, began) from None

    def _at(self, node: Node, *commands: tuple[bytes, ...]) -> list[Any]:
        """The replies of *node*. Raises `Defer`."""
        began = time.monotonic()
        try:
            return self._exchanged(node, self._limit(began), list(commands))
        except (OSError, Denied) as error:
            raise self._failure(error, began) from None


def _redirection(reply: Any, asked: Node) -> tuple[str, Node]:
    """The first word of a refusal, and the node it names. A node without a name is the host that was *asked*."""
    if not isinstance(reply, Refusal):
        return "", asked
    word, *rest = str(reply).split(" ")
    host, _, port = rest[-1].rpartition(":") if rest else ("", "", "")
    return word, (host or asked[0], int(port)) if port.isdigit() else asked


def _life(ttl: float) -> bytes:
    """How many milliseconds a value lives: one at least."""
    return b"%d" % max(1, int(min(ttl, LONGEST_LIFE) * 1000))


def _literally(text: bytes) -> bytes:
    """*text* as a pattern that means only itself."""
    return re.sub(rb"([*?\[\]\\])", rb"\\\1", text)
