"""``policyd replay``: what would another policy have made of recorded sessions?"""

from __future__ import annotations

from dataclasses import replace
from typing import TextIO

import click

from policyd import config, words
from policyd.cli.options import reporting, say, say_safely
from policyd.cli.world import services
from policyd.stores import MemoryStore
from policyd.trials.recording import sessions
from policyd.trials.replay import Clock, Replay
from policyd.trials.shadow import aside, harmless


@click.command(help="Judge the sessions in FILE, which the option record_sessions has had written, by another policy.")
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="The policy to try.")
@click.option("--zone", "zones", multiple=True, metavar="FILE", help="Answer all DNS from this master file, offline.")
@click.argument("file", type=click.File(encoding="latin-1"))
def command(path: str, zones: tuple[str, ...], file: TextIO) -> None:
    """Prints what would be answered otherwise. Exit status 1 when the configuration cannot be used."""
    words.load()
    with reporting():
        policy = config.load(path)
        world = services(policy.settings, zones)
    clock = Clock()
    replay = Replay(harmless(policy), replace(aside(world), store=MemoryStore(clock)), clock)
    count = differences = 0
    try:
        for recorded in sessions(file):
            count += 1
            found = [str(difference).replace("\n", "\\n") for difference in replay.differences(recorded)]
            differences += len(found)
            say_safely(found)
    except ValueError as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    say([f"{count} sessions, {replay.commands} answers, {differences} of them different"])
