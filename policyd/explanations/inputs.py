"""The values that conditions were computed from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from policyd.errors import Defer, ExpansionError, ForcedFail
from policyd.explanations.record import shown
from policyd.language.again import expansion
from policyd.language.registry import VOCABULARY, Kind
from policyd.language.verdict import Step
from policyd.transaction import Transaction

NAMED = re.compile(r"\$\{?([a-z][a-z0-9_]*)", re.ASCII)
ACL_VARIABLE = re.compile(r"acl_[cm][0-9_]", re.ASCII)


def inputs(tx: Transaction, steps: Iterable[Step]) -> dict[str, str]:
    """What the variables that *steps* name, and those that their conditions judge, hold now: ``$name`` and value."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(name for step in steps for name in _names(step.label)):
        value = _value(tx, name)
        if value:
            found[f"${name}"] = shown(value)
    return found


@lru_cache(maxsize=1000)
def _names(label: str) -> tuple[str, ...]:
    word = VOCABULARY.find(Kind.CONDITION, label.partition(" ")[0])
    judged = word.traits.get("judges", ()) if word else ()  # "acl" judges nothing itself
    named = (name for name in NAMED.findall(label) if VOCABULARY.find(Kind.VARIABLE, name) or ACL_VARIABLE.match(name))
    return (*judged, *named)


def _value(tx: Transaction, name: str) -> str:
    try:
        return expansion(f"${{{name}}}")(tx)
    except (ExpansionError, ForcedFail, Defer):
        return ""
