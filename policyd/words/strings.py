"""Operators and items that turn text into other text."""

from __future__ import annotations

from policyd.language.again import expansion
from policyd.language.patterns import compiled
from policyd.language.registry import item, operator
from policyd.mail import octets
from policyd.transaction import Transaction


@operator("lc")
def _lc(text: str) -> str:
    """ASCII letters in lower case."""
    return octets.lower(text)


@operator("uc")
def _uc(text: str) -> str:
    """ASCII letters in upper case."""
    return octets.upper(text)


@operator("strlen")
def _strlen(text: str) -> str:
    """How many octets the text has."""
    return str(len(text))


@item("sg", arguments=(3, 3))
def _sg(tx: Transaction, text: str, pattern: str, replacement: str) -> str:
    """Every match of a regular expression replaced; ``\\$1`` in the replacement is what its first group captured."""
    run = expansion(replacement)
    frame = tx.frame
    saved = frame.captures

    def replaced(captures: tuple[str, ...]) -> str:
        frame.captures = captures
        return run(tx)

    try:
        return compiled(pattern).substitute(text, replaced)
    finally:
        frame.captures = saved
