"""Child processes: forked, replaced when they end unasked, told what to do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from policyd.journal import report
from policyd.server.channel import Channel, Order
from policyd.transaction import Log

STABLE = 60.0  # seconds after which an end is an accident, not a habit: replaced at once
FIRST_DELAY, LONGEST_DELAY = 0.1, 30.0  # seconds before a replacement; each early end doubles it

Role = Callable[[Channel], int]
"""What a child does, given its end of the channel to the supervisor; its exit code."""


@dataclass(slots=True)
class Child:
    """A living process."""

    name: str
    channel: Channel
    born: float  # time.monotonic()
    serving: bool = False  # it has said that it is ready


class Children:
    """One process per role, as long as the role is wanted. *mask*: the signals that children block."""

    def __init__(self, mask: Iterable[int], log: Log) -> None:
        self._mask = mask
        self._log = log
        self._roles: dict[str, Role] = {}
        self._due: dict[str, float] = {}  # when a missing one is to be started, time.monotonic()
        self._delays: dict[str, float] = {}
        self._alive: dict[int, Child] = {}  # by process id

    def want(self, name: str, role: Role) -> None:
        """Keep a process running that does *role*."""
        self._roles[name] = role
        self._due[name] = time.monotonic()

    def want_no_more(self) -> None:
        """Replace nobody from now on."""
        self._due.clear()
        self._roles.clear()

    def names(self, *, serving: bool = False) -> list[str]:
        """Who lives; only those that have said that they are ready, on request."""
        return sorted(child.name for child in self._alive.values() if child.serving or not serving)

    def ids(self) -> dict[str, int]:
        """The process ids of all who live, by name."""
        return {child.name: pid for pid, child in self._alive.items()}

    def patience(self) -> float | None:
        """Seconds until somebody is to be started; None when nobody is missing."""
        return max(min(self._due.values()) - time.monotonic(), 0.0) if self._due else None

    def start(self) -> list[str]:
        """Fork whoever is due; their names."""
        due = [name for name, when in self._due.items() if when <= time.monotonic()]
        for name in due:
            del self._due[name]
            self._fork(name)
        return due

    def _fork(self, name: str) -> None:
        ours, theirs = Channel.pair()
        pid = os.fork()
        if not pid:
            self._become(name, ours, theirs)
        theirs.close()
        self._alive[pid] = Child(name, ours, time.monotonic())

    def _become(self, name: str, ours: Channel, theirs: Channel) -> NoReturn:
        """The child's whole life. Whatever happens, it does not return into the supervisor's code."""
        code = 1
        try:
            os.setpgid(0, 0)  # a terminal's Ctrl-C is for the supervisor
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would wait for C code to return
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            for channel in (ours, *(sibling.channel for sibling in self._alive.values())):
                channel.close()  # or nobody would see the end when the supervisor is gone
            code = self._roles[name](theirs)
        except BaseException as error:
            report(self._log.write, name, error)
        finally:
            os._exit(code)

    def heed(self) -> None:
        """Take note of who has said that it is ready."""
        for child in self._alive.values():
            child.serving = child.serving or child.channel.announced()

    def reap(self) -> list[tuple[str, int]]:
        """Bury the dead, and plan their replacement: their names, and how they ended as `subprocess` says it."""
        ended: list[tuple[str, int]] = []
        while self._alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            child = self._alive.pop(pid, None)
            if child is not None:  # else it was adopted, as by the first process of a container
                child.channel.close()
                self._replace(child)
                ended.append((child.name, os.waitstatus_to_exitcode(status)))
        return ended

    def _replace(self, child: Child) -> None:
        if child.name in self._roles:
            now, delay = time.monotonic(), 0.0
            if now - child.born < STABLE:
                delay = min(max(2 * self._delays.get(child.name, 0.0), FIRST_DELAY), LONGEST_DELAY)
            self._delays[child.name] = delay
            self._due[child.name] = now + delay

    def tell(self, names: Iterable[str], order: Order, payload: bytes = b"") -> None:
        """Give *order* to those of *names* that live; one that does not take it is killed."""
        for pid, child in self._alive.items():
            if child.name in names:
                try:
                    child.channel.send(order, payload)
                except OSError as error:
                    self._log.write("panic", f"{child.name} takes no orders: {error}")
                    os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """End everybody at once."""
        for pid in self._alive:
            os.kill(pid, signal.SIGKILL)
