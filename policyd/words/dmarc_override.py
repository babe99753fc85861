"""Not doing as an author's domain asks, on the record: ``control = dmarc_override``."""

from __future__ import annotations

from policyd.language.registry import control, variable
from policyd.policy import Phase
from policyd.transaction import Transaction

REASONS = ("local_policy", "mailing_list", "other", "trusted_forwarder")
"""Those of RFC 9990, but ``policy_test_mode``: that one speaks for itself (``t=y``)."""


def _reason(text: str) -> str:
    reason = text.removeprefix("/")
    if reason not in REASONS:
        raise ValueError(f'control "dmarc_override" needs a reason\nthere is /{", /".join(REASONS)}')
    return reason


@control("dmarc_override", phases=Phase.DATA, options=_reason, extension=True)
def _dmarc_override(tx: Transaction, reason: str) -> None:
    """Note why this message is treated better than its author's domain asks: ``/mailing_list``,
    ``/trusted_forwarder``, ``/local_policy`` or ``/other`` (RFC 9989 5.4).

    It decides nothing, the statements behind it do. Sets ``$dmarc_override``, and
    counts in ``policyd_dmarc_overrides_total``.
    """
    if tx.facts.get("dmarc_override") != reason:
        tx.services.metrics.count("dmarc_overrides_total", reason)
    tx.facts["dmarc_override"] = reason


@variable("dmarc_override", extension=True)
def _dmarc_override_reason(tx: Transaction) -> str:
    """The reason that ``control = dmarc_override`` has given; empty without one."""
    return str(tx.facts.get("dmarc_override", ""))
