"""A second policy, asked the same as the one in force: where they differ, it is logged and counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from policyd.conversation import Conversation
from policyd.journal import report
from policyd.metrics import Metrics, NoMetrics
from policyd.outbox import NoOutbox
from policyd.policy import Policy
from policyd.replies import Reply
from policyd.resolver import no_prefetch
from policyd.stores.apart import Apart
from policyd.transaction import Connection, Log, Services
from policyd.trials.parting import Parting

PHASES = {"connect": "connect", "helo": "helo", "mail": "mail", "rcpt": "rcpt", "predata": "predata",
          "end_of_message": "data"}  # fmt: skip


class Silence:
    """A log that nobody reads."""

    def write(self, target: str, text: str) -> None:
        """Nothing."""


def harmless(policy: Policy) -> Policy:
    """*policy*, without what would be noticed outside of it."""
    settings = replace(policy.settings, dmarc_history_file="", dmarc_forensic_smtp="", event_action=None, dry_run=False)
    return replace(policy, settings=settings)


def aside(services: Services) -> Services:
    """*services* for a policy that must not be noticed: it counts apart, logs and sends nothing, and delays nobody."""
    return replace(
        services,
        store=Apart(services.store, b"shadow/"),
        metrics=NoMetrics(),
        log=Silence(),
        outbox=NoOutbox(),
        prefetch=no_prefetch,
        sleep=lambda _: None,
    )


class Shadow:
    """A companion that judges by another *policy*. Differences go to *log* and *metrics*."""

    def __init__(self, policy: Policy, services: Services, log: Log, metrics: Metrics) -> None:
        self._talk = Conversation(policy, services)
        self._log = log
        self._metrics = metrics
        self._parting = Parting()

    @property
    def needs(self) -> frozenset[str]:
        """Those of its policy."""
        return self._talk.needs

    def told(self, event: str, arguments: tuple[Any, ...], reply: Reply | None, connection: Connection) -> None:
        """Do the same, and compare."""
        if event == "connect":
            self._talk.connection.macros = connection.macros
            self._talk.connection.own_fields = connection.own_fields
        if not self._parting.concerns(event):
            return
        try:
            answer = getattr(self._talk, event)(*arguments)
        except Exception as error:
            self._count(event, "failed")
            self._parting.for_good()
            report(self._log.write, f"shadow phase={event}", error)
        else:
            if reply is not None:
                self._compare(event, arguments, reply, answer)

    def _compare(self, event: str, arguments: tuple[Any, ...], ours: Reply, theirs: Reply) -> None:
        if (ours.outcome, ours.code) == (theirs.outcome, theirs.code):
            self._count(event, "same")
            return
        self._count(event, "different")
        self._parting.happened(event)
        self._log.write("main", " ".join(("shadow", *self._difference(event, arguments, ours, theirs))))

    def _count(self, event: str, result: str) -> None:
        self._metrics.count("shadow_verdicts_total", PHASES.get(event, "quit"), result)

    def _difference(self, event: str, arguments: tuple[Any, ...], ours: Reply, theirs: Reply) -> tuple[str, ...]:
        connection, tx = self._talk.connection, self._talk.tx
        return (
            f"id={connection.macros.get('i', '-')}",
            f"client={connection.client.address or 'local'}",
            f"phase={PHASES[event]}",
            *([f"argument={arguments[0]}"] if event in ("helo", "mail", "rcpt") else []),
            *([f"sender=<{tx.sender.text}>"] if tx.sender and event != "mail" else []),
            f'now="{answer(ours)}" then="{answer(theirs)}" where={theirs.where or "-"}',
        )


def answer(reply: Reply) -> str:
    """A verdict in few words."""
    return " ".join((reply.outcome.value, *filter(None, (str(reply.code or ""), *reply.lines[:1]))))
