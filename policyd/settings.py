"""Every main option that has an effect: its name, type, default and meaning. This table is the manual's."""

# ruff: noqa: RUF009 - option() makes the dataclass field of its row
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from policyd.errors import Severity

if TYPE_CHECKING:
    from policyd.language.scanning import Matcher
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
    SQL_SERVERS = "list of HOST/DATABASE/USER/PASSWORD"
    REDIS_SERVERS = "list of HOST/NUMBER/PASSWORD"
    DISCOVERY = "rfc9989, rfc7489 or psl"
    SEVERITY = "error or warn"
    SEVERAL_AUTHORS = "strictest, permerror or exim"
    HASHES = "list of sha256 and sha1"
    KEY_TYPES = "list of ed25519 and rsa"
    KEY_SIZES = "list of TYPE=BITS"
    EXPANDED = "string, expanded when it is used"  # a function of the transaction
    DOMAINS = "list of domains"  # a Matcher
    HOSTS = "list of hosts"  # a Matcher
    TELLING = "none, xclient or proxy"
    LOG_SELECTOR = "+NAME and -NAME, by Exim's names"
    LOG_FORMAT = "policyd, exim or json"
    STORE = "URL of a Redis"
    STORE_ERROR = "local, defer or accept"
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
    acl_smtp_dkim: Source | None = option(
        Kind.ACL, None, "the ACL for DKIM signatures, for each signer once, before the one for the message itself"
    )
    acl_smtp_data: Source | None = option(Kind.ACL, None, "the ACL for the message itself")
    acl_smtp_quit: Source | None = option(Kind.ACL, None, "the ACL for QUIT; its result is ignored")
    acl_smtp_notquit: Source | None = option(
        Kind.ACL, None, "the ACL for a connection that ends without QUIT; its result is ignored"
    )

    # -- how ACLs behave
    event_action: Callable[[Any], str] | None = option(
        Kind.EXPANDED, None, "what is expanded, for its side effects, when something happens: see $event_name"
    )
    dry_run: bool = option(
        Kind.BOOLEAN,
        False,
        "whether every verdict is only logged (dry run:) and counted (enforced=false), and everything let through",
    )
    primary_hostname: str = option(Kind.STRING, "localhost", "this host's name; where unset, what the system calls it")
    qualify_domain: str = option(
        Kind.STRING, "localhost", "the domain of an address without one; where unset, primary_hostname"
    )
    strict_acl_vars: bool = option(Kind.BOOLEAN, False, "whether an ACL variable that was never set is an error")
    smtp_return_error_details: bool = option(
        Kind.BOOLEAN, False, "whether a client is told why it is deferred, not only that it is"
    )

    # -- what expansions may do and see
    taint: Severity = option(
        Kind.SEVERITY,
        Severity.ERROR,
        "what it is when text of the client's can reach a file name, a query without its quoting operator, an ACL "
        "name, a command or a second expansion: error or warn",
    )
    allow_run: bool = option(Kind.BOOLEAN, False, "whether ${run} may run programs")
    allow_readsocket: bool = option(Kind.BOOLEAN, False, "whether ${readsocket} may ask other programs")
    keep_environment: str = option(
        Kind.STRING, "", "which environment variables ${env} shows: a list of names, *END, ^REGEX, or * for all"
    )
    add_environment: str = option(Kind.STRING, "", "environment variables of its own for ${env}: a list of NAME=VALUE")
    message_body_visible: int = option(
        Kind.INTEGER, 500, "how many octets of a body $message_body and $message_body_end show", limits=(0, 2**24)
    )
    message_body_newlines: bool = option(Kind.BOOLEAN, False, "whether they show newlines rather than blanks")

    # -- the daemon
    user: str = option(
        Kind.STRING, "", "whom policyd becomes, once its sockets are open, when root has started it without systemd"
    )
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
    record_sessions: str = option(
        Kind.PATH, "", "the file to which sessions are written, messages included, for policyd replay; empty: none"
    )
    record_message_size: int = option(
        Kind.INTEGER, 100 << 10, "how many octets of a message are written there", limits=(0, 1 << 30)
    )
    record_file_size: int = option(Kind.INTEGER, 100 << 20, "at how many octets that file is full", limits=(0, 1 << 40))
    explain_keep: float = option(
        Kind.TIME, 7 * 86400.0, "how long it is kept why a command was refused, for policyd explain; 0s: not at all"
    )
    explain_size: int = option(
        Kind.INTEGER, 64 << 20, "how many octets that may take; the oldest go first", limits=(1 << 20, 1 << 40)
    )
    explain_in_replies: bool = option(
        Kind.BOOLEAN, False, "whether the text of a refusal ends with the name of its explanation"
    )
    phase_timeout: float = option(
        Kind.TIME, 25.0, "how long one phase may take; Postfix gives up after 30s (milter_command_timeout)"
    )

    # -- rates and other state: of this host, or of many
    store: str = option(
        Kind.STORE,
        "",
        "the Redis or Valkey that several hosts share: redis://, rediss:// (TLS), unix://, redis+sentinel:// or "
        "redis+cluster://; where unset, an LMDB database under state_directory",
    )
    store_error: str = option(
        Kind.STORE_ERROR,
        "local",
        "what happens while the store does not work: local counts on this host alone; defer defers what needs it; "
        "accept lets mail pass",
    )
    store_nodes: int = option(
        Kind.INTEGER, 1, "how many hosts share the store: local allows each its part of a limit", limits=(1, 10_000)
    )
    store_timeout: float = option(Kind.TIME, 1.0, "for one operation of a Redis, connecting included")
    store_tls_verify_certificates: str = option(
        Kind.PATH, "", "the authorities that certify a Redis with TLS; where unset, the system's"
    )
    store_tls_certificate: str = option(
        Kind.PATH, "", "a file with our own certificate and key, for a Redis that wants one"
    )

    log_selector: frozenset[str] = option(
        Kind.LOG_SELECTOR,
        frozenset(),
        "what log lines have besides: proxy (PRX=, the balancer), incoming_port, incoming_interface; Exim's lines for "
        "messages: subject, received_sender, received_recipients; lines with a time: millisec, pid; others change "
        "nothing",
    )
    log_format: str = option(
        Kind.LOG_FORMAT,
        "policyd",
        "policyd: Exim's lines for what is refused, and one line of name=value for each decision; exim: Exim's lines; "
        "json: objects",
    )
    log_file: str = option(
        Kind.PATH,
        "",
        "where lines go; opened again when it is moved; where unset, to standard error: systemd's journal",
    )

    # -- balancers in front
    hosts_proxy: Matcher | None = option(
        Kind.HOSTS, None, "the balancers: who has to begin with a PROXY header; a list of addresses and networks"
    )
    hosts_trusted_relays: Matcher | None = option(
        Kind.HOSTS,
        None,
        "relays of ours that hand us the mail of others: their Received: fields say who the client was, and that one "
        "is judged, at DATA; a list of addresses and networks",
    )
    proxy_protocol_timeout: float = option(Kind.TIME, 3.0, "how long the gateway waits for the whole PROXY header")
    gateway_listen: str = option(
        Kind.ENDPOINT, "", "where the gateway listens for balancers; [::]:25 is every address; empty: there is none"
    )
    gateway_mta: str = option(Kind.ENDPOINT, "127.0.0.1:10025", "where the MTA behind the gateway listens")
    gateway_source: tuple[str, ...] = option(
        Kind.ADDRESSES,
        (),
        "the addresses from which gateways connect to the MTA, and nobody else does; where unset, and there is a "
        "gateway, 127.0.0.2",
    )
    gateway_tell: str = option(
        Kind.TELLING, "none", "how the MTA, too, learns of the client: none, xclient (Postfix) or proxy (version 2)"
    )
    gateway_connections: int = option(
        Kind.INTEGER, 1000, "how many connections the gateway has open at once", limits=(1, 100_000)
    )
    gateway_connections_per_client: int = option(
        Kind.INTEGER, 50, "how many of them one client has, balancers excepted; 0: all", limits=(0, 100_000)
    )
    gateway_idle_timeout: float = option(
        Kind.TIME, 900.0, "after how long without an octet in either direction the gateway ends a connection"
    )

    # -- DNS
    dns_servers: tuple[str, ...] = option(Kind.ADDRESSES, (), "the name servers; empty: those of /etc/resolv.conf")
    dns_port: int = option(Kind.INTEGER, 53, "their port", limits=(1, 65535))
    dns_timeout: float = option(Kind.TIME, 5.0, "for one question, all servers and retries")
    dns_cache_size: int = option(
        Kind.INTEGER, 20000, "how many answers each worker keeps; 0: none", limits=(0, 2**31 - 1)
    )
    dns_shared_cache: bool = option(
        Kind.BOOLEAN, False, "whether answers are kept in the store as well, for other workers and hosts"
    )
    dns_prefetch: int = option(
        Kind.INTEGER,
        32,
        "how many questions one worker may have on their way that no check has come to yet; 0: each is asked when a "
        "check needs it",
        limits=(0, 1024),
    )
    dns_serve_stale: float = option(
        Kind.TIME, 0.0, "how long an answer may be used beyond its TTL while no name server answers; 0s: not at all"
    )
    spf_guess: str = option(
        Kind.STRING, "v=spf1 a/24 mx/24 ptr ?all", "the record by which spf_guess judges a domain that has none"
    )
    spf_smtp_comment_template: Callable[[Any], str] | None = option(
        Kind.EXPANDED,
        None,
        "$spf_smtp_comment after fail, where the domain does not explain itself: a text with the macros of SPF; where "
        "unset, a sentence of policyd's",
    )
    spf_timeout: float = option(Kind.TIME, 20.0, "for one SPF check, all its questions")

    # -- DKIM and ARC
    dkim_verify_signers: Callable[[Any], str] | None = option(
        Kind.EXPANDED,
        None,
        "for whom acl_smtp_dkim runs: a list of domains and identities; where unset, $dkim_signers",
    )
    dkim_verify_hashes: tuple[str, ...] = option(
        Kind.HASHES, ("sha256",), "the hashes that signatures may be made with, those to be taken first in front"
    )
    dkim_verify_keytypes: tuple[str, ...] = option(
        Kind.KEY_TYPES, ("ed25519", "rsa"), "the keys that signatures may be made with, in the same way"
    )
    dkim_verify_min_keysizes: tuple[tuple[str, int], ...] = option(
        Kind.KEY_SIZES, (("rsa", 1024), ("ed25519", 250)), "the least number of bits of a key, by its type"
    )
    dkim_verify_minimal: bool = option(
        Kind.BOOLEAN, False, "whether verifying ends with the first signature that passes"
    )
    dkim_max_signatures: int = option(
        Kind.INTEGER, 10, "how many signatures of a message are looked at, from the top", limits=(1, 100)
    )
    dkim_allow_unsigned_body: bool = option(
        Kind.BOOLEAN, False, "whether a signature may pass that leaves the end of the body unsigned (l=), as in Exim"
    )
    arc_trusted_sealers: Matcher | None = option(
        Kind.DOMAINS, None, "the domains that are believed what they have sealed: a list, such as +sealers"
    )

    # -- DMARC
    dmarc_discovery: str = option(
        Kind.DISCOVERY,
        "",
        "how policies and organizational domains are found: rfc9989 walks up the DNS tree; rfc7489 is the older "
        "standard, with a public suffix list; psl is the newer one with that list; where unset, rfc9989, or rfc7489 "
        "if dmarc_tld_file is set",
    )
    dmarc_tld_file: str = option(Kind.PATH, "", "the public suffix list; where unset, the one that comes with policyd")
    dmarc_multiple_from: str = option(
        Kind.SEVERAL_AUTHORS,
        "strictest",
        "what decides when From: names several domains: the strictest outcome of all; permerror; or, as in Exim, the "
        "first address of the last field",
    )
    dmarc_history_file: str = option(Kind.PATH, "", "where outcomes are written for opendmarc-import; empty: nowhere")
    dmarc_forensic_sender: str = option(
        Kind.STRING, "", "the From: of failure reports, its address sends them; where unset, postmaster and nobody"
    )
    dmarc_forensic_smtp: str = option(Kind.ENDPOINT, "127.0.0.1:25", "who takes failure reports; empty: none are sent")
    dmarc_forensic_limit: int = option(
        Kind.INTEGER, 10, "failure reports for one domain in one hour", limits=(0, 2**31 - 1)
    )

    # -- databases that lookups ask; HOST may be HOST::PORT, HOST(/SOCKET) or [IPV6], and the first that answers counts
    pgsql_servers: tuple[str, ...] = option(Kind.SQL_SERVERS, (), "the servers of pgsql lookups")
    mysql_servers: tuple[str, ...] = option(Kind.SQL_SERVERS, (), "the servers of mysql lookups")
    redis_servers: tuple[str, ...] = option(Kind.REDIS_SERVERS, (), "the servers of redis lookups")
    sqlite_dbfile: str = option(Kind.PATH, "", "the database of sqlite lookups that name none")
    sqlite_lock_timeout: int = option(
        Kind.INTEGER, 5, "how many seconds a sqlite lookup waits for others who write", limits=(0, 3600)
    )
    lookup_timeout: float = option(Kind.TIME, 10.0, "for one lookup in a database, all its servers")


OPTIONS: Mapping[str, Field[Any]] = {row.name: row for row in fields(Settings)}
"""The rows of the table by name. A row's metadata: ``kind``, ``meaning`` and ``limits``."""
