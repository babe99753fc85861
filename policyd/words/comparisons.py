"""Conditions of ``${if`` about text."""

from __future__ import annotations

import operator as comparison
import re
from collections.abc import Callable
from typing import Any

from policyd.errors import ExpansionError
from policyd.language.registry import test
from policyd.language.source import BLANKS
from policyd.mail.octets import lower
from policyd.transaction import Transaction

NUMBER = re.compile(r"-?[0-9]+")
TRUTHS = {"": False, "-": False, "no": False, "false": False, "yes": True, "true": True}


def caseless(left: str, right: str) -> int:
    """Which of two texts is greater, letters compared without case: negative, zero or positive.

    A text is greater than a longer one that begins with it: so Exim has it.
    """
    left, right = lower(left), lower(right)
    if left == right:
        return 0
    return -1 if left < right and not right.startswith(left) else 1


COMPARISONS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "eq": (comparison.eq, "equal to"),
    "lt": (comparison.lt, "less than"),
    "le": (comparison.le, "less than or equal to"),
    "gt": (comparison.gt, "greater than"),
    "ge": (comparison.ge, "greater than or equal to"),
}


def _compared(name: str, compare: Callable[[Any, Any], bool], meaning: str) -> None:
    def run(_: Transaction, left: str, right: str) -> bool:
        return compare(left, right)

    def run_caseless(_: Transaction, left: str, right: str) -> bool:
        return compare(caseless(left, right), 0)

    run.__doc__ = f"Whether the first text is {meaning} the second, octet by octet."
    run_caseless.__doc__ = f"Whether the first text is {meaning} the second, letters compared without case."
    test(name, arguments=2)(run)
    test(f"{name}i", arguments=2)(run_caseless)


for _name, _details in COMPARISONS.items():
    _compared(_name, *_details)


@test("bool", arguments=1)
def _bool(_: Transaction, text: str) -> bool:
    """True for true, yes and numbers but zero; false for false, no, zero, a minus and nothing; anything else fails."""
    answer = truth(text.strip(BLANKS))
    if answer is None:
        raise ExpansionError(f'unrecognised boolean value "{text}"')
    return answer


@test("bool_lax", arguments=1)
def _bool_lax(_: Transaction, text: str) -> bool:
    """False for nothing, a minus, 0, no and false; true for everything else."""
    return lower(text.strip(BLANKS)) not in ("", "-", "0", "no", "false")


def truth(text: str) -> bool | None:
    """What a word or a number says; None when it says nothing of the kind."""
    if text in TRUTHS:
        return TRUTHS[text]
    return int(text) != 0 if NUMBER.fullmatch(text) else TRUTHS.get(lower(text))


def _never(name: str) -> None:
    def run(_: Transaction) -> bool:
        """Never true: Exim asks this when it delivers, and policyd judges before that."""
        return False

    test(name, arguments=0)(run)


_never("first_delivery")
_never("queue_running")
