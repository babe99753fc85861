"""Operators for mailboxes as header fields have them."""

from __future__ import annotations

from policyd.errors import ExpansionError
from policyd.language.registry import operator
from policyd.language.source import BLANKS
from policyd.mail.mailboxes import mailbox, mailboxes
from policyd.words.lists import built


@operator("address")
def _address(text: str) -> str:
    """The address in a mailbox such as ``Some Body <user@example.org>``; nothing when it is malformed."""
    return mailbox(text).address


@operator("domain")
def _domain(text: str) -> str:
    """The domain of the address in a mailbox; nothing when there is none."""
    return mailbox(text).domain


@operator("local_part")
def _local_part(text: str) -> str:
    """The local part of the address in a mailbox."""
    found = mailbox(text)
    return found.address.removesuffix(f"@{found.domain}") if found.domain else found.address


@operator("addresses")
def _addresses(text: str) -> str:
    """The addresses in a list of mailboxes and groups, as a list: between colons, or what stands first after ``>``.

    Malformed ones are left out.
    """
    separator = ":"
    text = text.lstrip(BLANKS)
    if text.startswith(">"):
        separator, text = text[1:2], text[2:]
        if not separator:
            raise ExpansionError("output separator missing in expanding ${addresses:>}")
    return built((found.address for found in mailboxes(text) if found.address), separator)
