"""Where explanations are kept, and how one is made."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from policyd.explanations.inputs import inputs
from policyd.explanations.record import Explanation, shown
from policyd.explanations.story import Story
from policyd.language.verdict import Outcome, Verdict
from policyd.loglines import discard, rejection
from policyd.replies import REHEARSED, Reply, rendered
from policyd.resolver import Answer
from policyd.settings import Settings
from policyd.stores import LmdbStore, Store
from policyd.transaction import Transaction, full_host

PREFIX = b"explanation/"
DIRECTORY = "explanations"  # under state_directory


@dataclass(frozen=True, slots=True)
class Archive:
    """Explanations in *store*, for *keep* seconds each."""

    store: Store
    keep: float

    def add(self, explanation: Explanation) -> None:
        """Keep one. Raises `Defer`."""
        self.store.put(PREFIX + explanation.identity.encode(), explanation.encoded(), self.keep)

    def find(self, identity: str) -> Explanation | None:
        """The one of that name, in any case, if it is still there. Raises `Defer` and ValueError."""
        stored = self.store.get(PREFIX + identity.lower().encode())
        return None if stored is None else Explanation.decoded(stored)

    def all(self) -> Iterator[Explanation]:
        """All that are there, in no order, but those that another version has kept otherwise. Raises `Defer`."""
        for _, stored in self.store.scan(PREFIX):
            with suppress(ValueError):
                yield Explanation.decoded(stored)


def archive(settings: Settings, complain: Callable[[str], object]) -> Archive | None:
    """Where *settings* have explanations kept; None where nobody wants any."""
    if not settings.explain_keep:
        return None
    directory = Path(settings.state_directory) / DIRECTORY
    return Archive(LmdbStore(directory, size=settings.explain_size, complain=complain), settings.explain_keep)


def identity() -> str:
    """A name for a new explanation: eight letters and digits that nobody can guess, or mistake for others."""
    return base64.b32encode(os.urandom(5)).decode().lower()


def explanation(name: str, tx: Transaction, verdict: Verdict, reply: Reply, story: Story) -> Explanation:
    """Why *tx* is told *reply* now, or would be, if this were no dry run."""
    line = (discard if verdict.outcome is Outcome.DISCARD else rejection)(tx, verdict)
    recipients = [*tx.recipients[-20:], *([tx.recipient] if tx.recipient else [])]
    return Explanation(
        identity=name,
        time=tx.services.clock(),
        phase=str(tx.phase.name).lower(),
        verdict=shown(f"{REHEARSED}{line}" if tx.dry_run else line),
        reply=shown(" / ".join(rendered(reply))),
        where=shown(str(reply.where or "-")),
        client=shown(full_host(tx) or "local"),
        source=tx.connection.client.source,
        helo=shown(tx.connection.helo),
        sender=shown(f"<{tx.sender.text}>") if tx.sender else "",
        recipients=tuple(shown(f"<{recipient.text}>") for recipient in recipients),
        queue_id=shown(tx.connection.macros.get("i", "")),
        acl=shown(_acl(tx)),
        story=tuple(shown(line) for line in story.lines),
        inputs=inputs(tx, story.steps),
        dns=tuple(_answer(*question, answer) for question, answer in story.answers.items()),
    )


def _acl(tx: Transaction) -> str:
    name = str(tx.phase.name).lower()
    option = getattr(tx.settings, f"acl_smtp_{name}")
    return option.text if option else f"acl_check_{name}"


def _answer(rtype: str, name: str, answer: Answer | None) -> str:
    if answer is None:
        said = "no answer"
    elif not answer.exists:
        said = "NXDOMAIN"
    else:
        said = ", ".join(str(record) for record in answer.records) or "no such record"
    return shown(f"{rtype} {name}: {said}")
