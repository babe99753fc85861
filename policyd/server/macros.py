"""The MTA's macros: which are asked for, when, and how they are read.

Postfix and Sendmail send the optional ones (``{client_port}``, ``{daemon_addr}``
…) only to a milter that asks.
"""

from __future__ import annotations

from typing import Any

import milter

WANTED: dict[int, tuple[str, ...]] = {
    milter.M_CONNECT: (
        "j", "_", "v", "daemon_name", "daemon_addr", "daemon_port", "if_name", "if_addr",
        "client_name", "client_port", "client_ptr", "client_resolve", "client_connections",
    ),
    milter.M_HELO: ("tls_version", "cipher", "cipher_bits", "cert_subject", "cert_issuer", "verify"),
    milter.M_ENVFROM: (
        "i", "auth_type", "auth_authen", "auth_author", "auth_ssf", "mail_mailer", "mail_host", "mail_addr",
    ),
    milter.M_ENVRCPT: ("i", "rcpt_mailer", "rcpt_host", "rcpt_addr"),
    milter.M_DATA: ("i",),
    milter.M_EOM: ("i",),
}  # fmt: skip
"""stage: names without braces. What the MTA does not send at a stage that lists it, it no longer knows."""


def symbol(name: str) -> str:
    """A macro's name as libmilter writes it: ``i``, ``{client_port}``."""
    return name if len(name) == 1 else f"{{{name}}}"


def ask(ctx: Any) -> None:
    """Tell the MTA what to send. Only while negotiating."""
    for stage, names in WANTED.items():
        ctx.setsymlist(stage, " ".join(map(symbol, names)))


def update(known: dict[str, str], ctx: Any, stage: int) -> None:
    """Bring *known*, by name without braces, up to date with what came at *stage*."""
    for name in WANTED[stage]:
        value = _value(ctx, name)
        if value is None:
            known.pop(name, None)
        else:
            known[name] = value


def _value(ctx: Any, name: str) -> str | None:
    """Octets as latin-1 characters; pymilter decodes UTF-8, and raises for what is not."""
    try:
        value = ctx.getsymval(symbol(name))
    except UnicodeDecodeError as error:
        return error.object.decode("latin-1")
    return None if value is None else value.encode().decode("latin-1")
