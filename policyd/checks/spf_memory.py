"""SPF, remembered: where the questions of a check have the answers of the last time, it has the result of that time.

The questions are put again, to a cache that answers in a microsecond or two; reading the records, which is most of the
work, is not repeated. So no result outlives the TTL of what it follows from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from policyd.checks.spf_identity import Evaluation, Identity
from policyd.resolver import Answer, DnsTemporary, Resolver

MOST = 4096  # clients, each with a domain
LONGEST = 2048  # characters of all answers of one check; who publishes more is evaluated each time
PERSONAL = re.compile(r"%(?!\{[diov])", re.IGNORECASE)  # but for client and domain: who has sent it, and how, and when

Key = tuple[str, str]
Asked = Sequence[tuple[Key, Answer | None]]
"""Questions, each with its answer; None: there was none."""


@dataclass(slots=True)
class Memory:
    """Of the checks of one client and domain: what the last one asked, and its result."""

    last: tuple[Asked, Evaluation] | None = None


@lru_cache(maxsize=MOST)
def _memory(client: str, domain: str, guess_record: str, template: str) -> Memory:
    return Memory()


@dataclass(slots=True)
class Recorder:
    """A resolver that remembers what it was asked. *known*: what it need not ask again, each once."""

    resolver: Resolver
    known: dict[Key, Answer | None]
    asked: list[tuple[Key, Answer | None]] = field(default_factory=list)

    def lookup(self, rtype: str, name: str) -> Answer:
        """The answer to a question. Raises `DnsTemporary`."""
        key = rtype, name
        answer = None
        try:
            answer = self.known.pop(key) if key in self.known else self._answer(key)
        finally:
            self.asked.append((key, answer))
        if answer is None:
            raise DnsTemporary(f"no answer for {name}")
        return answer

    def until(self, deadline: float) -> Recorder:
        """The same, giving up earlier."""
        return Recorder(self.resolver.until(deadline), self.known, self.asked)

    def _answer(self, key: Key) -> Answer | None:
        try:
            return self.resolver.lookup(*key)
        except DnsTemporary:
            return None


def evaluation(resolver: Resolver, identity: Identity, receiver: str, guess_record: str, template: str) -> Evaluation:
    """As `policyd.checks.spf_engine.evaluate`."""
    memory = _memory(identity.client_text, identity.mailbox[1], guess_record, template)
    known: dict[Key, Answer | None] = {}
    if memory.last and _repeats(resolver, memory.last[0], known):
        return memory.last[1]
    from policyd.checks.spf_engine import evaluate  # pyspf is slow to load

    recorder = Recorder(resolver, known)
    found = evaluate(recorder, identity, receiver, guess_record, template)
    memory.last = (tuple(recorder.asked), found) if _is_general(recorder.asked, guess_record + template) else None
    return found


def _repeats(resolver: Resolver, asked: Asked, known: dict[Key, Answer | None]) -> bool:
    """Whether the same questions have the same answers. What has been answered until then is *known*."""
    for key, then in asked:
        try:
            now = resolver.lookup(*key)
        except DnsTemporary:
            known[key] = None
            return False
        except Exception:
            return False  # a defect: the check will meet it, too, and say so
        known[key] = now
        if then is None or now.records != then.records or now.exists is not then.exists:
            return False
    return True


def _is_general(asked: Asked, ours: str) -> bool:
    """Whether a result will do for others: DNS has said it all, and no macro looks at more than client and domain."""
    shown = repr(asked)
    return all(answer for _, answer in asked) and len(shown) <= LONGEST and not PERSONAL.search(f"{shown} {ours}")
