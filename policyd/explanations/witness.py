"""Who watches a connection, to explain its refusals."""

from __future__ import annotations

from dataclasses import replace

from policyd.errors import Defer
from policyd.explanations.archive import Archive, explanation, identity
from policyd.explanations.record import Explanation
from policyd.explanations.story import Story
from policyd.language.verdict import Verdict
from policyd.replies import Reply
from policyd.transaction import Transaction


class Witness:
    """Of one connection. What it has to say goes to *archive*."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.story = Story()

    def explained(self, tx: Transaction, verdict: Verdict, reply: Reply) -> Reply:
        """*reply*, a refusal, with the name of its explanation; without one where none can be kept."""
        name = identity()
        try:
            self._archive.add(explanation(name, tx, verdict, reply, self.story))
        except Defer:
            tx.services.metrics.count("explanations_lost_total")
            return reply
        if not tx.settings.explain_in_replies or not reply.lines:
            return replace(reply, explanation=name)
        *lines, last = reply.lines
        return replace(reply, explanation=name, lines=(*lines, f"{last} [{name}]"))

    def found(self, name: str) -> Explanation:
        """The explanation of that name. Raises KeyError."""
        found = self._archive.find(name)
        if found is None:
            raise KeyError(name)
        return found
