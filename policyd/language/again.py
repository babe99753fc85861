"""A second expansion: text that an expansion produced, expanded itself (``${expand:``, ``${sg`` replacements)."""

from __future__ import annotations

from policyd.errors import ExpansionError, PolicyError
from policyd.language.closures import Text, guarded
from policyd.language.compiler import Compiler
from policyd.language.expand import compile_text
from policyd.language.source import Source

MAX_COMPILED = 2000  # texts kept compiled, of one policy

NO_POLICY = Compiler()
"""Knows no lists and no ACLs."""


def expansion(text: str, compiler: Compiler = NO_POLICY) -> Text:
    """The closure of *text*, compiled once. Raises `ExpansionError` for text that cannot be compiled."""
    known = compiler.expansions
    if text not in known:
        if len(known) >= MAX_COMPILED:
            known.clear()
        known[text] = guarded(_compiled(text, compiler))
    return known[text]


def _compiled(text: str, compiler: Compiler) -> Text:
    try:
        return compile_text(Source.of(text), compiler.fresh()).run
    except PolicyError as error:
        raise ExpansionError(error.problems[0].message) from None
