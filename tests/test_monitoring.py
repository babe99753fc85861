"""The reference of metrics, the dashboard and the alerts agree with the catalogue, and a real Prometheus with them.

Debian packages no Grafana, so the dashboard's queries are put to Prometheus, as Grafana would.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from milter_client import MilterClient
from parts.daemon import Policyd
from parts.nsd import Nsd
from parts.ports import wait_until
from parts.programs import program
from parts.prometheus import Prometheus

from policyd.cli import main
from policyd.cli.dashboard import ROWS
from policyd.metrics import CATALOGUE, PREFIX, Family, Kind

DOCS = Path(__file__).parents[1] / "docs"
DASHBOARD = DOCS / "monitoring" / "dashboard.json"
ALERTS = DOCS / "monitoring" / "alerts.yml"

NAME = re.compile(r"\b(policyd_[a-z_]+)(?:\{([^}]*)\})?")
BY = re.compile(r"\bby \(([^)]*)\)")
FOREIGN = {"instance", "le"}  # labels that Prometheus gives, or the library


@pytest.mark.parametrize(
    "option, page", [("--markdown", "reference/metrics.md"), ("--dashboard", "monitoring/dashboard.json")]
)
def test_pages_are_fresh(option, page):
    """``make docs`` writes them."""
    assert CliRunner().invoke(main, ["metrics", option]).stdout == (DOCS / page).read_text()


def test_every_metric_is_documented():
    page = (DOCS / "reference" / "metrics.md").read_text()
    assert re.findall(r"^## `(.*)`$", page, re.MULTILINE) == [PREFIX + family.name for family in CATALOGUE]


def test_every_metric_is_listed():
    lines = CliRunner().invoke(main, ["metrics"]).stdout.splitlines()
    assert len(lines) == len(CATALOGUE)
    assert "policyd_connections  gauge  Open connections from the MTA." in lines
    assert "policyd_rule_errors_total{phase,kind}  counter  " in "\n".join(lines)


# -- names and labels


@cache
def families() -> dict[str, Family]:
    """By the names of their samples."""
    names = {}
    for family in CATALOGUE:
        for suffix in ("_bucket", "_sum", "_count") if family.kind is Kind.HISTOGRAM else ("",):
            names[PREFIX + family.name + suffix] = family
    return names


def panels() -> Iterator[dict[str, Any]]:
    """All but the titles of rows."""
    yield from (panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row")


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    found: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    return found


QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")
    for panel in panels()
    for target in panel["targets"]
]
EXPRESSIONS = [pytest.param(rule["expr"], id=rule["alert"]) for rule in rules() if "policyd_" in rule["expr"]]


@pytest.mark.parametrize("query", [*QUERIES, *EXPRESSIONS])
def test_names_and_labels_are_those_of_the_catalogue(query):
    used = [(name, re.findall(r"(\w+)(?:=~|!=|=)", only)) for name, only in NAME.findall(query)]
    assert used
    labels = set().union(*(families()[name].labels for name, _ in used)) | FOREIGN
    for name, only in used:
        assert set(only) <= {*families()[name].labels, *FOREIGN}
    for group in BY.findall(query):
        assert set(re.split(r",\s*", group)) <= labels


@pytest.mark.parametrize("query", [*QUERIES, *EXPRESSIONS])
def test_values_of_labels_are_those_of_the_catalogue(query):
    for name, only in NAME.findall(query):
        for label, values in re.findall(r"""(\w+)=~?["']([^"']*)["']""", only):
            known = families()[name].labels.get(label, ())
            assert label in FOREIGN or set(values.split("|")) <= set(known)


def test_what_nobody_looks_at():
    """Every metric has a panel, an alert, or a reason not to have one."""
    shown = {families()[name].name for query in [*QUERIES, *EXPRESSIONS] for name, _ in NAME.findall(query.values[0])}
    assert {family.name for family in CATALOGUE} - shown == {
        "config_files",  # beside config_info
        "config_last_reload_success_timestamp_seconds",
        "dmarc_discovery_queries",
        "dmarc_reports_total",
    }


def test_the_dashboard_is_laid_out():
    model = json.loads(DASHBOARD.read_text())
    assert [panel["title"] for panel in model["panels"] if panel["type"] == "row"] == list(ROWS)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in model["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    numbers = [panel["id"] for panel in model["panels"]]
    assert len(numbers) == len(set(numbers))


# -- a real Prometheus, a real daemon, traffic

POLICY = """\
acl_smtp_rcpt = rcpt
acl_smtp_data = data
acl_smtp_mail = mail
begin acl
mail:
  deny dnslists = zen.invalid
  accept
rcpt:
  deny senders = bad@example.org
  warn spf = pass
  warn verify = reverse_host_lookup
  warn seen = 1h / key=$sender_address
  defer ratelimit = 1000 / 1h / per_rcpt / strict
  accept
data:
  warn dkim_status = pass
  warn dmarc_status = accept
  accept
"""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """One that has scraped a policyd, before, during and after traffic."""
    socket = f"{tmp_path_factory.mktemp('milter')}/socket"
    with (
        Nsd({}) as dns,
        Policyd(POLICY, f"unix:{socket}", {"dns_servers": "127.0.0.1", "dns_port": str(dns.port)}) as daemon,
        Prometheus(daemon.metrics_port) as found,
    ):
        wait_until(lambda: found.query("policyd_connections_total"), "a scrape")
        for _ in range(3):
            for sender in (b"<good@example.org>", b"<bad@example.org>"):
                deliver(socket, sender)
            time.sleep(0.6)
        wait_until(lambda: found.query("policyd_messages_total{action='accept'} == 3"), "a scrape of it all")
        yield found


def deliver(socket: str, sender: bytes) -> None:
    """One message, as far as it goes."""
    with MilterClient(socket) as mta:
        mta.connect("198.51.100.7")
        mta.helo()
        mta.mail(sender)
        if mta.rcpt(b"<to@example.net>") == "continue":
            assert mta.message([(b"From", b" a@example.org"), (b"Subject", b" hi")], b"body\r\n") == "continue"


@pytest.mark.parametrize("query", QUERIES)
def test_panels_have_something_to_show(prometheus, query):
    """An error in a query is a ValueError."""
    assert prometheus.query(query.replace("$__rate_interval", "1m").replace("$instance", ".*"))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_alerts_are_understood(prometheus, rule):
    prometheus.query(rule["expr"])


def test_what_prometheus_has_counted(prometheus):
    assert value(prometheus, "sum(policyd_connections_total)") == 6
    assert value(prometheus, "policyd_recipients_total{action='reject'}") == 3
    assert value(prometheus, "policyd_rule_hits_total{phase='rcpt', rule='10-policy.conf:9'}") == 3
    assert value(prometheus, "policyd_seen_checks_total{result='false'}") == 1
    assert value(prometheus, "policyd_dnsbl_unhealthy{list='zen.invalid'}") == 0
    assert value(prometheus, "policyd_process_memory_bytes{process='worker-0'}") > 10e6


def value(prometheus: Prometheus, query: str) -> float:
    """The value of the only series."""
    (only,) = prometheus.query(query)
    return float(only["value"][1])


# -- alerts

CASES = {  # alert: series, each with its values minute by minute; when it does not fire yet, and when it does; labels
    "PolicydDown": ({'up{job="policyd"}': "1 0x10"}, 2, 4, "", "critical"),
    "PolicydReloadFailed": ({"policyd_config_last_reload_successful": "1 0x10"}, 5, 7, "", "warning"),
    "PolicydNoConnections": ({"policyd_connections_total": "0+1x5 5x60"}, 21, 45, "", "warning"),
    "PolicydErrors": ({'policyd_errors_total{phase="data"}': "0 0 1 1 1 1 1"}, 1, 4, ' phase="data"', "critical"),
    "PolicydWorkersDie": ({"policyd_worker_restarts_total": "0 0 1 2 3 4 4"}, 2, 6, "", "critical"),
    "PolicydConditionsFail": (
        {'policyd_rule_errors_total{phase="rcpt"}': "0+4x40", 'policyd_decisions_total{phase="rcpt"}': "0+60x40"},
        5, 30, "", "warning",
    ),
    "PolicydFileUnreadable": (
        {'policyd_lookup_reloads_total{result="failure"}': "0 0 1+1x30"}, 10, 20, "", "warning",
    ),
    "PolicydTemporaryErrors": (
        {
            'policyd_dkim_results_total{result="temperror"}': "0+4x40",
            'policyd_dkim_results_total{result="pass"}': "0+60x40",
        },
        5, 30, "", "warning",
    ),
    "PolicydSpfPermanentErrors": (
        {
            'policyd_spf_results_total{result="permerror"}': "0+30x90",
            'policyd_spf_results_total{result="pass"}': "0+60x90",
        },
        20, 80, "", "warning",
    ),
    "PolicydSlow": (
        {
            'policyd_phase_duration_seconds_bucket{phase="rcpt", le="10"}': "0+97x40",
            'policyd_phase_duration_seconds_bucket{phase="rcpt", le="30"}': "0+100x40",
            'policyd_phase_duration_seconds_bucket{phase="rcpt", le="+Inf"}': "0+100x40",
        },
        5, 30, ' phase="rcpt"', "warning",
    ),
    "PolicydDeadlineExceeded": (
        {'policyd_deadline_exceeded_total{phase="mail"}': "0 0 2x20"}, 4, 9, ' phase="mail"', "warning",
    ),
    "PolicydStoreAway": ({"policyd_store_breakers_open": "0 2x10"}, 4, 8, "", "critical"),
    "PolicydDnsListUnhealthy": (
        {'policyd_dnsbl_unhealthy{list="bl.test"}': "0 1x40"}, 15, 30, ' list="bl.test"', "warning",
    ),
    "PolicydDnsListRefuses": (
        {'policyd_dnsbl_lookups_total{list="bl.test", result="refused"}': "0+1x40"},
        10, 30, ' list="bl.test"', "warning",
    ),
    "PolicydRefusesMore": (
        {
            'policyd_decisions_total{action="reject", enforced="true"}': "0+5x1500 7600+100x100",
            'policyd_decisions_total{action="accept", enforced="true"}': "0+95x1500 142600+100x100",
        },
        1500, 1560, "", "warning",
    ),
    "PolicydOneClientForAll": ({"policyd_balancers_suspected_total": "0 0 1x10"}, 1, 5, "", "critical"),
}  # fmt: skip


def test_the_rules_are_well_formed():
    done = subprocess.run([program("promtool"), "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {rule["alert"] for rule in rules()} == set(CASES)


def test_the_page_says_how_prometheus_is_set_up(tmp_path):
    page = (ALERTS.parent / "README.md").read_text()
    (settings,) = re.findall(r"^```yaml\n# prometheus.yml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(settings)
    (tmp_path / "alerts.yml").write_text(ALERTS.read_text())
    command = [program("promtool"), "check", "config", tmp_path / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SUCCESS: 16 rules found" in done.stdout
    assert "sixteen alerts" in page


@pytest.mark.parametrize("alert", CASES)
def test_alerts(tmp_path, alert):
    """Each fires when it has to, and not before, and no other does instead."""
    series, quiet, fires, labels, severity = CASES[alert]
    inputs = [{"series": named(name), "values": values} for name, values in series.items()]
    job = ', job="policyd"' if alert in JOBS else ""
    firing = f'ALERTS{{alertname="{alert}", alertstate="firing", instance="mx"{job}, severity="{severity}"'
    firing += "".join(f", {label}" for label in labels.split()) + "}"
    query = f'ALERTS{{alertstate="firing", alertname="{alert}"}}'
    expected = [
        {"expr": query, "eval_time": f"{quiet}m", "exp_samples": []},
        {"expr": query, "eval_time": f"{fires}m", "exp_samples": [{"labels": firing, "value": 1}]},
    ]
    tests = [{"interval": "1m", "input_series": inputs, "promql_expr_test": expected}]
    (tmp_path / "test.yml").write_text(
        json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests})
    )
    command = [program("promtool"), "test", "rules", tmp_path / "test.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


JOBS = {"PolicydDown", "PolicydReloadFailed", "PolicydDnsListUnhealthy"}
"""Alerts that keep the labels of their series."""


def named(series: str) -> str:
    """A series as Prometheus would have scraped it from the host mx."""
    name, _, rest = series.partition("{")
    labels = ['instance="mx"', 'job="policyd"', *filter(None, [rest.removesuffix("}")])]
    return f"{name}{{{', '.join(dict.fromkeys(', '.join(labels).split(', ')))}}}"


def test_rules_say_what_is_wrong_and_what_to_do():
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "runbook"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["for"]


def test_runbooks_exist():
    page = (DOCS / "troubleshooting.md").read_text()
    titles = re.findall(r"^## (.*)$", page, re.MULTILINE)
    anchors = {f"docs/troubleshooting.md#{title.lower().replace(' ', '-')}" for title in titles}
    assert {rule["annotations"]["runbook"] for rule in rules()} <= anchors
