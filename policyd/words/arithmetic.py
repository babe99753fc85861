"""Whole numbers: ``${eval:…}`` and the comparisons ``=``, ``<`` … of ``${if``."""

from __future__ import annotations

import operator as arithmetic
import random
import re
from collections.abc import Callable

from policyd.errors import ExpansionError
from policyd.language.registry import operator, test
from policyd.language.source import BLANKS
from policyd.transaction import Transaction

LARGEST = 2**63 - 1
SMALLEST = -(2**63)
FACTORS = {"k": 1024, "m": 1024**2, "g": 1024**3}
MAX_DEPTH = 40  # of parentheses and signs
MAX_DIGITS = 40  # that are looked at: fewer make the largest number already

ANY_BASE = re.compile(r"0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*")
DECIMAL = re.compile(r"[0-9]+")
SYMBOL = re.compile(r"<<|>>|[-+*/%&^|]")
COMPARED = re.compile(r"[ \t\r\n\v\f]*([+-]?[0-9]+)([kKmMgG]?)[ \t\r\n\v\f]*")


def wrapped(number: int) -> int:
    """*number* as a 64-bit machine keeps it."""
    return (number - SMALLEST) % 2**64 + SMALLEST


def _sum(left: int, right: int) -> int:
    return _fitting(left + right, "overflow in sum")


def _difference(left: int, right: int) -> int:
    return _fitting(left - right, "overflow in difference")


def _fitting(number: int, trouble: str) -> int:
    if not SMALLEST <= number <= LARGEST:
        raise ArithmeticError(trouble)
    return number


def _quotient(left: int, right: int) -> int:
    """Rounded towards zero."""
    if right == 0:
        raise ArithmeticError("divide by zero")
    return min(abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1), LARGEST)


def _remainder(left: int, right: int) -> int:
    """It has the sign of *left*."""
    if right == 0:
        raise ArithmeticError("modulo by zero")
    return abs(left) % abs(right) * (1 if left >= 0 else -1)


BINARY: dict[str, tuple[int, Callable[[int, int], int]]] = {
    "|": (1, arithmetic.or_),
    "^": (2, arithmetic.xor),
    "&": (3, arithmetic.and_),
    "<<": (4, lambda left, right: wrapped(left << right % 64)),  # what the hardware does with such a count
    ">>": (4, lambda left, right: left >> right % 64),
    "+": (5, _sum),
    "-": (5, _difference),
    "*": (6, lambda left, right: wrapped(left * right)),
    "/": (6, _quotient),
    "%": (6, _remainder),
}
"""How tightly each operator binds, and what it does."""

UNARY: dict[str, Callable[[int], int]] = {"+": arithmetic.pos, "-": lambda value: wrapped(-value), "~": arithmetic.inv}


class Evaluation:
    """One arithmetic expression. *decimal*: neither hexadecimal nor octal numbers."""

    def __init__(self, text: str, decimal: bool) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.numbers = DECIMAL if decimal else ANY_BASE

    def value(self) -> int:
        """The result. Raises `ExpansionError`."""
        result = self._binary(1)
        if self.at < len(self.text):
            raise self._error("expecting operator")
        return result

    def _binary(self, least: int) -> int:
        """Operands with operators between them that bind at least as tightly as *least*."""
        left = self._operand()
        while (found := SYMBOL.match(self.text, self.at)) and BINARY[found[0]][0] >= least:
            self.at = found.end()
            tightness, compute = BINARY[found[0]]
            right = self._binary(tightness + 1)
            try:
                left = compute(left, right)
            except ArithmeticError as error:
                raise self._error(str(error)) from None
        return left

    def _operand(self) -> int:
        """A number or parentheses, with signs before it."""
        self._blanks()
        start = self.at
        if self._take("+-~"):
            return self._deeper(lambda: UNARY[self.text[start]](self._operand()))
        if self._take("("):
            return self._deeper(self._parenthesis)
        return self._number()

    def _number(self) -> int:
        found = self.numbers.match(self.text, self.at)
        if found is None:
            raise self._error("expecting number or opening parenthesis")
        self.at = found.end()
        value = min(_integer(found.group(), self.numbers is DECIMAL), LARGEST)
        if self._take("kKmMgG"):
            value = wrapped(value * FACTORS[self.text[self.at - 1].lower()])
        self._blanks()
        return value

    def _parenthesis(self) -> int:
        value = self._binary(1)
        if not self._take(")"):
            raise self._error("expecting closing parenthesis")
        self._blanks()
        return value

    def _deeper(self, production: Callable[[], int]) -> int:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error("nested too deeply")
        value = production()
        self.depth -= 1
        return value

    def _take(self, characters: str) -> bool:
        taken = self.at < len(self.text) and self.text[self.at] in characters
        self.at += taken
        return taken

    def _blanks(self) -> None:
        while self._take(BLANKS):
            pass

    def _error(self, what: str) -> ExpansionError:
        return ExpansionError(f'error in expression evaluation: {what} (after processing "{self.text[: self.at]}")')


def _integer(digits: str, decimal: bool) -> int:
    base = 10 if decimal or not digits.startswith("0") else 16 if digits[1:2] in ("x", "X") else 8
    significant = digits[2:].lstrip("0") if base == 16 else digits.lstrip("0")
    return int(significant or "0", base) if len(significant) <= MAX_DIGITS else LARGEST


@operator("eval")
def _eval(text: str) -> str:
    """The value of an arithmetic expression: ``~ - * / % + << >> & ^ |``, parentheses, hexadecimal, octal, K M G."""
    return str(Evaluation(text, decimal=False).value())


@operator("eval10")
def _eval10(text: str) -> str:
    """Like ``eval``, but all numbers are decimal: a leading zero means nothing."""
    return str(Evaluation(text, decimal=True).value())


@operator("randint", context=True)
def _randint(_: Transaction, text: str) -> str:
    """A random number from 0 to one less than the given one."""
    if not text.strip(BLANKS):
        raise ExpansionError(f'integer expected but "{text.lstrip(BLANKS)}" found')
    limit = integer(text)
    if limit < 0:
        raise ExpansionError(f'non-negative integer expected but "{text}" found')
    return str(random.randrange(limit)) if limit else "0"


# -- comparisons


def integer(text: str) -> int:
    """A number as comparisons read it: decimal, with a sign and K, M or G; blanks alone, or nothing, are 0."""
    if not text.strip(BLANKS):
        return 0
    found = COMPARED.fullmatch(text)
    if found is None:
        text = text.lstrip(BLANKS)
        what = "invalid integer" if re.match(r"\s*[+-]?[0-9]", text, re.ASCII) else "integer expected but"
        raise ExpansionError(f'{what} "{text}"{" found" if what.endswith("but") else ""}')
    sign, digits = found[1].strip("0123456789"), found[1].lstrip("+-0")
    value = int(f"{sign}{digits or 0}") * FACTORS.get(found[2].lower(), 1) if len(digits) <= MAX_DIGITS else 2**64
    if not SMALLEST <= value <= LARGEST:
        raise ExpansionError(f'absolute value of integer "{text}" is too large (overflow)')
    return value


def _comparison(names: tuple[str, ...], compare: Callable[[int, int], bool], meaning: str) -> None:
    def run(_: Transaction, left: str, right: str) -> bool:
        return compare(integer(left), integer(right))

    run.__doc__ = f"Whether the first number is {meaning} the second."
    for name in names:
        test(name, arguments=2)(run)


_comparison(("=", "=="), arithmetic.eq, "equal to")
_comparison((">",), arithmetic.gt, "greater than")
_comparison((">=",), arithmetic.ge, "greater than or equal to")
_comparison(("<",), arithmetic.lt, "less than")
_comparison(("<=",), arithmetic.le, "less than or equal to")
