"""Text on its way from and to libmilter: what it can carry, and in which form.

Inside policyd a character is an octet. pymilter encodes what it is given as
UTF-8, and libmilter ends a string at NUL: so octets travel as the Unicode
string whose UTF-8 form they are, and what has no such form becomes ``?``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from policyd.transaction import Client

LINES = 32  # of one reply: MAXREPLIES and pymilter's MAX_ML_REPLY
OCTETS = 980  # of one line: MAXREPLYLEN
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
UNFOLDED = re.compile(r"\r?\n(?![ \t])|\r(?!\n)|\0")  # what would end a header field
LINE_END = re.compile(r"\n(?![ \t])")  # the same where there is neither CR nor NUL: much faster
PIECE = re.compile(r"%%|.", re.DOTALL)


def text(received: str | bytes) -> str:
    """What libmilter handed over, one character per octet; pymilter has decoded some of it as UTF-8."""
    if isinstance(received, str):
        return received if received.isascii() else received.encode().decode("latin-1")
    return received.decode("latin-1")


def client(name: str, address: Any, macros: Mapping[str, str]) -> Client:
    """The client from the arguments of the connect callback: *address* is ``(ip, port, …)``, or else it is local."""
    ip = _address(address[0]) if isinstance(address, tuple) else None
    named = "" if name == "unknown" or name.startswith("[") else text(name)
    return Client(ip, address[1] if ip else 0, named, _local_address(macros), _port(macros.get("daemon_port", "")))


def _local_address(macros: Mapping[str, str]) -> str:
    """The address that the client connected to. ``{daemon_addr}`` of Sendmail is where it listens: maybe everywhere."""
    return _local(macros.get("if_addr") or macros.get("daemon_addr") or "")


@lru_cache(maxsize=1000)  # they come again and again, and reading one takes longer than all the rest here
def _address(text: str) -> IPv4Address | IPv6Address:
    """An address; an IPv4 one in IPv6 clothes is what it is."""
    address = ip_address(text)
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=100)
def _port(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


@lru_cache(maxsize=100)
def _local(text: str) -> str:
    told = text.removeprefix("IPv6:")
    try:
        local = ip_address(told)
    except ValueError:
        return told
    return "" if local.is_unspecified else str(local)


def outbound(text: str) -> str:
    """*text*, with ``?`` for octets that are not UTF-8."""
    if text.isascii():
        return text
    return text.encode("latin-1").decode("utf-8", "replace").replace("\ufffd", "?")


def exact(text: str) -> str:
    """*text*, or ValueError where pymilter cannot pass it on octet by octet."""
    if "\0" in text:
        raise ValueError("a NUL cannot be passed to the MTA")
    return text.encode("latin-1").decode("utf-8")


def reply_lines(lines: tuple[str, ...]) -> list[str]:
    """The lines of a reply, as many and as long as libmilter takes, each ``%`` doubled: both MTAs halve them."""
    return [_fitting(CONTROL.sub("?", outbound(line)).replace("%", "%%")) for line in lines[:LINES]] or [""]


def _fitting(line: str) -> str:
    """*line*, cut where libmilter's limit is, not within a character nor between two ``%``."""
    if len(line.encode()) <= OCTETS:
        return line
    room, kept = OCTETS, []
    for piece in PIECE.findall(line):
        room -= len(piece.encode())
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept)


def header_value(value: str, leading_space: bool) -> str:
    """A field's value that cannot become two fields. *leading_space*: the MTA wants the blank after the colon, too."""
    text = outbound(value)
    unusual = "\r" in text or "\0" in text
    text = UNFOLDED.sub(" ", text).replace("\r\n", "\n") if unusual else LINE_END.sub(" ", text)
    if not leading_space:
        return text.removeprefix(" ")
    return text if text.startswith((" ", "\t", "\n")) else f" {text}"
