"""``policyd serve``: the daemon, in the foreground."""

from __future__ import annotations

import sys

import click

from policyd import server


@click.command(help="Run the daemon in the foreground. SIGHUP reloads the configuration, SIGTERM drains and stops.")
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="A file, a conf.d directory, or a tree.")
def command(path: str) -> None:
    """The exit status is the supervisor's."""
    sys.exit(server.serve(path))
