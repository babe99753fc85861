"""Operators for mailboxes as header fields have them."""

from __future__ import annotations

from policyd.errors import ExpansionError
from policyd.language.registry import operator
from policyd.language.source import BLANKS
from policyd.mail.mailboxes import Mailbox, mailboxes
from policyd.mail.mailboxes import mailbox as any_mailbox
from policyd.words.lists import built

MAX_ADDRESS = 256  # octets: RFC 5321 4.5.3.1.3, without the brackets, and two to spare


def mailbox(text: str) -> Mailbox:
    """A mailbox, without an address when that is too long to be one."""
    found = any_mailbox(text)
    return found if len(found.address) <= MAX_ADDRESS else Mailbox(text)


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
    return built((found.address for found in mailboxes(text) if 0 < len(found.address) <= MAX_ADDRESS), separator)
