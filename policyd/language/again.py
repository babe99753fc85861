"""A second expansion: text that an expansion produced, expanded itself (``${expand:``, ``${sg`` replacements)."""

from __future__ import annotations

from functools import lru_cache

from policyd.errors import ExpansionError, PolicyError
from policyd.language.compiler import Compiler
from policyd.language.expand import Text, compile_text
from policyd.language.source import Source


@lru_cache(maxsize=2000)
def expansion(text: str) -> Text:
    """The closure of *text*, compiled once. Raises `ExpansionError` for text that cannot be compiled."""
    try:
        return compile_text(Source.of(text), Compiler()).run
    except PolicyError as error:
        raise ExpansionError(error.problems[0].message) from None
