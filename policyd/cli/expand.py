"""``policyd expand``: what strings expand to, with a configuration's macros, lists and options."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from typing import NamedTuple

import click

from policyd import config, words
from policyd.cli.options import complain, octets, pairs, reporting, say
from policyd.cli.world import services
from policyd.errors import Defer, ExpansionError, ForcedFail, PolicyError
from policyd.language.frame import Frame
from policyd.language.registry import Kind, Vocabulary, Word
from policyd.language.source import BLANKS
from policyd.mail.address import Address
from policyd.policy import Phase, Policy
from policyd.transaction import Client, Connection, Transaction


def _sender(tx: Transaction, value: str) -> None:
    tx.sender = Address(value)


def _recipient(tx: Transaction, local_part: str | None = None, domain: str | None = None) -> None:
    known = tx.recipient or Address()
    local = known.local_part if local_part is None else local_part
    tx.recipient = Address(f"{local}@{known.domain if domain is None else domain}")


def _client(tx: Transaction, value: str) -> None:
    tx.connection.client = Client(ip_address(value))


def _helo(tx: Transaction, value: str) -> None:
    tx.connection.helo = value


INPUTS: dict[str, Callable[[Transaction, str], None]] = {
    "sender_address": _sender,
    "local_part": lambda tx, value: _recipient(tx, local_part=value),
    "domain": lambda tx, value: _recipient(tx, domain=value),
    "sender_host_address": _client,
    "sender_helo_name": _helo,
}
"""Variables from which others follow: they are put where mail would put them."""

ACL_VARIABLES = ("acl_c", "acl_m")
HEADERS = ("h_", "header_", "rh_", "rheader_", "bh_", "bheader_", "lh_", "lheader_")
PREFIXES = (*ACL_VARIABLES, *HEADERS)


def assign(tx: Transaction, name: str, value: str) -> None:
    """Give a variable a value where mail would."""
    if name in INPUTS:
        try:
            INPUTS[name](tx, value)
        except ValueError as error:
            raise click.BadParameter(f"{name}: {error}") from None
    elif name.startswith(ACL_VARIABLES):
        tx.variables(name)[name] = value
    elif name.startswith(HEADERS):
        tx.message.receive([(name.partition("_")[2], f" {value}")])


@contextmanager
def overridden(vocabulary: Vocabulary, values: Mapping[str, str]) -> Iterator[None]:
    """Meanwhile, these variables have these values."""
    replaced: list[Word] = []
    try:
        for name, value in values.items():
            word = vocabulary.find(Kind.VARIABLE, name)
            if word is None:
                hint = vocabulary.refusal(Kind.VARIABLE, name) or vocabulary.nearest(name, Kind.VARIABLE)
                raise click.BadParameter(f'unknown variable name "{name}" {hint}'.rstrip())
            replaced.append(word)
            vocabulary.replace(replace(word, run=_constant(value)))
        yield
    finally:
        for word in replaced:
            vocabulary.replace(word)


def _constant(value: str) -> Callable[[Transaction], str]:
    return lambda _: value


@click.command(help="Print what each STRING expands to, on a line of its own; - reads strings from standard input.")
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="A file, a conf.d directory, or a tree.")
@click.option("--zone", "zones", multiple=True, metavar="FILE", help="Answer all DNS from this master file, offline.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="Give a variable a value.")
@click.argument("strings", nargs=-1, required=True, metavar="STRING...")
def command(path: str, zones: Sequence[str], variables: Sequence[str], strings: Sequence[str]) -> None:
    """A string that fails prints ``Failed:`` and the reason, and makes the exit status 1."""
    values = dict(pairs(variables))
    texts = [octets(string) for string in strings]
    if texts == ["-"]:
        texts = list(_read(sys.stdin.buffer))
    others = {name: value for name, value in values.items() if not (name in INPUTS or name.startswith(PREFIXES))}
    with overridden(words.load(), others):
        with reporting():
            policy = config.load(path)
            world = services(policy.settings, zones)
        complain(policy.warnings)
        tx = Transaction(world, policy.settings, Connection(Client()), phase=Phase.DATA)
        for name, value in values.items():
            assign(tx, name, value)
        answers = [answer(text, policy, tx) for text in texts]
    say(found.text for found in answers)
    for found in answers:
        if found.hint and strings != ("-",):
            click.echo(found.hint, err=True)
    sys.exit(0 if all(found.is_right for found in answers) else 1)


def _read(lines: Iterable[bytes]) -> Iterator[str]:
    """Strings as Exim's ``-be`` reads them: blanks at the end are cut, and after a backslash the next line goes on."""
    text = ""
    goes_on = False
    for line in lines:
        piece = line.decode("latin-1").rstrip(BLANKS)
        text += piece.lstrip(BLANKS) if goes_on else piece
        goes_on = piece.endswith("\\")
        if goes_on:
            text = text[:-1]
        else:
            yield text
            text = ""
    if goes_on:
        yield text


class Answer(NamedTuple):
    """A string's expansion, or why it fails, and then perhaps what would be right."""

    text: str
    is_right: bool
    hint: str = ""


def answer(text: str, policy: Policy, tx: Transaction) -> Answer:
    """What a string expands to. It may take as long as a phase."""
    tx.frame = Frame()
    tx.deadline = time.monotonic() + policy.settings.phase_timeout
    try:
        return Answer(policy.expansion(text)(tx), True)
    except PolicyError as error:
        problem = error.problems[0]
        return Answer(f"Failed: {problem.message}", False, problem.expected)
    except (ExpansionError, ForcedFail, Defer) as error:
        return Answer(f"Failed: {error}", False)
