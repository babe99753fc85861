"""``policyd explain``: why a command was refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from heapq import nlargest

import click

from policyd import config, words
from policyd.cli.options import complain, octets, reporting, say
from policyd.cli.world import ErrorLog
from policyd.errors import Defer
from policyd.explanations.archive import Archive, archive
from policyd.explanations.record import Explanation
from policyd.journal import printable


@click.command(help="Say why a command was refused: ID is in the log (explanation=ID), and in the reply if you want.")
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="What policyd is started with.")
@click.option(
    "--last", "count", type=click.IntRange(1), default=10, metavar="N", help="Without an ID: how many to list."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.argument("identity", required=False)
def command(path: str, count: int, as_json: bool, identity: str | None) -> None:
    """Exit status 1 when there is no such explanation."""
    words.load()
    with reporting():
        kept = archive(config.load(path).settings, partial(ErrorLog().write, "panic"))
    if kept is None:
        raise click.ClickException("explain_keep is 0s: no explanations are kept")
    try:
        found = _last(kept, count) if identity is None else [_found(kept, octets(identity))]
    except (Defer, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if not found:
        complain(["nothing is kept: nothing was refused within explain_keep, or another state_directory is in use"])
    for one in found:
        say([json.dumps(asdict(one))] if as_json else one.lines() if identity else [one.summary()])


def _found(kept: Archive, identity: str) -> Explanation:
    found = kept.find(identity.strip("[]"))
    if found is None:
        raise ValueError(f'there is no explanation "{printable(identity)}": it may be older than explain_keep')
    return found


def _last(kept: Archive, count: int) -> list[Explanation]:
    return nlargest(count, kept.all(), key=lambda one: one.time)[::-1]
