"""Whole numbers: ``${eval:…}`` and the comparisons ``=``, ``<`` … of ``${if``."""

from __future__ import annotations

import operator as arithmetic
import re
from collections.abc import Callable

from policyd.errors import ExpansionError
from policyd.language.registry import operator, test
from policyd.language.source import BLANKS
from policyd.transaction import Transaction

LARGEST = 2**63 - 1
SMALLEST = -(2**63)
FACTORS = {"k": 1024, "m": 1024**2, "g": 1024**3}
MAX_DEPTH = 100  # of parentheses

ANY_BASE = re.compile(r"0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*")
DECIMAL = re.compile(r"[0-9]+")
COMPARED = re.compile(r"[ \t\r\n\v\f]*([+-]?[0-9]+)([kKmMgG]?)[ \t\r\n\v\f]*")

LEVELS: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"|": arithmetic.or_},
    {"^": arithmetic.xor},
    {"&": arithmetic.and_},
    {"<<": arithmetic.lshift, ">>": arithmetic.rshift},
    {"+": arithmetic.add, "-": arithmetic.sub},
)
"""Binary operators, the loosest first; multiplication, below them all, has rules of its own."""


def wrapped(number: int) -> int:
    """*number* as a 64-bit machine keeps it."""
    return (number - SMALLEST) % 2**64 + SMALLEST


class Evaluation:
    """One arithmetic expression. *decimal*: neither hexadecimal nor octal numbers."""

    def __init__(self, text: str, decimal: bool) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.numbers = DECIMAL if decimal else ANY_BASE

    def value(self) -> int:
        """The result. Raises `ExpansionError`."""
        result = self._level(0)
        if self.at < len(self.text):
            raise self._error("expecting operator")
        return result

    def _level(self, number: int) -> int:
        if number == len(LEVELS):
            return self._product()
        result = self._level(number + 1)
        while (symbol := self._symbol(LEVELS[number])) is not None:
            result = self._combined(symbol, result, self._level(number + 1), LEVELS[number])
        return result

    def _symbol(self, symbols: dict[str, Callable[[int, int], int]]) -> str | None:
        for symbol in symbols:
            if self.text.startswith(symbol, self.at):
                self.at += len(symbol)
                return symbol
        return None

    def _combined(self, symbol: str, left: int, right: int, symbols: dict[str, Callable[[int, int], int]]) -> int:
        if symbol in ("<<", ">>"):
            return wrapped(symbols[symbol](left, right % 64))  # what the hardware does with such a count
        if symbol in "+-" and (left >= LARGEST // 2 <= right or left <= -(LARGEST // 2) >= right):
            raise self._error("overflow in sum" if symbol == "+" else "overflow in difference")
        return wrapped(symbols[symbol](left, right))

    def _product(self) -> int:
        result = self._unary()
        while self.text[self.at : self.at + 1] in ("*", "/", "%"):
            symbol = self.text[self.at]
            self.at += 1
            right = self._unary()
            result = wrapped(result * right) if symbol == "*" else self._divided(symbol, result, right)
        return result

    def _divided(self, symbol: str, left: int, right: int) -> int:
        if right == 0:
            raise self._error("divide by zero")
        if left == SMALLEST and right == -1:
            raise self._error("integer overflow")
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return quotient if symbol == "/" else left - quotient * right

    def _unary(self) -> int:
        self._blanks()
        sign = self.text[self.at : self.at + 1]
        if sign not in ("+", "-", "~"):
            return self._number()
        self.at += 1
        value = self._nested(self._unary)
        return {"+": value, "-": wrapped(-value), "~": ~value}[sign]

    def _number(self) -> int:
        if self.text.startswith("(", self.at):
            self.at += 1
            return self._nested(self._parenthesis)
        found = self.numbers.match(self.text, self.at)
        if found is None:
            raise self._error("expecting number or opening parenthesis")
        self.at = found.end()
        value = min(_integer(found.group(), self.numbers is DECIMAL), LARGEST)
        factor = FACTORS.get(self.text[self.at : self.at + 1].lower())
        if factor:
            self.at += 1
            value = wrapped(value * factor)
        self._blanks()
        return value

    def _parenthesis(self) -> int:
        value = self._level(0)
        if not self.text.startswith(")", self.at):
            raise self._error("expecting closing parenthesis")
        self.at += 1
        self._blanks()
        return value

    def _nested(self, production: Callable[[], int]) -> int:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error("nested too deeply")
        value = production()
        self.depth -= 1
        return value

    def _blanks(self) -> None:
        while self.text[self.at : self.at + 1] in BLANKS and self.at < len(self.text):
            self.at += 1

    def _error(self, what: str) -> ExpansionError:
        return ExpansionError(f'error in expression evaluation: {what} (after processing "{self.text[: self.at]}")')


def _integer(digits: str, decimal: bool) -> int:
    if not decimal and digits[:2].lower() == "0x":
        return int(digits, 16)
    return int(digits, 8 if digits.startswith("0") and not decimal else 10)


@operator("eval")
def _eval(text: str) -> str:
    """The value of an arithmetic expression: ``~ - * / % + << >> & ^ |``, parentheses, hexadecimal, octal, K M G."""
    return str(Evaluation(text, decimal=False).value())


@operator("eval10")
def _eval10(text: str) -> str:
    """Like ``eval``, but all numbers are decimal: a leading zero means nothing."""
    return str(Evaluation(text, decimal=True).value())


def integer(text: str) -> int:
    """A number as comparisons read it: decimal, with a sign and K, M or G; the empty text is 0."""
    if not text:
        return 0
    found = COMPARED.fullmatch(text)
    if found is None:
        what = "invalid integer" if re.match(r"\s*[+-]?[0-9]", text, re.ASCII) else "integer expected but"
        raise ExpansionError(f'{what} "{text}"{" found" if what.endswith("but") else ""}')
    value = int(found[1]) * FACTORS.get(found[2].lower(), 1)
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
