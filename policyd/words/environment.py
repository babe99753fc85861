"""``env``: the environment that the daemon was started in, as far as two main options let it through."""

from __future__ import annotations

import os

from policyd.language.patterns import compiled
from policyd.language.registry import item
from policyd.transaction import Transaction
from policyd.words.lists import items


@item("env", arguments=(1, 1), tail=True)
def _env(tx: Transaction, name: str) -> str | None:
    """``${env{NAME}{yes}{no}}``: a variable of the daemon's environment.

    Only those are there that the main option ``keep_environment`` lists, and
    what ``add_environment`` adds.
    """
    added = dict(text.partition("=")[::2] for text in items(tx.settings.add_environment))
    if name in added:
        return added[name]
    value = os.environb.get(name.encode("latin-1"))
    if value is None or not any(_matches(text, name) for text in items(tx.settings.keep_environment)):
        return None
    return value.decode("latin-1")


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("^"):
        return compiled(pattern).search(name) is not None
    return name.endswith(pattern[1:]) if pattern.startswith("*") else name == pattern
