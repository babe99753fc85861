"""The message: its header fields, size and identity."""

from __future__ import annotations

import re
from itertools import dropwhile

from policyd.language.marks import client_controlled
from policyd.language.registry import prefix, variable
from policyd.language.source import BLANKS
from policyd.mail.arrived import Header
from policyd.mail.message import ADDRESS_HEADERS, MAX_HEADER_TEXT
from policyd.mail.octets import lower
from policyd.mail.rfc2047 import decoded
from policyd.policy import Phase
from policyd.transaction import Transaction

SIZE = re.compile("SIZE=([0-9]{1,18})", re.IGNORECASE | re.ASCII)


# -- header fields


def _found(tx: Transaction, name: str) -> list[Header]:
    return tx.message.find(name)


def _exists(tx: Transaction, name: str) -> bool:
    return bool(_found(tx, name))


def _joined(tx: Transaction, name: str) -> str:
    """Every field of this name without the blanks around it, one a line; address lists stay lists."""
    texts = [header.text for header in _found(tx, name)]
    separator = ",\n" if lower(name) in ADDRESS_HEADERS else "\n"
    return separator.join(text for text in texts if text)[:MAX_HEADER_TEXT]


def _decoded(tx: Transaction, name: str) -> str:
    """The text of a header field: RFC 2047 words decoded to UTF-8, several fields joined; empty without one."""
    return decoded(_joined(tx, name))


def _undecoded(tx: Transaction, name: str) -> str:
    """The text of a header field, with the octets of its RFC 2047 words but no change of character set."""
    return decoded(_joined(tx, name), convert=False)


def _raw(tx: Transaction, name: str) -> str:
    """A header field untouched, its blanks and line ends included."""
    return "".join(f"{header.value}\n" for header in _found(tx, name))[:MAX_HEADER_TEXT]


def _listed(tx: Transaction, name: str) -> str:
    """Every field of this name as an item of a colon-separated list; empty ones at its beginning are left out."""
    values = [header.value.rstrip("\n").replace(":", "::") for header in _found(tx, name)]
    return ":".join(dropwhile(lambda value: not value, values))[:MAX_HEADER_TEXT]


for _run, _names in (
    (_decoded, ("h_", "header_")),
    (_undecoded, ("bh_", "bheader_")),
    (_raw, ("rh_", "rheader_")),
    (_listed, ("lh_", "lheader_")),
):
    for _name in _names:
        client_controlled(prefix(_name, exists=_exists)(_run))


@client_controlled
@variable("message_headers")
def _message_headers(tx: Transaction) -> str:
    """The whole header, with the octets of its RFC 2047 words, but no change of character set."""
    lines = (f"{header.name}:{header.value}".rstrip(BLANKS) for header in tx.message.headers)
    return decoded("\n".join(lines), convert=False)


@client_controlled
@variable("message_headers_raw")
def _message_headers_raw(tx: Transaction) -> str:
    """The whole header, as it came."""
    return "".join(f"{header.name}:{header.value}\n" for header in tx.message.headers)


@client_controlled
@variable("reply_address")
def _reply_address(tx: Transaction) -> str:
    """What stands in Reply-To:, or, where there is nothing, in From:, on one line."""
    texts = ("".join(f"{header.value}\n" for header in _found(tx, name)) for name in ("reply-to", "from"))
    found = next(filter(None, (text.replace("\n", " ").strip(BLANKS) for text in texts)), "")
    return found[:MAX_HEADER_TEXT]


@variable("received_count")
def _received_count(tx: Transaction) -> str:
    """How many Received: fields the message has, the one that this MTA adds included; 0 until it has arrived."""
    return str(len(_found(tx, "received")) + 1) if tx.message.complete else "0"


# -- size and identity


@variable("message_size", needs="size")
def message_size(tx: Transaction) -> str:
    """The size of the message: what MAIL announced with SIZE=, or -1, until it has arrived."""
    if tx.message.complete:
        return str(tx.message.size)
    if tx.phase is Phase.CONNECT:
        return "0"
    sizes = [found[1] for text in tx.sender_parameters if (found := SIZE.fullmatch(text))]
    return sizes[0] if sizes else "-1"


@client_controlled
@variable("headers_added")
def _headers_added(tx: Transaction) -> str:
    """The header lines that ACLs have added in this phase, one a line."""
    return "\n".join(line for _, line in tx.added_headers)


def _queue_id(tx: Transaction) -> str:
    """The MTA's queue id of the message; empty until the MTA tells it."""
    return tx.connection.macros.get("i", "")


variable("message_exim_id")(_queue_id)
variable("message_id")(_queue_id)


@client_controlled
@variable("smtp_command")
def _smtp_command(tx: Transaction) -> str:
    """The SMTP command being judged."""
    return tx.command


@client_controlled
@variable("smtp_command_argument")
def _smtp_command_argument(tx: Transaction) -> str:
    """The argument of the SMTP command being judged."""
    return tx.command_argument


@client_controlled
@variable("smtp_command_history", needs="commands")
def _smtp_command_history(tx: Transaction) -> str:
    """The names of the last twenty SMTP commands that a milter is told of, the current one included, with commas."""
    return ",".join(tx.connection.commands)


@variable("received_protocol", needs="{cipher}")
def _received_protocol(tx: Transaction) -> str:
    """``smtp`` or ``esmtp``, with ``s`` when the connection is encrypted and ``a`` when the client authenticated."""
    macros = tx.connection.macros
    encrypted = "s" if macros.get("cipher") else ""
    authenticated = "a" if macros.get("auth_type") else ""
    return f"{'esmtp' if tx.connection.esmtp else 'smtp'}{encrypted}{authenticated}"
