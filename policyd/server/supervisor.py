"""The parent of all: opens the sockets, forks, and sees to it that mail is judged until it is told to stop.

One thread, no signal handlers: signals are blocked and waited for. Nothing
here opens a store, asks DNS or starts a thread; children do, after the fork.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from policyd import __version__
from policyd.errors import PolicyError
from policyd.gateway import places
from policyd.journal import report
from policyd.policy import Policy
from policyd.server import notify, pages
from policyd.server.channel import WAKE, Channel, Order
from policyd.server.children import Children
from policyd.server.listener import Listener, listen
from policyd.server.privileges import become
from policyd.server.state import GATEWAY, SUPERVISOR, State
from policyd.server.worker import CANNOT_BOOT, Post
from policyd.transaction import Log

SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, WAKE}
STOP = {signal.SIGTERM, signal.SIGINT}
DRAIN = 30.0  # seconds that open connections have to end when the daemon stops
GRACE = 5.0  # seconds more until a child that ought to have ended is killed
EXPORTER = "exporter"

FIXED = (
    "user",
    "milter_socket",
    "milter_socket_mode",
    "milter_socket_group",
    "workers",
    "metrics_address",
    "state_directory",
    "store",
    "store_error",
    "store_nodes",
    "store_timeout",
    "store_tls_verify_certificates",
    "store_tls_certificate",
    "explain_keep",
    "explain_size",
    "dmarc_forensic_smtp",
    "dns_servers",
    "dns_port",
    "dns_timeout",
    "dns_cache_size",
    "dns_shared_cache",
    "dns_prefetch",
    "dns_serve_stale",
    "gateway_listen",
    "gateway_mta",
    "gateway_source",
    "gateway_tell",
    "log_format",
    "log_file",
)
"""The settings that a reload does not change: they describe what is open."""

Work = Callable[[Policy, Post], int]
"""A worker's life, from the fork to its exit code."""
Export = Callable[[socket.socket, Channel, str], int]
"""The exporter's: its listening socket, its channel, the directory with the counts."""
Relay = Callable[[Policy, Post, socket.socket], int]
"""The gateway's: what a worker gets, and its listening socket."""


@dataclass(frozen=True, slots=True)
class Lives:
    """What children do. Without *work*, none of them serves an MTA's questions."""

    work: Work | None
    relay: Relay
    export: Export


class Supervisor:
    """*load* compiles the policy, at the start and for each SIGHUP; *lives* are what children do."""

    def __init__(self, load: Callable[[], Policy], lives: Lives, log: Log, drain: float = DRAIN) -> None:
        self._load = load
        self._lives = lives
        self._log = log
        self._drain = drain
        self._state = State(started=time.time())
        self._shown: State | None = None  # what the exporter knows
        self._ready = False
        self._pages: socket.socket | None = None
        self._door: socket.socket | None = None  # the gateway's
        self._listener: Listener | None = None  # the milter's
        self._workers: list[str] = []

    def run(self) -> int:
        """Serve until a signal ends it; the exit code. Raises PolicyError or OSError when it cannot begin."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._children = Children(mask, self._log)
        self._policy = self._load()
        self._settings = self._policy.settings
        with _counts(self._settings.metrics_address) as self._directory:
            self._open()
            return self._supervise()

    # -- beginning

    def _open(self) -> None:
        """Open what all share, and say who is wanted."""
        settings = self._settings
        if settings.metrics_address:
            self._pages = pages.listen(settings.metrics_address)
            self._children.want(EXPORTER, self._be_exporter)
        if settings.gateway_listen:
            places.way(settings)  # or why there is none
            self._door = places.listen(settings.gateway_listen)
            self._children.want(GATEWAY, self._be_gateway)
        if self._lives.work:
            self._open_milter(self._lives.work)
        elif not self._door:
            raise OSError("gateway_listen is not set: there is nothing to do")
        if remark := become(settings.user, self._directory):
            self._say(remark)
        self._note(listening=True)
        self._loaded()

    def _open_milter(self, work: Work) -> None:
        settings = self._settings
        self._listener = listen(settings.milter_socket, settings.milter_socket_mode, settings.milter_socket_group)
        self._workers = [f"worker-{number}" for number in range(settings.workers or len(os.sched_getaffinity(0)))]
        for name in self._workers:
            self._children.want(name, partial(self._be_worker, work, name))

    def _be_worker(self, work: Work, name: str, channel: Channel) -> int:
        self._leave(self._pages, self._door)
        return work(self._policy, self._post(name, channel))

    def _be_gateway(self, channel: Channel) -> int:
        assert self._door is not None
        self._leave(self._pages)
        return self._lives.relay(self._policy, self._post(GATEWAY, channel), self._door)

    def _be_exporter(self, channel: Channel) -> int:
        assert self._pages is not None
        self._leave(self._door)
        if self._listener:
            os.close(self._listener.descriptor)
        return self._lives.export(self._pages, channel, self._directory)

    def _post(self, name: str, channel: Channel) -> Post:
        return Post(name, channel, self._listener, self._settings, self._directory, self._drain)

    def _leave(self, *others: socket.socket | None) -> None:
        """A child has no use for the sockets of *others*."""
        for sock in others:
            if sock is not None:
                sock.close()

    # -- going on

    def _supervise(self) -> int:
        """Wait for signals, and keep everybody running."""
        while True:
            started = self._children.start()
            self._children.heed()
            self._show(anew=EXPORTER in started)
            received = self._wait()
            if received == signal.SIGHUP:
                self.reload()
            elif received in STOP:
                return self._stop(0)
            for name, code in self._children.reap():
                self._say(f"{name} ended unasked: {_fate(code)}", "panic")
                if code == CANNOT_BOOT:
                    return self._stop(1)
                if name in self._workers:
                    self._note(restarts=self._state.restarts + 1)

    def _wait(self, patience: float | None = None) -> int | None:
        """The next signal; None when it is time to look after the children, or systemd, first."""
        limits = (patience, self._children.patience(), notify.watchdog_interval())
        shortest = min((limit for limit in limits if limit is not None), default=60.0)
        received = signal.sigtimedwait(SIGNALS, max(shortest, 0.0))
        self._tell_systemd("WATCHDOG=1")
        return received.si_signo if received else None

    def _show(self, anew: bool) -> None:
        """Tell the exporter, and once systemd, how things are."""
        serving = self._children.names(serving=True)
        self._note(
            workers=[name for name in serving if name in self._workers],
            gateway=GATEWAY in serving,
            processes=self._children.ids() | {SUPERVISOR: os.getpid()},
        )
        if anew or self._state != self._shown:
            self._children.tell([EXPORTER], Order.STATE, self._state.encode())
            self._shown = self._state
        if not self._ready and set(self._crew) <= set(serving):
            self._ready = True
            self._say(f"policyd {__version__}: {self._work_done()}")
            self._tell_systemd("READY=1", f"STATUS={self._work_done()}")

    @property
    def _crew(self) -> list[str]:
        """Who gets orders."""
        return [*self._workers, *([GATEWAY] if self._door else [])]

    def _work_done(self) -> str:
        """What all this is for, in words."""
        workers = f"{len(self._workers)} workers at {self._listener}" if self._listener else ""
        door = f"a gateway at {self._settings.gateway_listen}" if self._door else ""
        return ", ".join(filter(None, (workers, door)))

    # -- the policy

    def reload(self) -> None:
        """Read the policy again; a bad one is reported, and the old one stays."""
        self._tell_systemd("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            policy = self._load()
        except PolicyError as error:
            self._say(f"the policy stays as it was: {error}", "panic")
            self._note(current=False, failures=self._state.failures + 1)
        except Exception as error:
            report(self._log.write, "loading the policy", error)
            self._note(current=False, failures=self._state.failures + 1)
        else:
            self._policy = policy
            self._note(reloads=self._state.reloads + 1)
            self._loaded()
            self._children.tell(self._crew, Order.POLICY, pickle.dumps(policy.snapshot))
        self._tell_systemd("READY=1")

    def _loaded(self) -> None:
        """Say what there is to say about the policy that is now in force."""
        snapshot = self._policy.snapshot
        digest = snapshot.digest
        for warning in self._policy.warnings:
            self._say(str(warning))
        for name in FIXED:
            if getattr(self._policy.settings, name) != getattr(self._settings, name):
                self._say(f"{name} has changed: that takes effect when policyd is started again")
        self._note(loaded=time.time(), current=True, files=len(snapshot.texts), digest=digest)
        self._say(f"policy {digest} from {len(snapshot.texts)} files is in force")

    # -- ending

    def _stop(self, code: int) -> int:
        """Let open connections end; *code*."""
        self._tell_systemd("STOPPING=1")
        self._say("stopping")
        self._children.want_no_more()
        if self._listener:
            self._listener.withdraw()
            os.close(self._listener.descriptor)
        self._leave(self._door)
        self._note(listening=False)
        self._show(anew=True)
        self._children.tell(self._crew, Order.DRAIN)
        deadline = time.monotonic() + self._drain + GRACE
        while set(self._children.names()) - {EXPORTER} and time.monotonic() < deadline:
            if self._wait(deadline - time.monotonic()) in STOP:
                break  # told twice: at once
            self._children.reap()
        self._children.kill()
        self._say("stopped")
        return code

    # -- telling

    def _note(self, **news: object) -> None:
        self._state = replace(self._state, **news)  # type: ignore[arg-type]  # names and types are those of State

    def _say(self, text: str, target: str = "main") -> None:
        for line in text.splitlines():
            self._log.write(target, line)

    def _tell_systemd(self, *assignments: str) -> None:
        try:
            notify.notify(*assignments)
        except OSError as error:
            self._say(f"systemd does not listen: {error}", "panic")


@contextmanager
def _counts(metrics_address: str) -> Iterator[str]:
    """The directory where workers count: empty of an earlier life's files. No address: nobody counts, no directory."""
    if not metrics_address:
        yield ""
        return
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    directory = Path(given or mkdtemp(prefix="policyd-metrics-"))
    directory.mkdir(parents=True, exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink()
    try:
        yield str(directory)
    finally:
        if not given:
            rmtree(directory)


def _fate(code: int) -> str:
    """How a process ended."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
