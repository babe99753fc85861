"""``policyd metrics``: what is counted, and a dashboard that shows it, from the catalogue itself."""

from __future__ import annotations

from collections.abc import Iterator

import click

from policyd.cli.options import say
from policyd.metrics import CATALOGUE, PREFIX, Family


@click.command(help="Print the name, type, labels and meaning of every metric.")
@click.option("--markdown", is_flag=True, help="As docs/reference/metrics.md.")
@click.option("--dashboard", is_flag=True, help="A dashboard for Grafana, as docs/monitoring/dashboard.json.")
def command(markdown: bool, dashboard: bool) -> None:
    """One line per metric, unless told otherwise."""
    if dashboard:
        from policyd.cli.dashboard import dashboard as drawn

        say(drawn())
    else:
        say(manual() if markdown else listing())


def listing() -> Iterator[str]:
    """For a terminal."""
    for family in CATALOGUE:
        labels = f"{{{','.join(family.labels)}}}" if family.labels else ""
        yield f"{PREFIX}{family.name}{labels}  {family.kind.value}  {family.help}"


def manual() -> Iterator[str]:
    """The reference page."""
    yield "# Metrics"
    yield ""
    yield "What `/metrics` shows at `metrics_address`. Printed by `policyd metrics --markdown`."
    yield ""
    yield "Series whose labels are known in advance begin at 0. What is named by the policy appears when it first"
    yield "happens, at most 500 series of a metric in a process, and `other` for the rest. A dashboard for Grafana and"
    yield "rules for alerts are in [monitoring](../monitoring)."
    for family in CATALOGUE:
        yield from ("", f"## `{PREFIX}{family.name}`", "", f"{family.help} *{family.kind.value}*")
        if family.labels or family.buckets:
            yield ""
        yield from _labels(family)
        if family.buckets:
            yield f"- buckets: {', '.join(f'{limit:g}' for limit in family.buckets)}"


def _labels(family: Family) -> Iterator[str]:
    for label, values in family.labels.items():
        said = ", ".join(f"`{value}`" for value in values) or "named by the policy or the program"
        yield f"- `{label}`: {said}"
