"""Changes to a message, as the MTA is asked to make them: values, applied by the shell at the end of the message."""

from __future__ import annotations

from policyd.mail.message import Message
from policyd.values import value_class


@value_class
class ChangeHeader:
    """Replace the *index*-th field called *name* (from 1); with *value* None, delete it."""

    name: str
    index: int
    value: str | None = None


@value_class
class AddHeader:
    """A new field. *index* counts all fields from the top, those included that the MTA has put there; None appends."""

    name: str
    value: str
    index: int | None = None


@value_class
class DeleteRecipient:
    """One recipient less. *path* as it stood in RCPT."""

    path: str


@value_class
class Quarantine:
    """Hold the message in the MTA's queue."""

    reason: str


Edit = ChangeHeader | AddHeader | DeleteRecipient | Quarantine


def header_edits(message: Message, own_fields: int = 1) -> list[Edit]:
    """Deletions from the highest number down, then additions from the top down, so that no edit moves another's place.

    The MTA has put *own_fields* on top, its Received for one, which a milter
    never sees: only what goes to the very start stands above them.
    """
    deletions: list[Edit] = [
        ChangeHeader(name, number) for name, number in sorted(message.removed, key=lambda place: -place[1])
    ]
    additions: list[Edit] = []
    for index, header in message.additions:
        below = 0 if header.added == "at_start" else own_fields  # how many of them are above it
        place = None if header.added == "at_end" else index + below
        additions.append(AddHeader(header.name, header.value, place))
    return deletions + additions
