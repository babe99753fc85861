"""Events: what happens, told to the policy's ``event_action`` as it happens.

The main option is expanded for each, for its side effects: a query that writes
a row, an ACL that logs. What it comes to is no matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from policyd.errors import Defer, ExpansionError, ForcedFail
from policyd.journal import report
from policyd.language.frame import Frame
from policyd.resolver import Answer, DnsTemporary, Resolver

if TYPE_CHECKING:
    from policyd.transaction import Transaction

DECISION = "policy:decision"
RATELIMIT = "policy:ratelimit"
LOOKUP_FAIL = "lookup:fail"
DNS_FAIL = "dns:fail"


@dataclass(frozen=True, slots=True)
class Event:
    """``$event_name`` and ``$event_data``."""

    name: str
    data: str


def fire(tx: Transaction, name: str, data: str) -> None:
    """Tell the policy, if it wants to know. What happens on the way is no event, and costs nobody a verdict."""
    action = tx.settings.event_action
    if action is None or tx.event is not None:
        return
    frame, tx.frame, tx.event = tx.frame, Frame(), Event(name, data)
    try:
        action(tx)
    except ForcedFail:
        pass  # its author's way to say "nothing"
    except (ExpansionError, Defer) as error:
        tx.complain(f"expansion of event_action failed for {name}: {error}")
    except Exception as error:
        report(tx.record, f"event_action for {name}", error)
    finally:
        tx.frame, tx.event = frame, None


class Watched:
    """A resolver whose failures are events of *tx*."""

    def __init__(self, resolver: Resolver, tx: Transaction) -> None:
        self._resolver = resolver
        self._tx = tx

    def lookup(self, rtype: str, name: str) -> Answer:
        """What the resolver says. Raises `DnsTemporary`."""
        try:
            return self._resolver.lookup(rtype, name)
        except DnsTemporary as error:
            fire(self._tx, DNS_FAIL, f"{error}:{name}:{rtype}")
            raise

    def until(self, deadline: float) -> Watched:
        """The same, giving up at *deadline*."""
        return Watched(self._resolver.until(deadline), self._tx)
