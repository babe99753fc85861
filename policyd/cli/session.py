"""``policyd session``: an SMTP dialogue from standard input, judged as the daemon would judge it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import click

from policyd import config, words
from policyd.cli.dialogue import Dialogue
from policyd.cli.options import complain, pairs, reporting
from policyd.cli.world import for_anybody, services, show
from policyd.conversation import Conversation
from policyd.language.verdict import shown
from policyd.policy import Policy
from policyd.transaction import Client

GATEWAY = "[::]:25"  # anywhere: nobody listens
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
@click.option(
    "--proxy-header",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What the client sends first: judged, and answered, by the gateway's rules. Empty: silence.",
)
@click.option("--zone", "zones", multiple=True, metavar="FILE", help="Answer all DNS from this master file, offline.")
@click.option("--macro", "macros", multiple=True, metavar="NAME=VALUE", help="A milter macro, such as auth_type=PLAIN.")
@click.option("--trace", is_flag=True, help="Show every statement and condition with its result.")
def command(**options: Any) -> None:
    """Run the dialogue. Exit status 1 when the configuration cannot be used."""
    words.load()
    with reporting():
        policy = _policy(options)
        world = for_anybody(services(policy.settings, options["zones"]), policy.settings)
    complain(policy.warnings)
    talk = Conversation(policy, world, (lambda event: show(f"TRACE: {shown(*event)}")) if options["trace"] else None)
    talk.macros.update({name.strip("{}"): value for name, value in pairs(options["macros"])})
    client, lines = _client(options), iter(sys.stdin.buffer.readline, b"")
    if options["proxy_header"] is not None:
        from policyd.cli.proxied import Gatekeeper

        admitted = Gatekeeper(policy, world, answer).admit(client, options["proxy_header"].read_bytes(), lines)
        if admitted is None:
            return
        client, lines = admitted
    Dialogue(talk, policy.settings.primary_hostname, lines, answer).run(client)


def _policy(options: Mapping[str, Any]) -> Policy:
    """The policy, as it is where clients come by a gateway if they have a header to show. Raises `PolicyError`."""
    policy = config.load(options["path"])
    if options["proxy_header"] is None or policy.settings.gateway_listen:
        return policy
    return replace(policy, settings=replace(policy.settings, gateway_listen=GATEWAY))


def _client(options: Mapping[str, Any]) -> Client:
    address, port = endpoint(options["client"])
    local, local_port = endpoint(options["local"]) if options["local"] else ("", 0)
    return Client(address, port, options["client_name"], str(local), local_port)


def answer(line: str) -> None:
    """One line for the client, at once."""
    sys.stdout.buffer.write(line.encode("latin-1") + b"\n")
    sys.stdout.buffer.flush()
