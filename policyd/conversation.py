"""The phases of an SMTP session: which ACL runs when, what is remembered, and what the answer is.

Knows nothing of milters: the daemon's shell and ``policyd session`` drive the
same object.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from policyd.edits import AddHeader, ChangeHeader, DeleteRecipient, Edit, Quarantine, header_edits
from policyd.errors import Defer, ExpansionError, ForcedFail, Where
from policyd.language.frame import Frame, Trace
from policyd.language.verdict import Outcome, Verdict
from policyd.mail.address import Address
from policyd.mail.octets import printable
from policyd.mail.reply import reply_text
from policyd.policy import Phase, Policy
from policyd.transaction import Client, Connection, Services, Transaction, host_text

DEFAULT_CODES = {Outcome.FAIL: 550, Outcome.DROP: 550, Outcome.DEFER: 451, Outcome.ERROR: 451}
ACCEPT_CODES = {Phase.CONNECT: 220, Phase.PREDATA: 354, Phase.QUIT: 221}  # 250 elsewhere
REFUSED = "Administrative prohibition"
TROUBLE = "Temporary local problem - please try later"
MAX_LOGGED_ARGUMENT = 100  # octets of a command that a log line shows

ACTIONS = {
    Outcome.OK: "accept",
    Outcome.FAIL: "reject",
    Outcome.DROP: "reject",
    Outcome.DISCARD: "discard",
    Outcome.DEFER: "defer",
    Outcome.ERROR: "defer",
}
"""What a metric calls an outcome."""

COMMANDS = {
    Phase.CONNECT: 'connection in "connect" ACL',
    Phase.HELO: "EHLO or HELO",
    Phase.MAIL: "MAIL",
    Phase.RCPT: "RCPT",
    Phase.PREDATA: "DATA",
    Phase.DATA: "after DATA",
}
"""What a log line says was rejected."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client is told. *code* is 0 where the MTA speaks for itself; *lines* may then be a policy's own text.

    *enhanced* (RFC 3463) is empty when the policy gave none. *where* is the
    statement that decided; None when no ACL ran.
    """

    outcome: Outcome
    code: int = 0
    enhanced: str = ""
    lines: tuple[str, ...] = ()
    where: Where | None = None


class Conversation:
    """One SMTP connection. Keeps the policy it began with."""

    def __init__(self, policy: Policy, services: Services, trace: Trace | None = None) -> None:
        self._policy = policy
        self._services = services
        self._trace = trace
        self.connection = Connection(Client())
        self.tx = self._fresh()
        self._discarding = False  # MAIL was discarded: everything up to the end of the message is accepted

    @property
    def macros(self) -> dict[str, str]:
        """What the MTA tells, by its name without braces; the shell keeps it up to date."""
        return self.connection.macros

    # -- the commands

    def connect(self, client: Client) -> Reply:
        """A client has connected."""
        self.connection.client = client
        self._services.metrics.count("connections_total")
        return self._judge(Phase.CONNECT, "")

    def helo(self, name: str) -> Reply:
        """HELO or EHLO. A name that is refused is forgotten."""
        self.tx = self._fresh()
        previous, self.connection.helo = self.connection.helo, name
        reply = self._judge(Phase.HELO, name)
        if reply.outcome is not Outcome.OK:
            self.connection.helo = previous
        return reply

    def mail(self, path: str, parameters: tuple[str, ...] = ()) -> Reply:
        """MAIL: a new message begins."""
        self.tx = self._fresh()
        self.tx.sender = Address.parse(path)
        self.tx.sender_parameters = parameters
        reply = self._judge(Phase.MAIL, " ".join((path, *parameters)))
        if reply.outcome is Outcome.DISCARD:
            self._discarding = True
        elif reply.outcome is not Outcome.OK:
            self.tx.sender = None
        return reply

    def rcpt(self, path: str, parameters: tuple[str, ...] = ()) -> Reply:
        """RCPT. A recipient that the ACL discards is accepted, and later deleted."""
        tx = self.tx
        tx.rcpt_count += 1
        tx.recipient = Address.parse(path)
        tx.caseful_local_part = False
        reply = Reply(Outcome.OK) if self._discarding else self._judge(Phase.RCPT, " ".join((path, *parameters)))
        self._services.metrics.count("recipients_total", action=ACTIONS[reply.outcome])
        if reply.outcome is Outcome.OK:
            tx.recipients.append(tx.recipient)
        elif reply.outcome is Outcome.DISCARD:
            tx.deleted_recipients.append(path)
            reply = Reply(Outcome.OK, where=reply.where)
        elif reply.outcome in (Outcome.FAIL, Outcome.DROP):
            tx.rcpt_fail_count += 1
        else:
            tx.rcpt_defer_count += 1
        tx.recipient = None
        return reply

    def predata(self) -> Reply:
        """DATA, before the message."""
        return Reply(Outcome.OK) if self._nobody_left() else self._judge(Phase.PREDATA, "")

    def header(self, name: str, value: bytes) -> None:
        """One header field; *value* is all after the colon, folding included."""
        self.tx.message.receive(name, value.decode("latin-1"))

    def end_of_headers(self) -> None:
        """The empty line after the header fields."""
        self.tx.message.size += 2

    def body(self, chunk: bytes) -> None:
        """A part of the body."""
        self.tx.message.body(chunk)

    def end_of_message(self) -> Reply:
        """The dot: the message's verdict. `edits` then says what to change."""
        tx = self.tx
        tx.message.complete = True
        tx.realise_headers()
        reply = Reply(Outcome.DISCARD) if self._nobody_left() else self._judge(Phase.DATA, "")
        tx.realise_headers()
        self.connection.messages += 1
        held = reply.outcome is Outcome.OK and tx.quarantine
        metrics = self._services.metrics
        metrics.count("messages_total", action="quarantine" if held else ACTIONS[reply.outcome])
        metrics.observe("message_size_bytes", tx.message.size)
        return reply

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The changes to make to the message, in order. Only for one that is accepted."""
        tx = self.tx
        edits = header_edits(tx.message)
        edits += [DeleteRecipient(path) for path in tx.deleted_recipients]
        if tx.quarantine:
            edits.append(Quarantine(tx.quarantine))
        return tuple(edits)

    def abort(self) -> None:
        """RSET, or the end of a message for any reason: what belonged to it is forgotten."""
        self.tx = self._fresh()

    def quit(self) -> Reply:
        """QUIT. Whatever the ACL says, only its message counts."""
        reply = self._judge(Phase.QUIT, "")
        return reply if reply.outcome is Outcome.OK else Reply(Outcome.OK, where=reply.where)

    def close(self) -> None:
        """The connection is over."""

    # -- judging

    def _fresh(self) -> Transaction:
        self._discarding = False
        return Transaction(self._services, self._policy.settings, self.connection, trace=self._trace)

    def _nobody_left(self) -> bool:
        """Whether every recipient of this message has been discarded."""
        return self._discarding or (bool(self.tx.deleted_recipients) and not self.tx.recipients)

    def _judge(self, phase: Phase, argument: str) -> Reply:
        """Run the phase's ACL, if it has one, and put its verdict into words."""
        tx = self.tx
        start = time.monotonic()
        tx.phase = phase
        tx.deadline = start + self._policy.settings.phase_timeout
        tx.command = argument
        tx.command_rates.clear()
        tx.reject_targets = ("main", "reject")
        tx.frame = Frame()
        reply = self._reply(phase, argument, self._verdict(phase))
        metrics, name = self._services.metrics, str(phase.name).lower()
        metrics.observe("phase_duration_seconds", time.monotonic() - start, phase=name)
        metrics.count("decisions_total", phase=name, action=ACTIONS[reply.outcome], enforced="true")
        if tx.expired():
            metrics.count("deadline_exceeded_total", phase=name)
        return reply

    def _verdict(self, phase: Phase) -> Verdict:
        run = self._policy.phases.get(phase)
        if run is None:
            return Verdict(Outcome.OK)
        try:
            verdict = run(self.tx)
        except ForcedFail:
            return Verdict(Outcome.OK)  # the option's expansion was forced to fail: as if it were unset
        except (ExpansionError, Defer) as error:
            self.tx.complain(f"failed to find the {str(phase.name).lower()} ACL: {error}")
            return Verdict(Outcome.ERROR, log=str(error))
        if verdict.outcome is Outcome.DISCARD and phase is Phase.PREDATA:
            return Verdict(Outcome.ERROR, log='"discard" is not allowed in the predata ACL', where=verdict.where)
        return verdict

    def _reply(self, phase: Phase, argument: str, verdict: Verdict) -> Reply:
        if verdict.outcome is Outcome.OK:
            return self._accepted(phase, verdict)
        if verdict.outcome is Outcome.DISCARD:
            self._log_discard(phase, argument, verdict)
            return Reply(Outcome.DISCARD, where=verdict.where)
        default = DEFAULT_CODES[verdict.outcome]
        temporary = default // 100 == 4
        text = verdict.text or REFUSED
        if temporary and not (verdict.text and (verdict.details or self._policy.settings.smtp_return_error_details)):
            text = TROUBLE
        reply = reply_text(default, text, self.tx.multiline)
        if reply.complaint:
            self.tx.complain(reply.complaint)
        self._log_rejection(phase, argument, verdict, temporary)
        return Reply(verdict.outcome, reply.code, reply.enhanced, reply.lines, verdict.where)

    def _accepted(self, phase: Phase, verdict: Verdict) -> Reply:
        """Mostly the MTA speaks for itself; a text of the policy's own is there for whoever can show it."""
        if not verdict.text:
            return Reply(Outcome.OK, where=verdict.where)
        reply = reply_text(ACCEPT_CODES.get(phase, 250), verdict.text, self.tx.multiline)
        if reply.complaint:
            self.tx.complain(reply.complaint)
        return Reply(Outcome.OK, reply.code, reply.enhanced, reply.lines, verdict.where)

    # -- the log

    def _log_rejection(self, phase: Phase, argument: str, verdict: Verdict, temporary: bool) -> None:
        temporarily = "temporarily " if temporary else ""
        log = f": {verdict.log.partition(chr(10))[0]}" if verdict.log else ""
        what = self._what(phase, argument)
        self._to_targets(f"{host_text(self.tx)}{self._sender_text(phase)} {temporarily}rejected {what}{log}")

    def _log_discard(self, phase: Phase, argument: str, verdict: Verdict) -> None:
        log = f": {verdict.log}" if verdict.log else ""
        line = f"{self._sender_text(phase)} {self._what(phase, argument)}: discarded by {phase.name} ACL{log}"
        self._to_targets(f"{host_text(self.tx)}{line}")

    def _to_targets(self, line: str) -> None:
        for target in self.tx.reject_targets:
            self._services.log.write(target, printable(line))

    def _what(self, phase: Phase, argument: str) -> str:
        command = COMMANDS.get(phase, str(phase.name))
        shown = argument[:MAX_LOGGED_ARGUMENT]
        return f"{command} {shown}" if shown else command

    def _sender_text(self, phase: Phase) -> str:
        sender = self.tx.sender
        if sender is None or not phase & (Phase.RCPT | Phase.PREDATA | Phase.DATA):
            return ""
        authenticated = self.connection.macros.get("auth_type", "")
        identity = self.connection.macros.get("auth_authen", "")
        auth = f" A={authenticated}{':' + identity if identity else ''}" if authenticated else ""
        return f" F=<{sender.text}>{auth}"


__all__ = ["AddHeader", "ChangeHeader", "Conversation", "DeleteRecipient", "Edit", "Quarantine", "Reply"]
