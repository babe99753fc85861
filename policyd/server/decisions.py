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
WORDS = {outcome: outcome.value for outcome in Outcome}
CHECKS = (("spf", "sender_policy"), ("dmarc", "dmarc"))  # what has a result, and the fact that knows it
LABELS = {"proxy": "PRX"}  # where lines have Exim's names
THEIRS = ("id", "where", "proxy", "explanation", "helo", "sender", "recipients", "rate")  # what may be no plain word
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
        client = connection.client
        found: dict[str, Any] = {
            "id": _short(connection.macros.get("i") or "-"),
            "client": client.text or "local",
            "phase": self.phase,
            "verdict": WORDS[reply.outcome],
            "reply": _short(_said(reply)) if reply.code or reply.lines else "",
            "where": _short(str(reply.where)) if reply.where else "-",
            "source": client.source,
        }
        if client.proxy and client.proxy.local_address:
            found["proxy"] = client.proxy.local_address
        if reply.explanation:
            found["explanation"] = reply.explanation
        if connection.helo:
            found["helo"] = _short(connection.helo)
        if sender := self._sender():
            found["sender"] = _short(sender)
        if recipients := self._recipients():
            found["recipients"] = [_short(recipient) for recipient in recipients]
        found["took"] = round(self.took, 4)
        self._add_checks(found)
        return found

    def line(self) -> str:
        """``name=value`` and so on; a value with a blank, or what could be mistaken, in quotes."""
        facts = self.facts()
        facts["reply"] = _quoted(facts["reply"])
        if "recipients" in facts:
            facts["recipients"] = ",".join(facts["recipients"])
        theirs = {name: facts[name] for name in THEIRS if name in facts}
        if not PLAIN("".join(theirs.values())):  # asked once for all, as they mostly are
            facts |= {name: value if PLAIN(value) else _quoted(value) for name, value in theirs.items()}
        if "proxy" in facts:
            wanted = "proxy" in self.tx.settings.log_selector
            facts = {LABELS.get(name, name): value for name, value in facts.items() if wanted or name != "proxy"}
        return " ".join([f"{name}={value}" for name, value in facts.items()])

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

    def _add_checks(self, found: dict[str, Any]) -> None:
        """Results of those that the policy has come to."""
        facts = self.tx.facts
        for name, of in CHECKS:
            if of in facts:
                found[name] = facts[of].result
        if "dkim" in facts:
            found["dkim"] = _best(facts["dkim"])
        if "sender_rate" in facts:
            found["rate"] = _short(f"{facts['sender_rate']}/{facts.get('sender_rate_limit', '')}")


def _said(reply: Reply) -> str:
    """What the client is told first."""
    return " ".join(filter(None, (str(reply.code or ""), reply.enhanced, *reply.lines[:1])))


def _best(signatures: Sequence[Any]) -> str:
    """``pass`` if one of them has passed, else the first one's result."""
    results = [signature.result for signature in signatures]
    return "pass" if "pass" in results else (results or ["none"])[0]


def _short(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}..."


def _quoted(text: str) -> str:
    """So that nobody's text can pass for another field."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
