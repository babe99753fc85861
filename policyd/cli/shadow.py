"""``policyd shadow``: try a policy on live traffic, without acting on it."""

from __future__ import annotations

import click

from policyd import config, words
from policyd.cli.check import summary
from policyd.cli.options import complain, reporting, say
from policyd.trials.installed import install, place, remove


@click.command(help="Have the running daemon judge by CONF as well: it logs and counts where that would differ.")
@click.option(
    "-c",
    "--config",
    "path",
    required=True,
    metavar="CONF",
    help="The policy to try; with the daemon's state_directory.",
)
@click.option("--stop", is_flag=True, help="End it.")
def command(path: str, stop: bool) -> None:
    """Exit status 1 when the configuration cannot be used."""
    words.load()
    with reporting():
        policy = config.load(path)
    complain(policy.warnings)
    file = place(policy.settings)
    try:
        if stop:
            say(["ended" if remove(file) else "there was none"])
            return
        install(policy.snapshot, file)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    say([
        summary(path, policy),
        f"tried from the next connection on by the daemon that has its state in {file.parent}:",
        'look for "shadow" in its log, and --stop ends it',
    ])  # fmt: skip
