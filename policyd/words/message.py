"""The message: its header fields, size and identity."""

from __future__ import annotations

import re

from policyd.language.registry import prefix, variable
from policyd.mail.message import ADDRESS_HEADERS, MAX_HEADER_TEXT, Header
from policyd.mail.octets import lower
from policyd.mail.rfc2047 import decoded
from policyd.policy import AFTER_MAIL
from policyd.transaction import Transaction

SIZE = re.compile("SIZE=([0-9]{1,18})", re.IGNORECASE | re.ASCII)


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
    """Every field of this name as an item of a colon-separated list."""
    return ":".join(header.value.strip("\n").replace(":", "::") for header in _found(tx, name))[:MAX_HEADER_TEXT]


for _run, _names in (
    (_decoded, ("h_", "header_")),
    (_undecoded, ("bh_", "bheader_")),
    (_raw, ("rh_", "rheader_")),
    (_listed, ("lh_", "lheader_")),
):
    for _name in _names:
        prefix(_name, exists=_exists)(_run)


@variable("message_size")
def message_size(tx: Transaction) -> str:
    """The size of the message: what MAIL announced with SIZE=, or -1, until it has arrived."""
    if tx.message.complete:
        return str(tx.message.size)
    if not tx.phase & AFTER_MAIL:
        return "0"
    sizes = [found[1] for text in tx.sender_parameters if (found := SIZE.fullmatch(text))]
    return sizes[0] if sizes else "-1"


@variable("headers_added")
def _headers_added(tx: Transaction) -> str:
    """The header lines that ACLs have added in this phase, one a line."""
    return "\n".join(line for _, line in tx.added_headers)


def _queue_id(tx: Transaction) -> str:
    """The MTA's queue id of the message; empty until the MTA tells it."""
    return tx.connection.macros.get("i", "")


variable("message_exim_id")(_queue_id)
variable("message_id")(_queue_id)


@variable("smtp_command")
def _smtp_command(tx: Transaction) -> str:
    """The SMTP command being judged."""
    return tx.command


@variable("smtp_command_argument")
def _smtp_command_argument(tx: Transaction) -> str:
    """The argument of the SMTP command being judged."""
    return tx.command.partition(" ")[2]


@variable("received_protocol")
def _received_protocol(tx: Transaction) -> str:
    """``smtp`` or ``esmtp``, with ``s`` when the connection is encrypted and ``a`` when the client authenticated."""
    macros = tx.connection.macros
    encrypted = "s" if macros.get("cipher") else ""
    authenticated = "a" if macros.get("auth_type") else ""
    return f"{'esmtp' if tx.connection.esmtp else 'smtp'}{encrypted}{authenticated}"
