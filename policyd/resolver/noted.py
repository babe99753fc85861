"""Answers, noted as they come."""

from __future__ import annotations

from policyd.resolver import Answer, DnsTemporary, Resolver

MAX_ANSWERS = 200

Answers = dict[tuple[str, str], Answer | None]
"""By type and name; None: there was no answer."""


class Noted:
    """A resolver whose answers are noted in *answers*."""

    def __init__(self, resolver: Resolver, answers: Answers) -> None:
        self._resolver = resolver
        self._answers = answers

    def lookup(self, rtype: str, name: str) -> Answer:
        """What the resolver says. Raises `DnsTemporary`."""
        if len(self._answers) >= MAX_ANSWERS:
            return self._resolver.lookup(rtype, name)
        try:
            answer = self._resolver.lookup(rtype, name)
        except DnsTemporary:
            self._answers[rtype, name] = None
            raise
        self._answers[rtype, name] = answer
        return answer

    def until(self, deadline: float) -> Noted:
        """The same, giving up at *deadline*."""
        return Noted(self._resolver.until(deadline), self._answers)
