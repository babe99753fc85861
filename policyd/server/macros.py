"""The MTA's macros: which are asked for, when, and how they are read.

Postfix and Sendmail send most of them (``{tls_version}``, ``{daemon_addr}`` …)
only to a milter that asks; and each takes time, theirs and ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import milter

from policyd.language.registry import COMPUTED

XTEXT = re.compile(r"\+([0-9A-F]{2})")

STAGES: dict[int, tuple[str, ...]] = {
    milter.M_CONNECT: ("v", "_", "{daemon_addr}", "{daemon_port}", "{if_addr}"),
    milter.M_HELO: ("{tls_version}", "{cipher}", "{cipher_bits}", "{cert_subject}", "{verify}"),
    milter.M_ENVFROM: ("i", "{auth_type}", "{auth_authen}", "{auth_author}"),
    milter.M_ENVRCPT: ("i",),
    milter.M_DATA: ("i",),
    milter.M_EOM: ("i",),
}
"""Where each that a word may need is read. What the MTA does not send at its stage, it no longer knows."""

ALWAYS = frozenset({"v", "i", "{daemon_addr}", "{daemon_port}", "{if_addr}", "{auth_type}", "{auth_authen}"})
"""Those that lists, edits and the log need, whatever the policy is."""


def wanted(needs: frozenset[str]) -> dict[int, tuple[str, ...]]:
    """The macros of each stage that a policy with these *needs* has a use for."""
    return {
        stage: tuple(name for name in names if COMPUTED in needs or name in ALWAYS or name in needs)
        for stage, names in STAGES.items()
    }


def symbols(stages: Mapping[int, tuple[str, ...]]) -> dict[int, str]:
    """What the MTA is told of each stage, to be asked for these."""
    return {stage: " ".join(names) for stage, names in stages.items()}


def ask(ctx: Any, symbols: Mapping[int, str]) -> None:
    """Tell the MTA what to send. Only while negotiating."""
    for stage, names in symbols.items():
        ctx.setsymlist(stage, names)


Keys = tuple[tuple[str, str], ...]
"""Macros of a stage: what libmilter calls each, and its name without braces."""


def keys(names: tuple[str, ...]) -> Keys:
    """*names*, as `update` wants them."""
    return tuple((name, name.strip("{}")) for name in names)


def update(known: dict[str, str], ctx: Any, keys: Keys, xtext: frozenset[str]) -> None:
    """Bring *known*, by name without braces, up to date with what came at a stage with these *keys*.

    *xtext*: those that the MTA encodes. pymilter decodes UTF-8, and raises for what is not.
    """
    for name, key in keys:
        try:
            value: str | None = ctx.getsymval(name)
        except UnicodeDecodeError as error:
            value = error.object.decode("latin-1")
        else:
            if value is not None and not value.isascii():
                value = value.encode().decode("latin-1")
        if value is None:
            known.pop(key, None)
        else:
            known[key] = XTEXT.sub(lambda found: chr(int(found[1], 16)), value) if key in xtext else value
