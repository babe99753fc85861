"""``policyd session``: an SMTP dialogue from standard input, judged as the daemon would judge it."""

from __future__ import annotations

import re
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address

import click

from policyd import config, words
from policyd.cli.dialogue import Dialogue
from policyd.cli.options import complain, pairs
from policyd.cli.world import services, show
from policyd.conversation import Conversation
from policyd.errors import PolicyError
from policyd.transaction import Client

ENDPOINT = re.compile(r"(?:\[([^\]]+)\]|([^:]*))(?::([0-9]+))?|([0-9A-Fa-f:.]+)")


def endpoint(text: str) -> tuple[IPv4Address | IPv6Address, int]:
    """``IP``, ``IP:PORT`` or ``[IPv6]:PORT``, as address and port (0 where none is given)."""
    found = ENDPOINT.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT")
    host = found[1] or found[2] or found[4] or ""
    try:
        address = ip_address(host)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    mapped = address.ipv4_mapped if address.version == 6 else None  # as the daemon sees it
    return mapped or address, int(found[3] or 0)


@click.command(help="Judge an SMTP dialogue from standard input; the log and the trace go to standard error.")
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="A file, a conf.d directory, or a tree.")
@click.option("--client", required=True, metavar="IP[:PORT]", help="Who is talking; IPv6 as [ADDRESS]:PORT.")
@click.option("--client-name", default="", metavar="NAME", help="The client's name, as an MTA would have verified it.")
@click.option("--local", default="", metavar="IP:PORT", help="The server's side of the connection.")
@click.option("--zone", "zones", multiple=True, metavar="FILE", help="Answer all DNS from this master file, offline.")
@click.option("--macro", "macros", multiple=True, metavar="NAME=VALUE", help="A milter macro, such as auth_type=PLAIN.")
@click.option("--trace", is_flag=True, help="Show every statement and condition with its result.")
def command(**options: str) -> None:
    """Run the dialogue. Exit status 1 when the configuration cannot be used."""
    words.load()
    try:
        policy = config.load(options["path"])
        world = services(policy.settings, options["zones"])
    except PolicyError as error:
        complain(error.problems)
        sys.exit(1)
    complain(policy.warnings)
    talk = Conversation(policy, world, (lambda text: show(f"TRACE: {text}")) if options["trace"] else None)
    talk.macros.update({name.strip("{}"): value for name, value in pairs(options["macros"])})
    address, port = endpoint(options["client"])
    local, local_port = endpoint(options["local"]) if options["local"] else ("", 0)
    client = Client(address, port, options["client_name"], str(local), local_port)
    Dialogue(talk, policy.settings.primary_hostname, iter(sys.stdin.buffer.readline, b""), answer).run(client)


def answer(line: str) -> None:
    """One line for the client, at once."""
    sys.stdout.buffer.write(line.encode("latin-1") + b"\n")
    sys.stdout.buffer.flush()
