"""Changes to a message, told to the MTA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policyd.edits import AddHeader, ChangeHeader, DeleteRecipient, Edit, Quarantine
from policyd.server.wire import exact, header_value, outbound


def change(ctx: Any, edit: Edit, leading_space: bool, end: int) -> None:
    """Have the MTA make one change.

    *leading_space*: it takes fields with the blank after the colon. *end*: the
    place behind all fields. Raises `milter.error`: it is gone.
    """
    CHANGES[type(edit)](ctx, edit, leading_space, end)


def _add_header(ctx: Any, edit: AddHeader, leading_space: bool, end: int) -> None:
    ctx.addheader(
        outbound(edit.name), header_value(edit.value, leading_space), end if edit.index is None else edit.index
    )


def _change_header(ctx: Any, edit: ChangeHeader, leading_space: bool, _: int) -> None:
    value = None if edit.value is None else header_value(edit.value, leading_space)
    ctx.chgheader(exact(edit.name), edit.index, value)


def _delete_recipient(ctx: Any, edit: DeleteRecipient, _: bool, __: int) -> None:
    ctx.delrcpt(exact(edit.path))


def _quarantine(ctx: Any, edit: Quarantine, _: bool, __: int) -> None:
    ctx.quarantine(outbound(edit.reason))


CHANGES: dict[type[Edit], Callable[[Any, Any, bool, int], None]] = {
    AddHeader: _add_header,
    ChangeHeader: _change_header,
    DeleteRecipient: _delete_recipient,
    Quarantine: _quarantine,
}
