"""The body of the message, and counts of what arrived."""

from __future__ import annotations

import os

from policyd.language.marks import client_controlled
from policyd.language.registry import variable
from policyd.transaction import Transaction

TO_BLANKS = str.maketrans("\n\0", "  ")
CHUNK = 65536


@client_controlled
@variable("message_body", needs="body")
def _message_body(tx: Transaction) -> str:
    """The beginning of the body: 500 octets, or as many as the main option ``message_body_visible`` says.

    Newlines are blanks in it, unless the main option ``message_body_newlines``
    is set.
    """
    body = tx.message.kept_body
    if body is None or not tx.message.complete:
        return ""
    visible = tx.settings.message_body_visible
    return _shown(tx, _lines_of(body.read(2 * visible))[:visible])


@client_controlled
@variable("message_body_end", needs="body")
def _message_body_end(tx: Transaction) -> str:
    """The end of the body, as much of it as ``$message_body`` shows of the beginning."""
    body = tx.message.kept_body
    if body is None or not tx.message.complete:
        return ""
    visible = tx.settings.message_body_visible
    size = body.seek(0, os.SEEK_END)
    body.seek(max(size - 2 * visible, 0))
    return _shown(tx, _lines_of(body.read())[-visible:] if visible else "")


def _lines_of(octets: bytes) -> str:
    """The text, each of its lines ended by a newline alone."""
    return octets.decode("latin-1").replace("\r\n", "\n")


def _shown(tx: Transaction, text: str) -> str:
    if tx.settings.message_body_newlines:
        return text.replace("\0", " ")
    return text.translate(TO_BLANKS)


@variable("message_body_size", needs="size lines")
def _message_body_size(tx: Transaction) -> str:
    """How many octets the body has, each end of a line counted as one."""
    return str(tx.message.body_size - tx.message.body_lines) if tx.message.complete else "0"


@variable("body_linecount", needs="size lines")
def _body_linecount(tx: Transaction) -> str:
    """How many lines the body has."""
    return str(tx.message.body_lines) if tx.message.complete else "0"


@variable("message_linecount", needs="size lines")
def _message_linecount(tx: Transaction) -> str:
    """How many lines the message has: its header, the empty line after that, and its body."""
    message = tx.message
    return str(message.header_lines + 1 + message.body_lines) if message.complete else "0"


@variable("body_zerocount", needs="body")
def _body_zerocount(tx: Transaction) -> str:
    """How many NUL octets the body has."""
    body = tx.message.kept_body
    if body is None or not tx.message.complete:
        return "0"
    return str(sum(chunk.count(b"\0") for chunk in iter(lambda: body.read(CHUNK), b"")))


@variable("max_received_linelength", needs="body")
def _max_received_linelength(tx: Transaction) -> str:
    """The octets of the longest line of the message, without its end."""
    return str(max(map(len, tx.message.lines()), default=0)) if tx.message.complete else "0"
