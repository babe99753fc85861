"""Every main option that has an effect: its name, type, default and meaning. This table is the manual's."""

# ruff: noqa: RUF009 - option() makes the dataclass field of its row
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from policyd.language.source import Source

T = TypeVar("T")


class Kind(Enum):
    """What may stand after ``NAME =``. The value is what the manual calls it."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    FIXED = "fixed-point number"
    TIME = "time"
    MODE = "octal mode"
    STRING = "string"
    PATH = "absolute path"
    SOCKET = "socket"
    ENDPOINT = "host:port"
    ADDRESSES = "list of IP addresses"
    ACL = "ACL"  # its name, an ACL itself, or a string that expands to one of them; kept as a Source


def option(kind: Kind, default: T, meaning: str, limits: tuple[int, int] | None = None) -> T:
    """One row of the table. *limits*: the least and the greatest value of a number."""
    row: Any = field(default=default, metadata={"kind": kind, "meaning": meaning, "limits": limits})
    answer: T = row
    return answer


@dataclass(frozen=True, slots=True)
class Settings:
    """The main options of a policy."""

    # -- which ACL judges what
    acl_smtp_connect: Source | None = option(Kind.ACL, None, "the ACL for a new connection")
    acl_smtp_helo: Source | None = option(Kind.ACL, None, "the ACL for HELO and EHLO")
    acl_smtp_mail: Source | None = option(Kind.ACL, None, "the ACL for MAIL")
    acl_smtp_rcpt: Source | None = option(Kind.ACL, None, "the ACL for each RCPT")
    acl_smtp_predata: Source | None = option(Kind.ACL, None, "the ACL for the DATA command")
    acl_smtp_data: Source | None = option(Kind.ACL, None, "the ACL for the message itself")
    acl_smtp_quit: Source | None = option(Kind.ACL, None, "the ACL for QUIT; its result is ignored")
    acl_smtp_notquit: Source | None = option(
        Kind.ACL, None, "the ACL for a connection that ends without QUIT; its result is ignored"
    )

    # -- how ACLs behave
    primary_hostname: str = option(Kind.STRING, "localhost", "this host's name; where unset, what the system calls it")
    qualify_domain: str = option(
        Kind.STRING, "localhost", "the domain of an address without one; where unset, primary_hostname"
    )
    strict_acl_vars: bool = option(Kind.BOOLEAN, False, "whether an ACL variable that was never set is an error")
    smtp_return_error_details: bool = option(
        Kind.BOOLEAN, False, "whether a client is told why it is deferred, not only that it is"
    )

    # -- the daemon
    state_directory: str = option(Kind.PATH, "/var/lib/policyd", "where rates and other state are kept")
    milter_socket: str = option(
        Kind.SOCKET,
        "unix:/run/policyd/policyd.sock",
        "where the MTA connects: inet:PORT@HOST, inet6:PORT@HOST or unix:PATH",
    )
    milter_socket_mode: int = option(Kind.MODE, 0o660, "the permissions of a unix socket", limits=(0, 0o777))
    milter_socket_group: str = option(Kind.STRING, "", "the group of a unix socket; empty: the daemon's own")
    workers: int = option(Kind.INTEGER, 0, "worker processes; 0: as many as cores", limits=(0, 1024))
    metrics_address: str = option(Kind.ENDPOINT, "127.0.0.1:9810", "where Prometheus finds /metrics; empty: nowhere")
    phase_timeout: float = option(
        Kind.TIME, 25.0, "how long one phase may take; Postfix gives up after 30s (milter_command_timeout)"
    )

    # -- DNS
    dns_servers: tuple[str, ...] = option(Kind.ADDRESSES, (), "the name servers; empty: those of /etc/resolv.conf")
    dns_port: int = option(Kind.INTEGER, 53, "their port", limits=(1, 65535))
    dns_timeout: float = option(Kind.TIME, 5.0, "for one question, all servers and retries")
    dns_cache_size: int = option(Kind.INTEGER, 20000, "how many answers are kept; 0: none", limits=(0, 2**31 - 1))
    spf_timeout: float = option(Kind.TIME, 20.0, "for one SPF check, all its questions")


OPTIONS: Mapping[str, Field[Any]] = {row.name: row for row in fields(Settings)}
"""The rows of the table by name. A row's metadata: ``kind``, ``meaning`` and ``limits``."""
