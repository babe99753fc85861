"""What the log says of a decision: one event, as pairs of names and values, in all formats the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from policyd.language.verdict import Outcome
from policyd.loglines import arrival
from policyd.replies import Reply
from policyd.transaction import Transaction
from policyd.values import value_class

MAX_VALUE = 250  # octets of one value
MAX_RECIPIENTS = 20
LABELS = {"proxy": "PRX"}  # where lines have Exim's names
OURS = frozenset({"client", "phase", "verdict", "source", "took", "spf", "dkim", "dmarc"})  # short, and one plain word
SAID = ("reply", "took")  # even where there is nothing to say
PLAIN = re.compile(r"""[!#-<>-\[\]-~]+""").fullmatch  # printable ASCII but blank, quote, equals sign and backslash


@value_class
class Decision:
    """What became of a command, or of a message (*phase* ``data``). *took*: seconds."""

    tx: Transaction
    phase: str
    reply: Reply
    took: float

    def facts(self) -> dict[str, Any]:
        """By name, in the order in which they are shown; what is not known is missing."""
        connection, reply = self.tx.connection, self.reply
        found = {
            "id": connection.macros.get("i", "-"),
            "client": connection.client.text or "local",
            "phase": self.phase,
            "verdict": reply.outcome.value,
            "reply": " ".join(filter(None, (str(reply.code or ""), reply.enhanced, *reply.lines[:1]))),
            "where": str(reply.where or "-"),
            "source": connection.client.source,
            "proxy": connection.client.proxy.local_address if connection.client.proxy else "",
            "explanation": reply.explanation,
            "helo": connection.helo,
            "sender": self._sender(),
            "recipients": self._recipients(),
            "took": round(self.took, 4),
            **self._checks(),
        }
        return {
            name: value if name in OURS else _short(value) for name, value in found.items() if value or name in SAID
        }

    def line(self) -> str:
        """``name=value`` and so on; a value with a blank, or what could be mistaken, in quotes."""
        facts = self.facts()
        if "proxy" in facts:
            wanted = "proxy" in self.tx.settings.log_selector
            facts = {LABELS.get(name, name): value for name, value in facts.items() if wanted or name != "proxy"}
        return " ".join([f"{name}={value if name in OURS else _shown(name, value)}" for name, value in facts.items()])

    def arrival(self) -> str:
        """Exim's line for a message that is accepted; empty for anything else, whose line has been written."""
        return arrival(self.tx) if self.phase == "data" and self.reply.outcome is Outcome.OK else ""

    def _sender(self) -> str:
        if self.tx.sender is not None:
            return f"<{self.tx.sender.text}>"
        return self.tx.command_path if self.phase == "mail" else ""

    def _recipients(self) -> list[str]:
        """The one that is judged, or all that were accepted."""
        if self.phase == "rcpt":
            return [self.tx.command_path]
        if self.phase not in ("predata", "data"):
            return []
        return [f"<{recipient.text}>" for recipient in self.tx.recipients[:MAX_RECIPIENTS]]

    def _checks(self) -> dict[str, str]:
        """Results of those that the policy has come to."""
        facts = self.tx.facts
        found = {
            name: str(facts[of].result) for name, of in (("spf", "sender_policy"), ("dmarc", "dmarc")) if of in facts
        }
        if "dkim" in facts:
            found["dkim"] = _best(facts["dkim"])
        if "sender_rate" in facts:
            found["rate"] = f"{facts['sender_rate']}/{facts.get('sender_rate_limit', '')}"
        return found


def _best(signatures: Sequence[Any]) -> str:
    """``pass`` if one of them has passed, else the first one's result."""
    results = [str(signature.result) for signature in signatures]
    return "pass" if "pass" in results else (results or ["none"])[0]


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value]
    return f"{value[:MAX_VALUE]}..." if isinstance(value, str) and len(value) > MAX_VALUE else value


def _shown(name: str, value: Any) -> str:
    """So that nobody's text can pass for another field."""
    text = ",".join(value) if isinstance(value, list) else str(value)
    if name != "reply" and PLAIN(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
