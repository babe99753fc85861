"""What ``policyd session --proxy-header`` puts before a dialogue: the gateway, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from policyd.errors import Defer
from policyd.gateway.identity import UNAVAILABLE, Introduction, diagnosis, introduced, unproven
from policyd.gateway.refusal import Refusal
from policyd.gateway.rules import PolicyRules
from policyd.mail.proxy import Malformed, parse, wanted
from policyd.policy import Policy
from policyd.transaction import Client, Services

Admitted = tuple[Client, Iterator[bytes]]
"""Who the client is, and the lines that it then sends."""


class Gatekeeper:
    """Deals with clients as the gateway does; *say* is given the answers to those that it refuses."""

    def __init__(self, policy: Policy, services: Services, say: Callable[[str], object]) -> None:
        self._rules = PolicyRules(policy, services)
        self._log = services.log
        self._say = say

    def admit(self, own: Client, octets: bytes, more: Iterator[bytes]) -> Admitted | None:
        """The client that *own* introduces by sending *octets* first, and *more* lines; None when it is refused."""
        try:
            found, rest = self._identified(own, octets)
            lines = _lines_of(rest, more)
            if not found.refused:
                return found.client, lines
            self._log.write("main", found.complaint)
            self._refuse(found.client, lines)
        except Defer as error:
            self._log.write("panic", f"gateway: {error}")
            self._say(UNAVAILABLE)
        return None

    def _identified(self, own: Client, octets: bytes) -> tuple[Introduction, bytes]:
        """Whom *own* stands for, and those octets that are SMTP."""
        if not self._rules.owes_header(own):
            return Introduction(own), octets
        taken = b""
        try:
            while missing := wanted(taken):
                chunk = octets[len(taken) : len(taken) + missing]
                if not chunk:
                    raise TimeoutError  # nothing more, for as long as the gateway waits
                taken += chunk
            found = Introduction(introduced(parse(taken), own))
        except (Malformed, TimeoutError) as error:
            found = Introduction(unproven(own), diagnosis(error, taken)[1])
        return found, octets[len(taken) :]

    def _refuse(self, client: Client, lines: Iterable[bytes]) -> None:
        objections = self._rules.greet(client)
        refusal = Refusal(self._rules.hostname)
        for text in objections or [refusal.banner()]:
            self._say(text)
        for line in () if objections else lines:
            for text in refusal.hear(line):
                self._say(text)
            if refusal.over:
                return


def _lines_of(octets: bytes, more: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of *octets*, and then *more*, of which the first may be the rest of a line."""
    *lines, rest = octets.split(b"\n")
    yield from (line + b"\n" for line in lines)
    first = rest + next(more, b"")
    if first:
        yield first
    yield from more
