"""A dashboard for Grafana: the table of its panels, and the JSON that Grafana imports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from policyd.metrics import PREFIX

INSTANCE = 'instance=~"$instance"'
RATE = "$__rate_interval"
SOURCE = {"type": "prometheus", "uid": "${source}"}
COLUMNS, WIDTH, HEIGHT = 24, 8, 8  # of Grafana's grid


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph, or (*single*) one number. *queries*: PromQL, and what each line is called."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    meaning: str = ""
    single: bool = False


def series(name: str, **only: str) -> str:
    """A selector of one metric, of the chosen hosts; *only*: labels that have to match."""
    return f"{PREFIX}{name}{{{', '.join([INSTANCE, *(f'{label}=~{value!r}' for label, value in only.items())])}}}"


def rate(name: str, *by: str, **only: str) -> tuple[str, str]:
    """A counter's rate, by some of its labels."""
    total = f"(rate({series(name, **only)}[{RATE}]))"
    return (f"sum by ({', '.join(by)}) {total}", _legend(*by)) if by else (f"sum{total}", name.removesuffix("_total"))


def quantile(share: float, name: str, *by: str) -> tuple[str, str]:
    """What that share of a histogram's values does not exceed."""
    groups = ", ".join((*by, "le"))
    value = f"histogram_quantile({share}, sum by ({groups}) (rate({series(f'{name}_bucket')}[{RATE}])))"
    return value, _legend(*by) or f"{share:.0%}"


def value(name: str, *by: str) -> tuple[str, str]:
    """A gauge, summed over hosts."""
    return (f"sum by ({', '.join(by)}) ({series(name)})", _legend(*by)) if by else (f"sum({series(name)})", name)


def share(part: tuple[str, str], whole: tuple[str, str], legend: str) -> tuple[str, str]:
    """One rate in relation to another."""
    return f"{part[0]} / ({whole[0]} > 0 or vector(1))", legend


def _legend(*by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by)


QUERIES, FOUND = rate("dns_cache_requests_total"), rate("dns_cache_requests_total", result="hit")
STORE = "store_duration_seconds"

ROWS: dict[str, tuple[Panel, ...]] = {
    "Traffic": (
        Panel("Messages", "ops", (rate("messages_total", "action"),)),
        Panel("Recipients", "ops", (rate("recipients_total", "action"),)),
        Panel("Connections", "ops", (rate("connections_total"),)),
        Panel("Open connections", "short", (value("connections"),)),
        Panel("Size of messages", "bytes", (quantile(0.5, "message_size_bytes"), quantile(0.95, "message_size_bytes"))),
        Panel("Where addresses come from", "ops", (rate("client_address_sources_total", "source"),)),
    ),
    "Verdicts": (
        Panel("Answers", "ops", (rate("decisions_total", "phase", "action"),)),
        Panel(
            "Refused, of all answers",
            "percentunit",
            (share(rate("decisions_total", action="reject|defer"), rate("decisions_total"), "refused"),),
        ),
        Panel("Dry run: what would be refused", "ops", (rate("decisions_total", "phase", "action", enforced="false"),)),
        Panel("Statements that decide", "ops", (rate("rule_hits_total", "phase", "rule"),)),
        Panel("Shadow policy", "ops", (rate("shadow_verdicts_total", "result"),), "different: another answer"),
    ),
    "Latency": (
        Panel("Half of the answers, by phase", "s", (quantile(0.5, "phase_duration_seconds", "phase"),)),
        Panel(
            "99 % of the answers, by phase",
            "s",
            (quantile(0.99, "phase_duration_seconds", "phase"),),
            "Postfix gives up after 30 s",
        ),
        Panel("95 % of the checks", "s", (quantile(0.95, "check_duration_seconds", "check"),)),
        Panel("Phases that took too long", "ops", (rate("deadline_exceeded_total", "phase"),)),
    ),
    "Checks": (
        Panel("SPF", "ops", (rate("spf_results_total", "identity", "result"),)),
        Panel("Lookups of an SPF check", "short", (quantile(0.5, "spf_lookups"), quantile(0.99, "spf_lookups"))),
        Panel("DKIM", "ops", (rate("dkim_results_total", "result"),)),
        Panel("DKIM signatures", "ops", (rate("dkim_signatures_total", "algorithm", "key_bits"),)),
        Panel("DMARC", "ops", (rate("dmarc_results_total", "result", "policy"),)),
        Panel("DMARC: not as its domain asks", "ops", (rate("dmarc_overrides_total", "reason"),)),
        Panel("ARC", "ops", (rate("arc_results_total", "result", "trusted"),)),
        Panel("Clients' names", "ops", (rate("iprev_results_total", "result"),)),
        Panel("Forged fields removed", "ops", (rate("auth_results_headers_removed_total", "header"),)),
    ),
    "DNS": (
        Panel("Questions to name servers", "ops", (rate("dns_queries_total", "result"),)),
        Panel(
            "Time until the answer",
            "s",
            (quantile(0.5, "dns_query_duration_seconds"), quantile(0.99, "dns_query_duration_seconds")),
        ),
        Panel("Found in the cache", "percentunit", (share(FOUND, QUERIES, "hit"),)),
        Panel("Asked ahead", "ops", (rate("dns_prefetches_total", "result"),)),
        Panel("DNS lists", "ops", (rate("dnsbl_lookups_total", "list", "result"),)),
        Panel("DNS lists that fail their test", "short", (value("dnsbl_unhealthy", "list"),)),
    ),
    "Rate limits": (
        Panel("Checks", "ops", (rate("ratelimit_checks_total", "limit", "result"),)),
        Panel("Time of the store", "s", (quantile(0.99, "ratelimit_store_duration_seconds"),)),
        Panel("Tests of seen (greylisting)", "ops", (rate("seen_checks_total", "result"),)),
    ),
    "Store": (
        Panel("Time of an operation", "s", (quantile(0.5, STORE), quantile(0.99, STORE))),
        Panel("Failures", "ops", (rate("store_errors_total", "reason"),)),
        Panel("Done without it", "ops", (rate("store_substitutions_total", "answer"),)),
        Panel("Workers that do without it", "short", (value("store_breakers_open"),)),
    ),
    "Gateway": (
        Panel("Connections", "ops", (rate("gateway_connections_total", "result"),)),
        Panel("Open connections", "short", (value("gateway_connections"),)),
        Panel("PROXY headers", "ops", (rate("proxy_headers_total", "version", "result"),)),
        Panel("Balancers that told of no client", "ops", (rate("balancer_connections_total", "phase"),)),
        Panel("Messages from trusted relays", "ops", (rate("relayed_messages_total", "result"),)),
    ),
    "Errors": (
        Panel("Unexpected errors", "ops", (rate("errors_total", "phase", "outcome"),), "with a traceback in the log"),
        Panel("Conditions without an answer", "ops", (rate("rule_errors_total", "phase", "kind"),)),
        Panel("Trouble with the milter protocol", "ops", (rate("milter_protocol_errors_total", "kind"),)),
        Panel("Files of lists and lookups, read", "ops", (rate("lookup_reloads_total", "result"),)),
        Panel("Explanations lost", "ops", (rate("explanations_lost_total"),)),
        Panel("Reloads", "ops", (rate("config_reloads_total", "result"),)),
        Panel("The last reload succeeded", "bool_yes_no", ((f"min({series('config_last_reload_successful')})", ""),),
              single=True),
    ),
    "Workers": (
        Panel("Workers", "short", (value("workers", "state"),)),
        Panel("Workers replaced", "ops", (rate("worker_restarts_total", "reason"),)),
        Panel("Memory", "bytes", (value("process_memory_bytes", "process"),)),
        Panel("Up since", "dateTimeFromNow", ((f"min({series('start_time_seconds')}) * 1000", ""),), single=True),
        Panel("Policies in force", "short", ((f"count by (hash) ({series('config_info')})", "{{hash}}"),)),
        Panel("Versions", "short", ((f"count by (version) ({series('build_info')})", "{{version}}"),)),
    ),
}  # fmt: skip
"""The rows of the dashboard, top to bottom."""


def dashboard() -> Iterator[str]:
    """The JSON, line by line."""
    yield from json.dumps(_model(), indent=1).splitlines()


def _model() -> dict[str, Any]:
    return {
        "uid": "policyd",
        "title": "policyd",
        "tags": ["mail"],
        "schemaVersion": 37,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source(), _instances()]},
        "panels": list(_panels()),
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _instances() -> dict[str, Any]:
    query = f"label_values({PREFIX}build_info, instance)"
    return {
        "name": "instance",
        "label": "host",
        "type": "query",
        "datasource": SOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels() -> Iterator[dict[str, Any]]:
    """Rows and panels, numbered and put on the grid, three in a line."""
    numbers, top = count(1), 0
    for title, panels in ROWS.items():
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        yield {"id": next(numbers), "type": "row", "title": title, "gridPos": place, "collapsed": False, "panels": []}
        top += 1
        for at, panel in enumerate(panels):
            line, column = divmod(at * WIDTH, COLUMNS)
            place = {"x": column, "y": top + line * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield {"id": next(numbers), "gridPos": place, **_panel(panel)}
        top += -(-len(panels) * WIDTH // COLUMNS) * HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    names = map(chr, count(ord("A")))
    return {
        "type": "stat" if panel.single else "timeseries",
        "title": panel.title,
        "description": panel.meaning,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": name, "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for name, (query, legend) in zip(names, panel.queries, strict=False)
        ],
    }
