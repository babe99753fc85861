"""``policyd gateway``: the gateway alone, in the foreground: for a host without the milter."""

from __future__ import annotations

import sys

import click

from policyd import server


@click.command(
    help="Run the gateway in the foreground: it takes PROXY headers from balancers, and relays to the MTA. SIGHUP "
    "reloads the configuration, SIGTERM drains and stops. `policyd serve` runs it, too, where gateway_listen is set."
)
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="A file, a conf.d directory, or a tree.")
def command(path: str) -> None:
    """The exit status is the supervisor's."""
    sys.exit(server.serve(path, milter=False))
