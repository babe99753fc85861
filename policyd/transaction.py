"""The state of one message, and of the connection it came over. Nothing else in policyd changes while mail flows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol, TypeVar, overload

from policyd.crowd import Crowd
from policyd.events import Event, Watched, fire
from policyd.files import Files
from policyd.language.frame import Frame, Trace, both
from policyd.language.patterns import compiled
from policyd.mail.address import Address
from policyd.mail.arrived import Header
from policyd.mail.message import Message, added_lines
from policyd.mail.octets import printable
from policyd.metrics import Metrics
from policyd.outbox import NoOutbox, Outbox
from policyd.policy import AFTER_MAIL, Phase
from policyd.pools import Pools
from policyd.resolver import Prefetch, Resolver, no_prefetch
from policyd.resolver.noted import Answers, Noted
from policyd.settings import Settings
from policyd.stores import Store
from policyd.values import value_class

T = TypeVar("T")
MAX_COMMANDS = 20  # in $smtp_command_history


class Log(Protocol):
    """Where log lines go. *target* is ``main``, ``reject`` or ``panic``, Exim's three logs."""

    def write(self, target: str, text: str) -> None:
        """One line, without a line end; octets as latin-1 characters."""


@dataclass(frozen=True, slots=True)
class Services:
    """The world, as words may use it. Opened after fork, shared by all connections of a worker."""

    resolver: Resolver
    store: Store
    metrics: Metrics
    log: Log
    files: Files = field(default_factory=Files)
    pools: Pools = field(default_factory=Pools)
    outbox: Outbox = field(default_factory=NoOutbox)
    prefetch: Prefetch = no_prefetch
    crowd: Crowd = field(default_factory=Crowd)
    clock: Callable[[], float] = time.time  # seconds since 1970
    sleep: Callable[[float], None] = time.sleep


_spelled = lru_cache(maxsize=1000)(str)  # an address: its digits are wanted again and again


@value_class
class Proxy:
    """The balancer in front of a client. No addresses: its header was wrong or missing, or told none.

    *local*: the balancer's own end of its connection to this host; *external*:
    the address that the client connected to.
    """

    local_address: str = ""
    local_port: int = 0
    external_address: str = ""
    external_port: int = 0


@value_class
class Client:
    """The SMTP client, as the MTA tells it. *address* is None for a local submission; ports are 0 when unknown."""

    address: IPv4Address | IPv6Address | None = None
    port: int = 0
    name: str = ""  # the MTA's idea of the host name; empty when it has none
    local_address: str = ""
    local_port: int = 0
    proxy: Proxy | None = None  # None: it came without a balancer
    source: str = "milter"  # who told its address: one of `policyd.metrics.SOURCES`
    text: str = field(init=False, repr=False, compare=False)  # of its address; empty without one

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _spelled(self.address) if self.address else "")


@dataclass(slots=True)
class Checks:
    """Which checks of the message an ACL has switched off, or on."""

    dkim: bool = True
    dmarc: bool = True
    forensic: bool = False  # whether DMARC failures are reported to the domain, one by one

    def copy(self) -> Checks:
        """The same, to be changed apart."""
        return Checks(self.dkim, self.dmarc, self.forensic)


@dataclass(slots=True)
class Handover:
    """What becomes of a connection that a trusted *relay* has opened, to hand over what its clients have sent.

    *known*: `Connection.client` is who sent the present message to it. *trouble*:
    why nobody knows. Before the end of the header, neither.
    """

    relay: Client
    known: bool = False
    trouble: str = ""
    skipped: set[str] = field(default_factory=set)  # checks of which the log says so
    kept: tuple[Client, str, dict[str, Any]] | None = None  # of the connection: what it was before

    def keep(self, connection: Connection) -> None:
        """Its client will be another one for a while, of whom nothing has been found out yet."""
        self.kept = connection.client, connection.helo, connection.facts
        self.known, connection.facts = True, {}

    def restore(self, connection: Connection) -> None:
        """The message is over."""
        if self.kept is not None:
            connection.client, connection.helo, connection.facts = self.kept
        self.known, self.trouble, self.kept = False, "", None


@dataclass(slots=True)
class Connection:
    """What outlives a message: one SMTP connection."""

    client: Client
    helo: str = ""
    esmtp: bool = False  # from EHLO on
    multiline: bool = True  # control = no_multiline_responses turns it off
    macros: dict[str, str] = field(default_factory=dict)  # what the MTA told, by its name without braces
    own_fields: int = 1  # of every message: the MTA has put them on top, and tells nobody
    variables: dict[str, str] = field(default_factory=dict)  # $acl_c…
    facts: dict[str, Any] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)  # per_conn limits already counted
    messages: int = 0
    commands: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_COMMANDS))  # the last ones, by their names
    notquit_reason: str = ""  # why it ended without QUIT
    handover: Handover | None = None  # None: it is no trusted relay that has connected
    checks: Checks = field(default_factory=Checks)  # what each message begins with
    watcher: Trace | None = None  # told of everything, from the beginning
    trace: Trace | None = None  # control = debug: from now on

    @property
    def traces(self) -> Trace | None:
        """All who want to know what is evaluated."""
        return both(self.watcher, self.trace)


@dataclass(slots=True)
class Transaction:
    """One message, from MAIL to its verdict (and, before MAIL, the connection's own phases).

    Satisfies `policyd.language.frame.Context`.
    """

    services: Services
    settings: Settings
    connection: Connection
    phase: Phase = Phase.CONNECT
    deadline: float = float("inf")  # time.monotonic()
    command: str = ""  # the SMTP command being judged, with its argument
    command_argument: str = ""
    command_path: str = ""  # the argument without ESMTP parameters
    sender: Address | None = None
    sender_parameters: tuple[str, ...] = ()
    recipient: Address | None = None  # the one being judged
    recipients: list[Address] = field(default_factory=list)  # accepted so far
    deleted_recipients: list[str] = field(default_factory=list)  # accepted, and discarded: the paths of their RCPT
    discarded: bool = False  # at MAIL: everything up to the end of the message is accepted, and nothing kept
    rcpt_count: int = 0
    rcpt_fail_count: int = 0
    rcpt_defer_count: int = 0
    caseful_local_part: bool = False
    message: Message = field(default_factory=Message)
    added_headers: list[tuple[str, str]] = field(default_factory=list)  # (position, line): wanted, not yet real
    removed_headers: list[str] = field(default_factory=list)
    unwanted_headers: list[Header] = field(default_factory=list)  # to be removed one by one
    quarantine: str = ""  # why the message is to be held
    dry_run: bool = False  # the verdict of the ACL that runs now is only logged and counted
    rehearsals: int = 0  # verdicts of statements on trial
    on_rehearsal: Callable[[Transaction, Any], Any] | None = None  # who logs and counts them
    acl_variables: dict[str, str] = field(default_factory=dict)  # $acl_m…
    facts: dict[str, Any] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)  # per_mail limits already counted
    command_rates: dict[str, float] = field(default_factory=dict)  # per_cmd, readonly: until the next ACL
    warned: set[str] = field(default_factory=set)  # warn lines already logged
    reject_targets: tuple[str, ...] = ("main", "reject")  # log_reject_target
    checks: Checks = field(default_factory=Checks)
    frame: Frame = field(default_factory=Frame)
    trace: Trace | None = None
    answers: Answers | None = None  # where DNS's are noted, if somebody wants to know
    event: Event | None = None  # the one that event_action is told of now
    _resolver: tuple[float, Resolver] | None = None  # for a deadline: several checks of one phase ask it

    @property
    def resolver(self) -> Resolver:
        """DNS, giving up at this phase's deadline."""
        made = self._resolver
        if made is None or made[0] != self.deadline:
            made = self._resolver = self.deadline, self.resolver_until(self.deadline)
        return made[1]

    def resolver_until(self, deadline: float) -> Resolver:
        """DNS, giving up at *deadline*, or at this phase's where that is earlier."""
        resolver = self.services.resolver.until(min(deadline, self.deadline))
        if self.answers is not None:
            resolver = Noted(resolver, self.answers)
        return resolver if self.settings.event_action is None else Watched(resolver, self)

    @property
    def store(self) -> Store:
        """Shared state, giving up at this phase's deadline."""
        return self.services.store.until(self.deadline)

    def variables(self, name: str) -> MutableMapping[str, str]:
        """The scope of ``acl_c…`` or ``acl_m…`` variable *name*."""
        return self.connection.variables if name.startswith("acl_c") else self.acl_variables

    @property
    def nobody_left(self) -> bool:
        """Whether every recipient so far has been discarded."""
        return self.discarded or (bool(self.deleted_recipients) and not self.recipients)

    def record(self, target: str, text: str) -> None:
        """A line for one of the logs (see `Log`); the queue id stands in front as soon as the MTA has told it."""
        queue_id = self.connection.macros.get("i", "") if self.phase & AFTER_MAIL else ""
        self.services.log.write(target, printable(f"{queue_id} {text}" if queue_id else text))

    def log(self, text: str) -> None:
        """A line for the main log."""
        self.record("main", text)

    def note(self, text: str) -> None:
        """A line for the main log about what the client does, which does not end in a refusal."""
        self.log(f"{host_text(self)}{remarks(self)} Warning: {text}")

    def complain(self, text: str) -> None:
        """A line about the policy itself, for the main and the panic log."""
        self.record("main", text)
        self.record("panic", text)

    def warn(self, user_message: str | None, log_message: str | None) -> None:
        """``log_message`` goes to the log, once per message; ``message`` is a header to add (Exim's old form)."""
        if log_message and log_message not in self.warned:
            self.warned.add(log_message)
            self.note(log_message)
        if user_message and self.phase & AFTER_MAIL:
            self.add_headers(user_message)
        elif user_message:
            self.complain(
                f'ACL "warn" with "message" setting found in a non-message ({self.phase.title}) ACL: '
                "cannot specify header lines here: message ignored"
            )

    def add_headers(self, text: str) -> None:
        """Want header lines added; one that is already wanted is not wanted twice."""
        for position, line in added_lines(text):
            self.add_header(position, line)

    def add_header(self, position: str, line: str) -> None:
        """Want one added that is as it has to be."""
        if (position, line) not in self.added_headers:
            self.added_headers.append((position, line))

    def realise_headers(self) -> None:
        """Make the wanted header changes part of the message.

        What is added finds its place among the fields that are still there, and
        no removal of this turn is meant for it.
        """
        if not (self.removed_headers or self.added_headers or self.unwanted_headers):
            return
        removed = self.unwanted_headers + [header for item in self.removed_headers for header in self._meant(item)]
        for position, line in self.added_headers:
            name, _, value = line.partition(":")
            self.message.add(name, value, position)
        if removed:
            self.message.discard(removed)
        self.removed_headers.clear()
        self.unwanted_headers.clear()
        self.added_headers.clear()

    def _meant(self, item: str) -> list[Header]:
        """The fields that an item of ``remove_header`` means: by their name, or by what a regular expression finds."""
        if not item.startswith("^"):
            return self.message.find(item)
        pattern = compiled(item, caseless=True)
        return [
            header for header in self.message.headers if pattern.search(f"{header.name}:{header.value}") is not None
        ]

    def read_file(self, path: str) -> str:
        """The text of a file that the policy names. Raises `Defer`."""
        return self.services.files.read(path)

    def rehearse(self, verdict: Any) -> None:
        """End the dry run that a statement has asked for itself; log and count its *verdict*, if it has come to one."""
        if verdict is not None and self.on_rehearsal is not None:
            self.on_rehearsal(self, verdict)
            self.rehearsals += 1
            self.frame.user_message = self.frame.log_message = None
        self.dry_run = False

    def happened(self, name: str, data: str) -> None:
        """Tell the policy's ``event_action``."""
        fire(self, name, data)

    def expired(self) -> bool:
        """Whether this phase's time is over."""
        return time.monotonic() >= self.deadline


def full_host(tx: Transaction) -> str:
    """``name (helo) [address]``, as Exim's log and ``$sender_fullhost`` show a client; empty without an address."""
    client, helo = tx.connection.client, tx.connection.helo
    if client.address is None:
        return ""
    shown = f"({helo}) " if helo not in ("", client.name) else ""
    name = f"{client.name} " if client.name else ""
    port = f":{client.port}" if client.port and "incoming_port" in tx.settings.log_selector else ""
    return f"{name}{shown}[{client.text}]{port}"


def host_text(tx: Transaction) -> str:
    """``H=`` and the client; where ``log_selector`` wants it, ``I=`` and where it connected to."""
    client = tx.connection.client
    wanted = client.local_address and "incoming_interface" in tx.settings.log_selector
    return f"H={full_host(tx)}" + (f" I=[{client.local_address}]:{client.local_port}" if wanted else "")


def proxy_text(tx: Transaction) -> str:
    """`` PRX=`` and the balancer's address, where ``log_selector`` wants it and there is a balancer."""
    proxy = tx.connection.client.proxy
    if proxy is None or not proxy.local_address or "proxy" not in tx.settings.log_selector:
        return ""
    return f" PRX={proxy.local_address}"


def remarks(tx: Transaction) -> str:
    """What the conditions of this statement have to say, each with a blank in front."""
    return "".join(f" {remark}" for remark in tx.frame.remarks)


@overload
def fact(function: Callable[[Transaction], T]) -> Callable[[Transaction], T]: ...
@overload
def fact(*, connection: bool) -> Callable[[Callable[[Transaction], T]], Callable[[Transaction], T]]: ...
def fact(function: Callable[[Transaction], Any] | None = None, *, connection: bool = False) -> Any:
    """Compute once per message (or per *connection*), and time it by the function's name."""

    def decorate(compute: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
        name = compute.__name__

        @wraps(compute)
        def once(tx: Transaction) -> T:
            facts = tx.connection.facts if connection else tx.facts
            if name in facts:
                return facts[name]  # type: ignore[no-any-return]
            start = time.perf_counter()
            value = facts[name] = compute(tx)
            tx.services.metrics.observe("check_duration_seconds", time.perf_counter() - start, name)
            return value

        return once

    return decorate if function is None else decorate(function)
