"""Every metric: its name, type, labels and meaning; and the port through which the rest of policyd reports.

Names follow Prometheus: base units, ``_total`` on counters only, and labels
whose values come from closed sets or from the configuration, never from mail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import Protocol

PREFIX = "policyd_"


class Metrics(Protocol):
    """Names, and the labels' values in their order, are those of the catalogue, names without ``policyd_``."""

    def count(self, name: str, *labels: str, amount: float = 1) -> None:
        """Add to a counter, or (any sign) to a gauge."""

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Put a value into a histogram."""


class NoMetrics:
    """Counts nothing: for commands and tests."""

    def count(self, name: str, *labels: str, amount: float = 1) -> None:
        """Nothing."""

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Nothing."""


class Kind(Enum):
    """The Prometheus types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. *labels* maps each name to its values; no values: they come from the configuration or the program.

    *supervised*: the value is known to the supervisor, not to the workers.
    """

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    supervised: bool = False

    @property
    def known(self) -> Iterator[tuple[str, ...]]:
        """Every label set that can be told in advance: they start at 0, so that rates begin with the first event."""
        if all(self.labels.values()):
            yield from product(*self.labels.values())


SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # work bound by DNS
OCTETS = tuple(1024.0 * 4**step for step in range(9))  # 1 KiB … 64 MiB
TO_TEN = tuple(float(number) for number in range(11))  # SPF ends at ten lookups, RFC 7208 4.6.4

PHASES = ("connect", "helo", "mail", "rcpt", "predata", "dkim", "data", "quit", "notquit")
ENFORCED = ("true", "false")
SPF_RESULTS = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")  # RFC 8601 2.7.2
DKIM_RESULTS = ("pass", "fail", "neutral", "policy", "temperror", "permerror", "none")  # RFC 8601 2.7.1
DMARC_RESULTS = ("pass", "fail", "none", "temperror", "permerror")  # RFC 9989 9.2
DMARC_POLICIES = ("none", "quarantine", "reject")
DNS_TYPES = ("A", "AAAA", "TXT", "MX", "PTR", "NS", "other")
DNS_RESULTS = ("noerror", "nxdomain", "nodata", "servfail", "refused", "timeout", "bogus")

SOURCES = ("milter", "proxy_v1", "proxy_v2", "xclient", "received")

C, G, H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

CATALOGUE = (
    Family("build_info", G, "1, with the versions at work.",
           {"version": (), "python": (), "pymilter": (), "pyspf": (), "dkimpy": ()},
           supervised=True),
    Family("start_time_seconds", G, "When the daemon started, in seconds since 1970.", supervised=True),
    Family("config_info", G, "1, with the hash of the policy in force.", {"hash": ()}, supervised=True),
    Family("config_files", G, "Files of the policy in force.", supervised=True),
    Family("config_last_reload_successful", G, "Whether the last load of the policy succeeded.", supervised=True),
    Family("config_last_reload_success_timestamp_seconds", G, "When a policy was last loaded, in seconds since 1970.",
           supervised=True),
    Family("config_reloads_total", C, "Reloads asked for.", {"result": ("success", "failure")}, supervised=True),
    Family("workers", G, "Worker processes: busy ones hold a connection.", {"state": ("idle", "busy")},
           supervised=True),
    Family("worker_restarts_total", C, "Workers replaced after they ended unasked.", {"reason": ("crash",)},
           supervised=True),
    Family("process_memory_bytes", G, "Resident memory of each process, what it shares with others included.",
           {"process": ()}, supervised=True),
    Family("connections", G, "Open connections from the MTA."),
    Family("connections_total", C, "Connections from the MTA."),
    Family("client_address_sources_total", C,
           "Connections, and messages of trusted relays, by where the client's address was learnt.",
           {"source": SOURCES}),
    Family("balancer_connections_total", C,
           "Connections from hosts_proxy of whose client the MTA was told nothing; mail: they tried to send some.",
           {"phase": ("connect", "mail")}),
    Family("balancers_suspected_total", C,
           "Times that nearly all of 200 connections to a worker came from one private address."),
    Family("relayed_messages_total", C,
           "Messages from trusted relays, by who handed them over: a client, the relay itself, or unknown.",
           {"result": ("client", "relay", "unknown")}),
    Family("gateway_connections", G, "Connections that the gateway has open."),
    Family("gateway_connections_total", C,
           "Connections to the gateway, by what became of them; failed: the MTA or the state could not be reached; "
           "gone: the peer did not wait.", {"result": ("relayed", "refused", "limited", "failed", "gone")}),
    Family("proxy_headers_total", C, "PROXY headers owed to the gateway by balancers; local: it tells of no client.",
           {"version": ("v1", "v2", "none"), "result": ("accepted", "local", "malformed", "timeout", "missing")}),
    Family("messages_total", C, "Messages, by what became of them in the end.",
           {"action": ("accept", "reject", "defer", "discard", "quarantine", "abort")}),
    Family("recipients_total", C, "Recipients, by what became of them at RCPT, where the policy looks at messages.",
           {"action": ("accept", "reject", "defer", "discard")}),
    Family("decisions_total", C, "Answers given by ACLs, by phase.",
           {"phase": PHASES, "action": ("accept", "reject", "defer", "discard"), "enforced": ENFORCED}),
    Family("rule_hits_total", C, "Answers given by ACLs, by the statement that decided: its file and line.",
           {"phase": PHASES, "rule": ()}),
    Family("rule_errors_total", C,
           "Answers that a condition gave, and no verb; defer: it had none to give; error: it could not be evaluated.",
           {"phase": PHASES, "kind": ("defer", "error")}),
    Family("phase_duration_seconds", H, "Time that ACLs took to answer, by phase.", {"phase": PHASES}, SECONDS),
    Family("check_duration_seconds", H, "Time one check took.", {"check": ()}, SECONDS),
    Family("errors_total", C, "Unexpected exceptions, and what the client was told instead of a verdict.",
           {"phase": PHASES, "outcome": ("fail_open", "fail_defer", "fail_reject")}),
    Family("milter_protocol_errors_total", C,
           "What the MTA told and could not be used; encoding: the name of a client or a field that is not UTF-8; "
           "negotiation: another client on a channel that was agreed on under another policy.",
           {"kind": ("encoding", "negotiation")}),
    Family("explanations_lost_total", C, "Refusals whose explanation could not be kept."),
    Family("shadow_verdicts_total", C, "Answers of a shadow policy, compared with those that were given.",
           {"phase": PHASES, "result": ("same", "different", "failed")}),
    Family("deadline_exceeded_total", C, "Phases that took longer than phase_timeout.", {"phase": PHASES}),
    Family("message_size_bytes", H, "Size of messages, header and body, where the policy looks at bodies.", {}, OCTETS),
    Family("lookup_reloads_total", C,
           "Files of lists and lookups that were read because they were new or had changed; failure: could not be.",
           {"result": ("success", "failure")}),
    Family("spf_results_total", C, "SPF results.", {"identity": ("mfrom", "helo"), "result": SPF_RESULTS}),
    Family("spf_lookups", H, "Lookups one SPF check needed, of the ten allowed.", {}, TO_TEN),
    Family("dkim_results_total", C, "DKIM results of messages: the best of their signatures.",
           {"result": DKIM_RESULTS}),
    Family("dkim_signatures_total", C, "DKIM signatures, with the size of their keys where one was looked at.",
           {"result": DKIM_RESULTS, "algorithm": ("rsa-sha256", "rsa-sha1", "ed25519-sha256", "other"),
            "key_bits": ("lt1024", "1024", "2048", "gt2048", "ed25519", "unknown")}),
    Family("arc_results_total", C, "ARC results of messages; trusted: the newest seal is of arc_trusted_sealers.",
           {"result": ("none", "pass", "fail", "temperror"), "trusted": ("true", "false")}),
    Family("dmarc_results_total", C, "DMARC results, the policy published, and what it asks for in this case.",
           {"result": DMARC_RESULTS, "policy": (*DMARC_POLICIES, "absent"),
            "disposition": (*DMARC_POLICIES, "defer")}),
    Family("dmarc_overrides_total", C, "Deviations from what the author's domain asks for, by RFC 9990's reasons.",
           {"reason": ("local_policy", "mailing_list", "trusted_forwarder", "policy_test_mode", "other")}),
    Family("dmarc_discovery_queries", H, "Names asked for DMARC records, for one message.",
           {"method": ("rfc9989", "rfc7489", "psl")}, TO_TEN),
    Family("dmarc_reports_total", C, "DMARC failure reports wanted, and what became of them.",
           {"result": ("sent", "limited", "nobody", "dropped")}),
    Family("iprev_results_total", C, "Lookups of clients' names.",
           {"result": ("pass", "fail", "temperror", "permerror")}),
    Family("auth_results_headers_removed_total", C, "Forged header fields removed.",
           {"header": ("authentication-results", "received-spf")}),
    Family("dns_queries_total", C, "Questions sent to DNS servers.", {"type": DNS_TYPES, "result": DNS_RESULTS}),
    Family("dns_query_duration_seconds", H, "Time until a DNS server's answer.", {}, SECONDS),
    Family("dns_cache_requests_total", C, "Questions put to the DNS cache.", {"result": ("hit", "miss", "stale")}),
    Family("dns_prefetches_total", C,
           "Questions asked before a check; used: a check wanted the answer; dropped: too many were on their way.",
           {"result": ("asked", "used", "failed", "dropped")}),
    Family("dnsbl_lookups_total", C, "Questions to DNS lists; refused: the list does not serve this host.",
           {"list": (), "result": ("listed", "not_listed", "error", "refused")}),
    Family("dnsbl_unhealthy", G,
           "1 while a DNS list that the policy asks for clients does not list 127.0.0.2, or lists 127.0.0.1, too.",
           {"list": ()}),
    Family("store_duration_seconds", H, "Time one operation of a shared store took.", {}, SECONDS),
    Family("store_errors_total", C,
           "Operations of a shared store that failed; refused: by the store; operation: this one only.",
           {"reason": ("timeout", "connection", "refused", "operation")}),
    Family("store_substitutions_total", C, "Operations done without the shared store, by store_error.",
           {"answer": ("local", "defer", "accept")}),
    Family("store_breakers_open", G, "Workers that do without the shared store for now."),
    Family("seen_checks_total", C, "Tests of seen, greylisting among them, by what the condition came to.",
           {"result": ("true", "false", "store_error")}),
    Family("ratelimit_checks_total", C, "Rate limit checks.",
           {"limit": (), "result": ("under", "over", "store_error"), "enforced": ENFORCED}),
    Family("ratelimit_store_duration_seconds", H, "Time the store took for a rate limit check.", {}, SECONDS),
)  # fmt: skip

FAMILIES = {family.name: family for family in CATALOGUE}


def named(name: str, labels: Sequence[str]) -> dict[str, str]:
    """The labels by name. Raises KeyError or ValueError unless the catalogue has such a metric."""
    family = FAMILIES[name]
    if len(family.labels) != len(labels):
        raise ValueError(f"{name} has the labels {list(family.labels)}, not {list(labels)}")
    for (label, values), value in zip(family.labels.items(), labels, strict=True):
        if values and value not in values:
            raise ValueError(f"{name}: {value!r} is no {label}")
    return dict(zip(family.labels, labels, strict=True))
