"""What several commands take and print alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from policyd.errors import PolicyError
from policyd.journal import printable


def octets(argument: str) -> str:
    """An argument of the command line as the octets it was typed in."""
    return os.fsencode(argument).decode("latin-1")


def pairs(arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each ``NAME=VALUE`` in its two parts, as octets."""
    for argument in arguments:
        name, equals, value = octets(argument).partition("=")
        if not equals:
            raise click.BadParameter(f"{argument!r} is not NAME=VALUE")
        yield name, value


def written(text: str) -> bytes:
    """Octets as they are; what is beyond them (the … of our own messages) in UTF-8."""
    return b"".join(c.encode("latin-1" if c <= "\xff" else "utf-8") for c in text)


def complain(problems: Iterable[object]) -> None:
    """Problems, on standard error, in the octets in which they were written."""
    for problem in problems:
        click.echo(written(str(problem)), err=True)


@contextmanager
def reporting(status: int = 1) -> Iterator[None]:
    """What is wrong with a configuration is said on standard error, and ends the command with exit status *status*."""
    try:
        yield
    except PolicyError as error:
        complain(error.problems)
        sys.exit(status)


def say_safely(lines: Iterable[str]) -> None:
    """Lines, on standard output, with what others have written: no terminal is told what to do."""
    for line in lines:
        pieces = ("\t".join(map(printable, part.split("\t"))) for part in line.split("\n"))
        say(piece.encode().decode("latin-1") for piece in pieces)


def say(lines: Iterable[str]) -> None:
    """Lines, on standard output, likewise."""
    for line in lines:
        click.echo(written(line))
