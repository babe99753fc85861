"""How much an expansion may use. Exim has no such limits: one that is too large ends its process, and only that."""

from __future__ import annotations

MAX_DEPTH = 120
"""Nesting of braces. A tree of this depth compiles and runs well inside Python's recursion limit."""

MAX_TEXT = 16 * 1024 * 1024
"""Octets of any text that an expansion makes."""

MAX_ITEMS = 1_000_000
"""Items that the loops of one phase look at: ``map``, ``filter``, ``reduce``, ``sort``, ``forall`` and ``forany``."""
