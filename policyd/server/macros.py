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


def ask(ctx: Any, stages: Mapping[int, tuple[str, ...]]) -> None:
    """Tell the MTA what to send. Only while negotiating."""
    for stage, names in stages.items():
        ctx.setsymlist(stage, " ".join(names))


def update(known: dict[str, str], ctx: Any, names: tuple[str, ...], xtext: frozenset[str]) -> None:
    """Bring *known*, by name without braces, up to date with what came at a stage with these *names*.

    *xtext*: those that the MTA encodes.
    """
    for name in names:
        key, value = name.strip("{}"), _value(ctx, name)
        if value is None:
            known.pop(key, None)
        else:
            known[key] = XTEXT.sub(lambda found: chr(int(found[1], 16)), value) if key in xtext else value


def _value(ctx: Any, name: str) -> str | None:
    """Octets as latin-1 characters; pymilter decodes UTF-8, and raises for what is not."""
    try:
        value: str | None = ctx.getsymval(name)
    except UnicodeDecodeError as error:
        return error.object.decode("latin-1")
    return value if value is None or value.isascii() else value.encode().decode("latin-1")
