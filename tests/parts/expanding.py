"""Expanding strings in tests: a policy of nothing but options, and a message that can be given things."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from policyd import config, words
from policyd.cli.expand import answer
from policyd.metrics import NoMetrics
from policyd.policy import Phase, Snapshot
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Connection, Services, Transaction

NOW = 1_700_000_000.0  # 2023-11-14, day 19675


class Expander:
    """Expands strings under a policy; ``Failed: `` and the reason when that fails. *tx* is what they see."""

    def __init__(self, text: str = "", fields: Iterable[tuple[str, str]] = (), now: Callable[[], float] = lambda: NOW):
        words.load()
        self.policy = config.compile(Snapshot((("policy",),), {"policy": text}, {}, {}))
        services = Services(ZoneResolver([]), MemoryStore(), NoMetrics(), log=Silence(), clock=now)
        self.tx = Transaction(services, self.policy.settings, Connection(Client()), phase=Phase.DATA)
        for name, value in fields:
            self.tx.message.receive([(name, value)])

    def __call__(self, string: str) -> str:
        return answer(string, self.policy, self.tx)[0]

    def hint(self, string: str) -> str:
        """What would be right instead of a string that fails."""
        return answer(string, self.policy, self.tx).hint

    def run(self, string: str, seconds: float = 60.0) -> str:
        """The same, but what is raised is raised."""
        self.tx.deadline = time.monotonic() + seconds
        return self.policy.expansion(string)(self.tx)


class Silence:
    """A log that nobody reads."""

    def write(self, target: str, text: str) -> None:
        """Nothing."""


@contextmanager
def kept(expander: Expander, body: bytes) -> Iterator[Expander]:
    """The expander, its message complete with a body that is kept."""
    message = expander.tx.message
    message.keep_body()
    message.body(body)
    message.complete = True
    yield expander
    message.close()
