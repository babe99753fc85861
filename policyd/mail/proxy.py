"""The PROXY protocol, versions 1 and 2: what a balancer sends before the client's first octet.

Octets in, values out, by the rules of Exim. Where they are looser than the
specification (haproxy.org, proxy-protocol.txt) it says so here: a line of
version 1 may be as long as the largest header of version 2, its family does not
bind its addresses, and its ports are whatever C reads as a number but zero.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NoReturn

Address = IPv4Address | IPv6Address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"  # of version 2, section 2.2
HEAD = struct.Struct("!12sBBH")  # signature, version and command, family and transport, octets that follow
BEGINNING = 14  # octets that tell what it is, and that every header has
LONGEST = 232  # octets: of version 2 with the largest addresses, those of unix sockets
LARGEST_INT = 2**31 - 1  # C's
LOCAL, PROXIED = 0x20, 0x21  # version 2; the command
BLOCKS: dict[int, tuple[struct.Struct, type[IPv4Address] | type[IPv6Address]]] = {
    0x11: (struct.Struct("!4s4sHH"), IPv4Address),
    0x21: (struct.Struct("!16s16sHH"), IPv6Address),
}
"""The addresses of TCP over IPv4 and IPv6. Nobody else's mail is taken: UDP, unix sockets, or unspecified."""

BLANK = rb"[ \t\n\v\f\r]"
LINE = re.compile(rb"PROXY%b(?:(UNKNOWN).*|TCP[46]%b([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+))" % (BLANK, BLANK), re.DOTALL)
NUMBER = re.compile(rb"%b*([+-]?[0-9]+)" % BLANK)


class Malformed(ValueError):  # noqa: N818 - it says something about the octets
    """These octets are no header, and no more of them can make it one. Its text says why."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a connection. Version 1 may tell a port that no connection can have."""

    address: Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}"


@dataclass(frozen=True, slots=True)
class Header:
    """What a header tells. Without a *source* (LOCAL, UNKNOWN) the connection is the balancer's own."""

    version: int
    source: Endpoint | None = None
    destination: Endpoint | None = None


def wanted(octets: bytes) -> int:
    """How many octets have to be read after *octets*; 0: they are all.

    None of them can belong to the client, unless less than `BEGINNING` were a
    whole header. Raises `Malformed`.
    """
    if SIGNATURE.startswith(octets[: len(SIGNATURE)]):
        return _wanted_block(octets)
    end = octets.find(b"\r")
    if end < 0:
        return max(BEGINNING - len(octets), 1) if len(octets) < LONGEST else _refuse("no end of line")
    if end + 2 <= len(octets):
        return 0
    return 1 if len(octets) < LONGEST else _refuse("no end of line")


def _wanted_block(octets: bytes) -> int:
    if len(octets) < BEGINNING:
        return BEGINNING - len(octets)
    if octets[12] >> 4 != 2:
        _refuse(f"version {octets[12] >> 4}")
    if len(octets) < HEAD.size:
        return HEAD.size - len(octets)
    length = HEAD.size + int.from_bytes(octets[14:16])
    if length > LONGEST:
        _refuse(f"{length} octets")
    return length - len(octets)


def parse(octets: bytes) -> Header:
    """The header that *octets* are, of which none is `wanted` any more. Raises `Malformed`."""
    return _block(octets) if octets.startswith(SIGNATURE) else _line(octets)


def _block(octets: bytes) -> Header:
    """Version 2. What follows the addresses are extensions (section 2.2, TLVs), of which none concerns us."""
    _, command, family, length = HEAD.unpack_from(octets)
    if command == LOCAL:
        return Header(2)
    if command != PROXIED:
        _refuse(f"command {command & 15}")
    if family not in BLOCKS:
        _refuse(f"family and transport 0x{family:02x}")
    block, address = BLOCKS[family]
    if length < block.size:
        _refuse(f"{length} octets of addresses, not {block.size}")
    source, destination, source_port, destination_port = block.unpack_from(octets, HEAD.size)
    return Header(2, Endpoint(address(source), source_port), Endpoint(address(destination), destination_port))


def _line(octets: bytes) -> Header:
    """Version 1. ``UNKNOWN`` may be followed by anything."""
    line, ending, rest = octets.partition(b"\r")
    if not line.startswith(b"PROXY"):
        _refuse("neither version")
    if not ending or rest[:1] != b"\n":
        _refuse("no end of line")
    found = LINE.fullmatch(line)
    if found is None or b"\0" in line:
        _refuse("not of version 1's form")
    if found[1]:
        return Header(1)
    return Header(1, Endpoint(_address(found[2]), _port(found[4])), Endpoint(_address(found[3]), _port(found[5])))


def _address(octets: bytes) -> Address:
    """A zone is refused: it means nothing on another host."""
    try:
        address: Address = ip_address(octets.decode("ascii"))
    except ValueError:
        _refuse("an address that is none")
    if isinstance(address, IPv6Address) and address.scope_id:
        _refuse("an address with a zone")
    return address


def _port(octets: bytes) -> int:
    found = NUMBER.fullmatch(octets)
    if found is None or len(found[1]) > 11 or abs(int(found[1])) > LARGEST_INT:
        _refuse("a port that is no number")
    return int(found[1]) or _refuse("port 0")


def _refuse(reason: str) -> NoReturn:
    raise Malformed(reason)


def header(source: Endpoint, destination: Endpoint) -> bytes:
    """A header of version 2 for a client at *source*; an IPv4 address beside an IPv6 one is written as such."""
    ends = (source, destination)
    version = max(end.address.version for end in ends)
    block, _ = BLOCKS[0x11 if version == 4 else 0x21]
    addresses = [_as(version, end.address) for end in ends]
    ports = [end.port & 0xFFFF for end in ends]
    return HEAD.pack(SIGNATURE, PROXIED, 0x11 if version == 4 else 0x21, block.size) + block.pack(*addresses, *ports)


def _as(version: int, address: Address) -> bytes:
    packed = address.packed
    return packed if version == address.version else b"\0" * 10 + b"\xff\xff" + packed
