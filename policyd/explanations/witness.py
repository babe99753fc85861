"""Who watches a connection, to explain its refusals."""

from __future__ import annotations

from dataclasses import replace

from policyd.errors import Defer
from policyd.explanations.archive import Archive, explanation, identity
from policyd.explanations.record import Explanation
from policyd.explanations.story import Story
from policyd.journal import report
from policyd.language.verdict import Outcome, Verdict
from policyd.replies import Reply
from policyd.transaction import Transaction

WIDEST = 490  # octets of a line of text: with its codes and CRLF, the line of a reply has 512 (RFC 5321 4.5.3.1.5)


class Witness:
    """Of one connection. What it has to say goes to *archive*; *policy*: the digest of the one that judges it."""

    def __init__(self, archive: Archive, policy: str = "") -> None:
        self._archive = archive
        self._policy = policy
        self.story = Story()

    def explained(self, tx: Transaction, verdict: Verdict, reply: Reply) -> Reply:
        """*reply*, which is no acceptance, with the name of its explanation; without one where none can be kept.

        Nothing that goes wrong here costs anybody a verdict.
        """
        name = identity()
        try:
            self._archive.add(replace(explanation(name, tx, verdict, reply, self.story), policy=self._policy))
        except Defer:
            tx.services.metrics.count("explanations_lost_total")
            return reply
        except Exception as error:
            tx.services.metrics.count("explanations_lost_total")
            report(tx.record, "explaining a verdict", error)
            return reply
        reply = replace(reply, explanation=name)
        told = tx.settings.explain_in_replies and reply.outcome is not Outcome.DISCARD
        return replace(reply, lines=_named(reply.lines, f" [{name}]")) if told else reply

    def found(self, name: str) -> Explanation:
        """The explanation of that name. Raises KeyError."""
        found = self._archive.find(name)
        if found is None:
            raise KeyError(name)
        return found


def _named(lines: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The lines of a refusal, with *name* at the end; a last line that has no room for it loses its own end."""
    return (*lines[:-1], lines[-1][: WIDEST - len(name)] + name)
