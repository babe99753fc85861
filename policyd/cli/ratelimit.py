"""``policyd ratelimit``: who fills which rate limit, and what limits would suit."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import click

from policyd import config, words
from policyd.cli import buckets, suggestions
from policyd.cli.options import complain, octets, say
from policyd.errors import Defer, PolicyError
from policyd.metrics import NoMetrics
from policyd.policy import Policy
from policyd.stores import Store

CONFIG: Callable[[Any], Any] = click.option(
    "-c", "--config", "path", required=True, metavar="CONF", help="A file, a conf.d directory, or a tree."
)
KEY: Callable[[Any], Any] = click.argument("key", metavar="KEY")


@click.group(help="Show who fills which rate limit, reset it, and suggest limits. A daemon may be running meanwhile.")
def command() -> None:
    """Each of the commands under it has exit status 1 when there is nothing to show."""


@command.command(help="Show the rates of KEY: a client's address, another key, or a whole one, as 1h/per_conn/ADDRESS.")
@CONFIG
@KEY
def show(path: str, key: str) -> None:
    """The fullest one first."""
    with opened(path) as (policy, store):
        tell(found(store, policy, key), key)


@command.command(help="Show the fullest rate limits.")
@CONFIG
@click.option("-n", "--number", default=10, metavar="N", help="How many.", show_default=True)
def top(path: str, number: int) -> None:
    """Those without a known limit last."""
    with opened(path) as (policy, store):
        tell(sorted(buckets.fills(store, policy, time.time()), key=fullness)[:number])


@command.command(help="Forget the rates of KEY, as if it had never been here.")
@CONFIG
@KEY
def reset(path: str, key: str) -> None:
    """What is forgotten is shown."""
    with opened(path) as (policy, store):
        fills = found(store, policy, key)
        for fill in fills:
            store.delete(buckets.PREFIX + fill.key.encode("latin-1"))
        tell(fills, key)


@command.command(help="Suggest limits from the rates in LOGFILE; - reads standard input.")
@click.argument("logfile", type=click.File("r", encoding="latin-1"))
def suggest(logfile: IO[str]) -> None:
    """A line for each limit of which the log has lines."""
    observed = list(suggestions.observed(logfile))
    if not observed:
        complain([f"{logfile.name}: no line has a rate in it"])
        sys.exit(1)
    say([suggestions.HEADING, *(one.row() for one in observed)])


@contextmanager
def opened(path: str) -> Iterator[tuple[Policy, Store]]:
    """The configuration and its store; what is wrong with either ends the program."""
    from policyd.stores.configured import configured

    words.load()
    try:
        policy = config.load(path)
        store = configured(policy.settings, NoMetrics(), lambda text: complain([text]))
        store.open()
        try:
            yield policy, store
        finally:
            store.close()
    except PolicyError as error:
        complain(error.problems)
        sys.exit(1)
    except Defer as error:
        complain([error])
        sys.exit(1)


def found(store: Store, policy: Policy, key: str) -> list[buckets.Fill]:
    """The buckets that *key* means, the fullest first."""
    wanted = octets(key)
    fills = buckets.fills(store, policy, time.time())
    return sorted((fill for fill in fills if buckets.named(fill, wanted)), key=fullness)


def fullness(fill: buckets.Fill) -> tuple[float, float]:
    """A sort key: full ones first."""
    return -fill.share, -fill.rate


def tell(fills: Sequence[buckets.Fill], key: str = "") -> None:
    """The table; without a row in it, the end."""
    if not fills:
        complain([f"no rate is known of {key}" if key else "no rate is known"])
        sys.exit(1)
    say([buckets.HEADING, *(fill.row() for fill in fills)])
