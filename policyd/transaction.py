"""The state of one message, and of the connection it came over. Nothing else in policyd changes while mail flows."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import wraps
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol, TypeVar

from policyd.files import Files
from policyd.language.frame import Frame, Trace
from policyd.mail.address import Address
from policyd.mail.message import Message, added_lines
from policyd.metrics import Metrics
from policyd.policy import AFTER_MAIL, Phase
from policyd.resolver import Resolver
from policyd.settings import Settings
from policyd.stores import Store

T = TypeVar("T")


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
    clock: Callable[[], float] = time.time  # seconds since 1970
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Client:
    """The SMTP client, as the MTA tells it. *address* is None for a local submission; ports are 0 when unknown."""

    address: IPv4Address | IPv6Address | None = None
    port: int = 0
    name: str = ""  # the MTA's idea of the host name; empty when it has none
    local_address: str = ""
    local_port: int = 0


@dataclass(slots=True)
class Connection:
    """What outlives a message: one SMTP connection."""

    client: Client
    helo: str = ""
    esmtp: bool = True  # a milter is not told whether it was EHLO; nearly always it was
    macros: dict[str, str] = field(default_factory=dict)  # what the MTA told, by its name without braces
    variables: dict[str, str] = field(default_factory=dict)  # $acl_c…
    facts: dict[str, Any] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)  # per_conn limits already counted
    messages: int = 0


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
    sender: Address | None = None
    sender_parameters: tuple[str, ...] = ()
    recipient: Address | None = None  # the one being judged
    recipients: list[Address] = field(default_factory=list)  # accepted so far
    deleted_recipients: list[str] = field(default_factory=list)  # accepted, and discarded: the paths of their RCPT
    rcpt_count: int = 0
    rcpt_fail_count: int = 0
    rcpt_defer_count: int = 0
    caseful_local_part: bool = False
    message: Message = field(default_factory=Message)
    added_headers: list[tuple[str, str]] = field(default_factory=list)  # (position, line): wanted, not yet real
    removed_headers: list[str] = field(default_factory=list)
    quarantine: str = ""  # why the message is to be held
    acl_variables: dict[str, str] = field(default_factory=dict)  # $acl_m…
    facts: dict[str, Any] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)  # per_mail limits already counted
    command_rates: dict[str, float] = field(default_factory=dict)  # per_cmd, readonly: until the next ACL
    warned: set[str] = field(default_factory=set)  # warn lines already logged
    reject_targets: tuple[str, ...] = ("main", "reject")  # log_reject_target
    multiline: bool = True  # control = no_multiline_responses turns it off
    frame: Frame = field(default_factory=Frame)
    trace: Trace | None = None

    @property
    def resolver(self) -> Resolver:
        """DNS, giving up at this phase's deadline."""
        return self.services.resolver.until(self.deadline)

    def variables(self, name: str) -> MutableMapping[str, str]:
        """The scope of ``acl_c…`` or ``acl_m…`` variable *name*."""
        return self.connection.variables if name.startswith("acl_c") else self.acl_variables

    def log(self, text: str) -> None:
        """A line for the main log."""
        self.services.log.write("main", text)

    def complain(self, text: str) -> None:
        """A line about the policy itself, for the main and the panic log."""
        self.services.log.write("main", text)
        self.services.log.write("panic", text)

    def warn(self, user_message: str | None, log_message: str | None) -> None:
        """``log_message`` goes to the log, once per message; ``message`` is a header to add (Exim's old form)."""
        if log_message and log_message != user_message and log_message not in self.warned:
            self.warned.add(log_message)
            self.log(f"{host_text(self)} Warning: {log_message}")
        if user_message and self.phase & AFTER_MAIL:
            self.add_headers(user_message)
        elif user_message:
            self.complain(f'ACL "warn" with "message" found in a {str(self.phase.name).lower()} ACL: ignored')

    def add_headers(self, text: str) -> None:
        """Want header lines added; one that is already wanted is not wanted twice."""
        for line in added_lines(text):
            if line not in self.added_headers:
                self.added_headers.append(line)

    def realise_headers(self) -> None:
        """Make the wanted header changes part of the message: removals first, then additions."""
        for name in self.removed_headers:
            self.message.remove(name)
        for position, line in self.added_headers:
            name, _, value = line.partition(":")
            self.message.add(name, value, position)
        self.removed_headers.clear()
        self.added_headers.clear()

    def read_file(self, path: str) -> str:
        """The text of a file that the policy names. Raises `Defer`."""
        return self.services.files.read(path)

    def expired(self) -> bool:
        """Whether this phase's time is over."""
        return time.monotonic() >= self.deadline


def full_host(tx: Transaction) -> str:
    """``name (helo) [address]``, as Exim's log and ``$sender_fullhost`` show a client; empty without an address."""
    client, helo = tx.connection.client, tx.connection.helo
    if client.address is None:
        return ""
    address = f"[{client.address}]"
    shown = f"({helo}) " if helo not in ("", client.name, address) else ""
    name = f"{client.name} " if client.name else ""
    return f"{name}{shown}{address}"


def host_text(tx: Transaction) -> str:
    """``H=`` and the client."""
    return f"H={full_host(tx)}"


def fact(function: Callable[[Transaction], T] | None = None, *, connection: bool = False) -> Any:
    """Compute once per message (or per *connection*), and time it by the function's name."""

    def decorate(compute: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
        name = compute.__name__

        @wraps(compute)
        def once(tx: Transaction) -> T:
            facts = tx.connection.facts if connection else tx.facts
            if name not in facts:
                start = time.perf_counter()
                facts[name] = compute(tx)
                tx.services.metrics.observe("check_duration_seconds", time.perf_counter() - start, check=name)
            value: T = facts[name]
            return value

        return once

    return decorate if function is None else decorate(function)
