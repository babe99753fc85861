"""Conditions of ``${if`` about text."""

from __future__ import annotations

import operator as comparison
import re
from collections.abc import Callable

from policyd.errors import ExpansionError
from policyd.language.registry import test
from policyd.language.source import BLANKS
from policyd.mail.octets import lower
from policyd.transaction import Transaction

NUMBER = re.compile(r"-?[0-9]+")


def _compared(name: str, compare: Callable[[str, str], bool], meaning: str) -> None:
    def run(_: Transaction, left: str, right: str) -> bool:
        return compare(left, right)

    def caseless(_: Transaction, left: str, right: str) -> bool:
        return compare(lower(left), lower(right))

    run.__doc__ = f"Whether the first text is {meaning} the second, octet by octet."
    caseless.__doc__ = f"Whether the first text is {meaning} the second, letters compared without case."
    test(name, arguments=2)(run)
    test(f"{name}i", arguments=2)(caseless)


_compared("eq", comparison.eq, "equal to")
_compared("lt", comparison.lt, "less than")
_compared("le", comparison.le, "less than or equal to")
_compared("gt", comparison.gt, "greater than")
_compared("ge", comparison.ge, "greater than or equal to")


@test("bool", arguments=1)
def _bool(_: Transaction, text: str) -> bool:
    """True for true, yes and numbers but zero; false for false, no, zero and nothing; anything else fails."""
    answer = truth(text.strip(BLANKS))
    if answer is None:
        raise ExpansionError(f'unrecognised boolean value "{text}"')
    return answer


@test("bool_lax", arguments=1)
def _bool_lax(_: Transaction, text: str) -> bool:
    """False for nothing, 0, no and false; true for everything else."""
    return lower(text.strip(BLANKS)) not in ("", "0", "no", "false")


def truth(text: str) -> bool | None:
    """What a word or a number says; None when it says nothing of the kind."""
    if NUMBER.fullmatch(text):
        return int(text) != 0
    return {"": False, "no": False, "false": False, "yes": True, "true": True}.get(lower(text))


def _never(name: str) -> None:
    def run(_: Transaction) -> bool:
        """Never true: Exim asks this when it delivers, and policyd judges before that."""
        return False

    test(name, arguments=0)(run)


_never("first_delivery")
_never("queue_running")
