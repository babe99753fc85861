"""What the log says about a command that an ACL has refused or discarded: Exim's lines, word for word."""

from __future__ import annotations

from policyd.language.verdict import Outcome, Verdict
from policyd.policy import Phase
from policyd.transaction import Transaction, host_text, proxy_text, remarks

MAX_FIELD = 256  # octets of a header field
MAX_ARGUMENT = 100  # octets of a command that a line shows

COMMANDS = {
    Phase.CONNECT: 'connection in "connect" ACL',
    Phase.HELO: "EHLO or HELO",
    Phase.MAIL: "MAIL",
    Phase.RCPT: "RCPT",
    Phase.PREDATA: "DATA",
    Phase.DKIM: "DKIM ",
    Phase.DATA: "after DATA",
}
"""What was rejected."""


def rejection(tx: Transaction, verdict: Verdict) -> str:
    """The line for a command that was refused, for good or for now."""
    temporarily = "temporarily " if verdict.outcome in (Outcome.DEFER, Outcome.ERROR) else ""
    log = f": {verdict.log.partition(chr(10))[0]}" if verdict.log else ""
    return f"{host_text(tx)}{_sender(tx)}{proxy_text(tx)}{remarks(tx)} {temporarily}rejected {_command(tx)}{log}"


def discard(tx: Transaction, verdict: Verdict) -> str:
    """The line for a recipient or a message that was accepted and thrown away."""
    log = f": {verdict.log}" if verdict.log else ""
    who = f"{host_text(tx)}{_sender(tx)}{proxy_text(tx)}{remarks(tx)}"
    return f"{who} {_command(tx)}: discarded by {tx.phase.title} ACL{log}"


def arrival(tx: Transaction) -> str:
    """The line for a message that was accepted; its size is 0 where nobody has looked at its body."""
    chosen, sender = tx.settings.log_selector, tx.sender.text if tx.sender else ""
    protocol = "esmtp" if tx.connection.esmtp else "smtp"
    authenticated = _authenticated(tx)
    parts = [f"<= {sender or '<>'} {host_text(tx)}{proxy_text(tx)} P={protocol}{'a' if authenticated else ''}"]
    parts.append(f"{authenticated} S={tx.message.size}")
    if name := _field(tx, "message-id").strip("<>"):
        parts.append(f" id={name}")
    if "subject" in chosen and (subject := _field(tx, "subject")):
        parts.append(f" T={_quoted(subject)}")
    if "received_sender" in chosen:
        parts.append(f" from <{sender}>")
    if "received_recipients" in chosen:
        parts.append(f" for {' '.join(recipient.text for recipient in tx.recipients)}")
    return "".join(parts)


def _field(tx: Transaction, name: str) -> str:
    """The first header field of that name, on one line and not too long; empty without one."""
    fields = tx.message.find(name)
    return " ".join(fields[0].value.split())[:MAX_FIELD] if fields else ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _command(tx: Transaction) -> str:
    command, path = COMMANDS[tx.phase], tx.command_path[:MAX_ARGUMENT]
    return f"{command} {path}" if path else command


def _sender(tx: Transaction) -> str:
    """``F=<sender>``, and who has authenticated, where the line is about a recipient or a message."""
    if tx.sender is None or not tx.phase & (Phase.RCPT | Phase.DATA):
        return ""
    return f" F=<{tx.sender.text}>{_authenticated(tx)}"


def _authenticated(tx: Transaction) -> str:
    """``A=`` and how the client has, if it has."""
    macros = tx.connection.macros
    mechanism, identity = macros.get("auth_type", ""), macros.get("auth_authen", "")
    return f" A={mechanism}{':' + identity if identity else ''}" if mechanism else ""
