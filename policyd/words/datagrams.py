"""``udpsend``: tell somebody, and do not wait for an answer."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from policyd.checks.iprev import Address, addresses
from policyd.errors import Defer, ExpansionError
from policyd.language.compiler import Compiler
from policyd.language.cutting import cut, separator_of
from policyd.language.expand import Getter, expanded
from policyd.language.list_taint import computed_parts
from policyd.language.marks import ADDRESS, REMEDIES
from policyd.language.parser import parse
from policyd.language.registry import VOCABULARY, Kind, modifier
from policyd.language.source import Source
from policyd.language.taint import Sink
from policyd.resolver import DnsTemporary
from policyd.transaction import Transaction

PAYLOAD = 2  # the number of its item, from 0
DESTINATION = Sink(f'{ADDRESS}, of modifier "udpsend"', REMEDIES[ADDRESS])


def _destined(source: Source, compiler: Compiler) -> Getter:
    """Expanded text; no client may choose where it goes."""
    text = expanded(source, compiler)
    for number, _, part in computed_parts(parse(source, compiler.words)):
        if number < PAYLOAD:
            compiler.flow.add(part, DESTINATION)
    return text


@modifier("udpsend", argument=_destined)
def _udpsend(tx: Transaction, text: str) -> None:
    """``HOST:PORT:PAYLOAD``: send the payload, octet by octet, as one datagram.

    Host and port are the first two items of a list, whose separator can be
    changed as in every list; the rest of the text is the payload. What cannot be
    sent defers; that it has arrived, nobody knows.
    """
    host, port, payload = _parts(text)
    try:
        address = _address(tx, host)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.connect((str(address), port))
            sender.send(payload.encode("latin-1"))
    except OSError as error:
        raise Defer(f'"udpsend" failed: {error.strerror}') from None


def _parts(text: str) -> tuple[str, int, str]:
    """Host, port and payload. Raises `ExpansionError` for a part that is missing."""
    items = list(cut(text))
    for number, what in enumerate(("destination host", "destination port", "datagram payload")):
        if len(items) <= number:
            raise ExpansionError(f'missing {what} in "udpsend" modifier')
    port = items[1][1]
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ExpansionError('bad destination port in "udpsend" modifier')
    separator, at = separator_of(text)
    return items[0][1], int(port), text[at:].split(separator, 2)[2]


def _address(tx: Transaction, host: str) -> Address:
    try:
        return ip_address(host)
    except ValueError:
        pass  # it is a name
    try:
        found = sorted(addresses(tx.resolver, host), key=lambda address: address.version)
    except DnsTemporary as error:
        raise Defer(f'DNS lookup failed in "udpsend" modifier: {error}') from None
    if not found:
        raise Defer(f'DNS lookup failed in "udpsend" modifier: {host} has no address')
    return found[0]


VOCABULARY.refuse(Kind.MODIFIER, "a milter cannot choose the MTA's queue: control = freeze holds a message", "queue")
