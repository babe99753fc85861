"""A worker: what it opens after the fork, how it takes orders, and how it ends without losing a session."""

from __future__ import annotations

import gc
import os
import pickle
import time
from dataclasses import dataclass
from functools import partial
from threading import Thread

import milter

from policyd.config import compile
from policyd.conversation import Conversation
from policyd.errors import Defer, PolicyError
from policyd.explanations import Witness
from policyd.explanations.archive import archive
from policyd.files import Files
from policyd.gateway.registry import Registry, Unknown
from policyd.journal import report
from policyd.metrics import Metrics, NoMetrics
from policyd.outbox import NoOutbox, Outbox, SmtpOutbox
from policyd.policy import Policy
from policyd.resolver import Prefetch, Resolver
from policyd.server.callbacks import install
from policyd.server.channel import Channel, Order
from policyd.server.counts import PrometheusMetrics
from policyd.server.descriptors import accepted, retire
from policyd.server.listener import Listener
from policyd.server.listwatch import ListWatch
from policyd.server.session import DecisionLog
from policyd.settings import Settings
from policyd.transaction import Client, Log, Services
from policyd.trials.accompanied import Accompanied, Companion
from policyd.trials.installed import Installed, place
from policyd.trials.recording import Recorder
from policyd.trials.shadow import Shadow, aside

LAST_LETTERS = 5.0  # seconds for mail of our own that still waits when a worker ends
FIRST_WORKER = "worker-0"
CANNOT_BOOT = 3
"""The exit code of a child that will not work however often it is tried."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where a worker stands. *metrics*: the directory for counts; empty: nobody counts. *drain*: seconds.

    *settings* are those the daemon began with: what is open stays as it is when a policy changes.
    """

    name: str
    channel: Channel
    listener: Listener | None  # where the MTA connects; None where only the gateway works
    settings: Settings
    metrics: str
    drain: float


class Worker:
    """Serves the MTA from one process. Satisfies `policyd.server.session.Host`."""

    def __init__(self, policy: Policy, post: Post, log: DecisionLog) -> None:
        self.policy = policy
        self._digest = ""  # of the policy
        self.log = log
        self.metrics: Metrics = NoMetrics()
        self._post = post

    def conversation(self) -> Conversation:
        """A new one; it keeps the policy in force now."""
        witness = Witness(self._archive, self._digest) if self._archive else None
        companions = self._companions()
        if not companions:
            return Conversation(self.policy, self._services, witness=witness)
        return Accompanied(companions, self.policy, self._services, witness=witness)

    def _companions(self) -> list[Companion]:
        """Who listens to a new conversation."""
        companions: list[Companion] = []
        if (shadow := self._shadow.policy) is not None:
            companions.append(Shadow(shadow, aside(self._services), self.log, self.metrics))
        settings = self.policy.settings
        if path := settings.record_sessions:
            largest, full = settings.record_message_size, settings.record_file_size
            companions.append(Recorder(path, largest, full, time.time(), partial(self.log.write, "panic")))
        return companions

    def identify(self, client: Client) -> Client | None:
        """Who *client* really is, if it is a gateway; None where no gateway has told. Raises `Defer`."""
        try:
            return self._registry.behind(client)
        except Unknown:  # gone again, or nobody to believe, or (by XCLIENT) about to be introduced
            return None

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
        self._serve()
        return 0

    def _serve(self) -> None:
        """Do the work of this process; one of its kind looks after the DNS lists as well."""
        install(self)
        if self._post.name == FIRST_WORKER:
            ListWatch(lambda: self.policy.needs, self._services.resolver, self.metrics, self.log).start()
        self._ready()
        milter.main()

    def _ready(self) -> None:
        """Say that the work has begun, and listen to orders from now on."""
        self._post.channel.announce()
        Thread(target=self._obey, name="orders", daemon=True).start()

    def _open(self) -> None:
        """Connect to the world. Nothing of this may happen before the fork."""
        from policyd.stores.configured import stores

        settings = self._post.settings
        self._digest = self.policy.snapshot.digest
        if self._post.metrics:
            self._count()
        self._stores = stores(settings, self.metrics, partial(self.log.write, "panic"))
        self._stores.shared.open()
        resolver, prefetch = self._dns()
        self._registry = Registry.of(settings, self._stores.shared, self._stores.here)
        self._outbox = outbox(settings, self.log)
        self._shadow = Installed(place(settings), partial(self.log.write, "panic"), self._tell)
        self._archive = archive(settings, partial(self.log.write, "panic"))
        shared, files = self._stores.shared, Files(self.metrics)
        self._services = Services(
            resolver, shared, self.metrics, self.log, files=files, outbox=self._outbox, prefetch=prefetch
        )

    def _tell(self, news: str) -> None:
        self.log.write("main", f"{self._post.name} {news}")

    def _count(self) -> None:
        """Count from now on; where the disk has no room for that, judge mail without."""
        counts = PrometheusMetrics(self._post.metrics, self._post.name)
        try:
            counts.open()
        except OSError as error:
            self.log.write("panic", f"{self._post.name} counts nothing: {self._post.metrics}: {error.strerror}")
        else:
            self.metrics = counts

    def _dns(self) -> tuple[Resolver, Prefetch]:
        from policyd.resolver.cache import Cache
        from policyd.resolver.cached import CachedResolver
        from policyd.resolver.prefetch import Prefetcher

        settings = self._post.settings
        cache = Cache(settings.dns_cache_size, settings.dns_serve_stale)
        resolver = CachedResolver(settings.dns_servers, settings.dns_port, settings.dns_timeout, cache, self.metrics)
        resolver.open(self._stores.shared if settings.dns_shared_cache else None)
        complain = partial(report, self.log.write)
        return resolver, Prefetcher(resolver, settings.dns_prefetch, complain, self.metrics).ask

    # -- orders, in a thread of their own: the main one is libmilter's, and runs no Python until it ends

    def _obey(self) -> None:
        """Do what the supervisor says; without one, end."""
        code = 1
        try:
            while (message := self._post.channel.receive()) is not None and message[0] is Order.POLICY:
                self._adopt(message[1])
            self._drain()
            self._outbox.close(LAST_LETTERS)
            self._stores.close()
            code = 0
        except Exception as error:
            report(self.log.write, self._post.name, error)
        finally:
            os._exit(code)  # libmilter's threads cannot be joined

    def _adopt(self, snapshot: bytes) -> None:
        """Judge new connections by another policy; the supervisor has compiled the same text already."""
        try:
            self.policy = compile(pickle.loads(snapshot))
            self._digest = self.policy.snapshot.digest
        except PolicyError as error:
            self.log.write("panic", f"{self._post.name} keeps its old policy: {error}")
        gc.collect()  # policies are rings of closures, and large: those before this one wait for nothing

    def _drain(self) -> None:
        """Leave new connections to others, and wait for the end of those that are open."""
        assert self._post.listener is not None
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
