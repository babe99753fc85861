"""A worker: what it opens after the fork, how it takes orders, and how it ends without losing a session."""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import milter

from policyd.config import compile
from policyd.conversation import Conversation
from policyd.errors import Defer, PolicyError
from policyd.journal import report
from policyd.metrics import Metrics, NoMetrics, PrometheusMetrics
from policyd.outbox import NoOutbox, Outbox, SmtpOutbox
from policyd.policy import Policy
from policyd.server.callbacks import install
from policyd.server.channel import Channel, Order
from policyd.server.descriptors import accepted, retire
from policyd.server.listener import Listener
from policyd.settings import Settings
from policyd.transaction import Log, Services

LAST_LETTERS = 5.0  # seconds for mail of our own that still waits when a worker ends
CANNOT_BOOT = 3
"""The exit code of a child that will not work however often it is tried."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where a worker stands. *metrics*: the directory for counts; empty: nobody counts. *drain*: seconds.

    *settings* are those the daemon began with: what is open stays as it is when a policy changes.
    """

    name: str
    channel: Channel
    listener: Listener
    settings: Settings
    metrics: str
    drain: float


class Worker:
    """Serves the MTA from one process. Satisfies `policyd.server.session.Host`."""

    def __init__(self, policy: Policy, post: Post, log: Log) -> None:
        self.policy = policy
        self.log = log
        self.metrics: Metrics = NoMetrics()
        self._post = post

    def conversation(self) -> Conversation:
        """A new one; it keeps the policy in force now."""
        return Conversation(self.policy, self._services)

    def run(self) -> int:
        """Serve until told to end; the exit code."""
        try:
            self._open()
        except Defer as error:
            self.log.write("panic", f"{self._post.name} cannot start: {error}")
            return CANNOT_BOOT
        except Exception as error:
            report(self.log.write, f"{self._post.name}, starting", error)
            return CANNOT_BOOT
        install(self)
        self._post.channel.announce()
        Thread(target=self._obey, name="orders", daemon=True).start()
        milter.main()
        return 0

    def _open(self) -> None:
        """Connect to the world. Nothing of this may happen before the fork."""
        from policyd.resolver.cached import CachedResolver
        from policyd.stores import LmdbStore

        settings = self._post.settings
        if self._post.metrics:
            counts = PrometheusMetrics(self._post.metrics, self._post.name)
            counts.open()
            self.metrics = counts
        resolver = CachedResolver(
            settings.dns_servers, settings.dns_port, settings.dns_timeout, settings.dns_cache_size, self.metrics
        )
        resolver.open()
        self._store = LmdbStore(
            Path(settings.state_directory) / "store", complain=lambda text: self.log.write("panic", text)
        )
        self._store.open()
        self._outbox = outbox(settings, self.log)
        self._services = Services(resolver, self._store, self.metrics, self.log, outbox=self._outbox)

    # -- orders, in a thread of their own: the main one is libmilter's, and runs no Python until it ends

    def _obey(self) -> None:
        """Do what the supervisor says; without one, end."""
        code = 1
        try:
            while (message := self._post.channel.receive()) is not None and message[0] is Order.POLICY:
                self._adopt(message[1])
            self._drain()
            self._outbox.close(LAST_LETTERS)
            self._store.close()
            code = 0
        except Exception as error:
            report(self.log.write, self._post.name, error)
        finally:
            os._exit(code)  # libmilter's threads cannot be joined

    def _adopt(self, snapshot: bytes) -> None:
        """Judge new connections by another policy; the supervisor has compiled the same text already."""
        try:
            self.policy = compile(pickle.loads(snapshot))
        except PolicyError as error:
            self.log.write("panic", f"{self._post.name} keeps its old policy: {error}")

    def _drain(self) -> None:
        """Leave new connections to others, and wait for the end of those that are open."""
        bound, deadline = self._post.listener.bound, time.monotonic() + self._post.drain
        retire(self._post.listener.descriptor)
        while (sessions := accepted(bound)) and time.monotonic() < deadline:
            time.sleep(0.02)
        if sessions:
            self.log.write("main", f"{self._post.name}: {sessions} connections cut off")


def outbox(settings: Settings, log: Log) -> Outbox:
    """Where mail of our own goes: to ``dmarc_forensic_smtp``, if there is one."""
    server = settings.dmarc_forensic_smtp
    return SmtpOutbox(server, settings.primary_hostname, log.write) if server else NoOutbox()
