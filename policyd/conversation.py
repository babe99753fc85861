"""The phases of an SMTP session: which ACL runs when, what is remembered, and what the answer is.

Knows nothing of milters: the daemon's shell and ``policyd session`` drive the
same object.
"""

from __future__ import annotations

import time
from dataclasses import replace

from policyd.edits import DeleteRecipient, Edit, Quarantine, header_edits
from policyd.errors import Defer, ExpansionError, ForcedFail
from policyd.language.frame import Frame, Trace
from policyd.language.verdict import Outcome, Verdict
from policyd.mail.address import Address
from policyd.observers import Watch, rounds
from policyd.policy import CAN_DISCARD, Phase, Policy
from policyd.replies import Reply, rehearsed, worded
from policyd.transaction import Client, Connection, Services, Transaction

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
    Phase.MAIL: "MAIL FROM:",
    Phase.RCPT: "RCPT TO:",
    Phase.PREDATA: "DATA",
    Phase.DKIM: "DATA",
    Phase.DATA: "DATA",
}
"""How a command begins, where that is not just the name of the phase; none at the ends of a connection."""


class Conversation:
    """One SMTP connection. Keeps the policy it began with."""

    def __init__(self, policy: Policy, services: Services, trace: Trace | None = None) -> None:
        self._policy = policy
        self._services = services
        self._watch = Watch.of(policy.needs)
        self._trace = trace
        self.connection = Connection(Client())
        self.tx = self._fresh()
        self._open = False  # between connect and the end
        self._dropped = False

    @property
    def macros(self) -> dict[str, str]:
        """What the MTA tells, by its name without braces; the shell keeps it up to date."""
        return self.connection.macros

    # -- the connection

    def connect(self, client: Client) -> Reply:
        """A client has connected."""
        self.connection.client = client
        self._services.metrics.count("connections_total")
        reply = self._judge(Phase.CONNECT)
        self._open = reply.outcome in (Outcome.OK, Outcome.DROP)
        self._renew(self.tx.frame.captures)  # what the connect ACL has set for "the message" ends here
        return reply

    def helo(self, name: str) -> Reply:
        """HELO or EHLO. It ends a message that was under way; a name that is refused is forgotten, and ends nothing."""
        self.connection.helo = name
        reply = self._judge(Phase.HELO, name)
        if reply.outcome is Outcome.OK:
            self.connection.esmtp = True  # a milter is not told whether it was EHLO; nearly always it was
            self.abort()
        elif reply.outcome is not Outcome.DROP:
            self.connection.helo = ""
        return reply

    def quit(self) -> Reply:
        """QUIT. Whatever the ACL says, only its message counts."""
        self._open = False
        return self._judge(Phase.QUIT)

    def close(self, reason: str = "") -> None:
        """The connection is over. *reason*: why, where it is known to have ended without QUIT.

        A milter is not told whether there was a QUIT. After a drop there was
        none; otherwise it is taken for granted.
        """
        self.tx.message.close()
        if not self._open:
            return
        self._open = False
        self.connection.notquit_reason = "acl-drop" if self._dropped else reason
        self._judge(Phase.NOTQUIT if self.connection.notquit_reason else Phase.QUIT)

    # -- the message

    def mail(self, path: str, parameters: tuple[str, ...] = ()) -> Reply:
        """MAIL: a new message begins. $0, $1 … are still what they were."""
        self._renew(self.tx.frame.captures)
        self.tx.sender = Address.parse(path, self._policy.settings.qualify_domain)
        self.tx.sender_parameters = parameters
        if "body" in self._policy.needs:
            self.tx.message.keep_body()
        reply = self._judge(Phase.MAIL, path, parameters)
        if reply.outcome is Outcome.DISCARD:
            self.tx.discarded = True
        elif reply.outcome is not Outcome.OK:
            self.tx.sender = None
        return reply

    def rcpt(self, path: str, parameters: tuple[str, ...] = ()) -> Reply:
        """RCPT. A recipient that the ACL discards is accepted, and later deleted."""
        tx = self.tx
        tx.rcpt_count += 1
        tx.recipient = Address.parse(path, self._policy.settings.qualify_domain)
        tx.caseful_local_part = False
        reply = Reply(Outcome.DISCARD) if tx.discarded else self._judge(Phase.RCPT, path, parameters)
        self._services.metrics.count("recipients_total", action=ACTIONS[reply.outcome])
        if reply.outcome is Outcome.OK:
            tx.recipients.append(tx.recipient)
        elif reply.outcome is Outcome.DISCARD:
            tx.deleted_recipients.append(path)
            tx.rcpt_fail_count += 1
            reply = replace(reply, outcome=Outcome.OK)
        elif reply.outcome in (Outcome.FAIL, Outcome.DROP):
            tx.rcpt_fail_count += 1
        else:
            tx.rcpt_defer_count += 1
        tx.recipient = None
        return reply

    def predata(self) -> Reply:
        """DATA, before the message."""
        return self._judge(Phase.PREDATA)

    def header(self, name: str, value: bytes) -> None:
        """One header field; *value* is all after the colon, folding included."""
        self.tx.message.receive(name, value.decode("latin-1"))

    def end_of_headers(self) -> None:
        """The empty line after the header fields."""
        self.tx.message.size += 2
        for look in self._watch.headers:
            look(self.tx)

    def body(self, chunk: bytes) -> None:
        """A part of the body."""
        self.tx.message.body(chunk)
        for look in self._watch.body:
            look(self.tx, chunk)

    def end_of_message(self) -> Reply:
        """The dot: the message's verdict. `edits` then says what to change."""
        tx = self.tx
        tx.message.complete = True
        tx.realise_headers()
        reply = Reply(Outcome.DISCARD) if tx.nobody_left else self._message_verdict()
        tx.realise_headers()
        self.connection.messages += 1
        held = reply.outcome is Outcome.OK and tx.quarantine
        metrics = self._services.metrics
        metrics.count("messages_total", action="quarantine" if held else ACTIONS[reply.outcome])
        metrics.observe("message_size_bytes", tx.message.size)
        return reply

    def _message_verdict(self) -> Reply:
        """What the ACL for its signers says, each time that it runs, or else the message's own."""
        tx = self.tx
        tx.phase, tx.deadline = Phase.DKIM, time.monotonic() + self._policy.settings.phase_timeout
        for _ in rounds(Phase.DKIM, tx) if Phase.DKIM in self._policy.phases else ():
            reply = self._judge(Phase.DKIM)
            if reply.outcome is not Outcome.OK:
                return reply
        tx.realise_headers()
        return self._judge(Phase.DATA)

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
        if self.tx.sender is not None and not self.tx.message.complete:
            self._services.metrics.count("messages_total", action="abort")
        self._renew()

    # -- judging

    def _renew(self, captures: tuple[str, ...] = ()) -> None:
        """Nothing is left of the last message."""
        self.tx.message.close()
        self.tx = self._fresh(captures)

    def _fresh(self, captures: tuple[str, ...] = ()) -> Transaction:
        return Transaction(
            self._services,
            self._policy.settings,
            self.connection,
            checks=replace(self.connection.checks),
            frame=Frame(captures=captures),
            trace=self._trace or self.connection.trace,
        )

    def _judge(self, phase: Phase, argument: str = "", parameters: tuple[str, ...] = ()) -> Reply:
        """Run the phase's ACL, if it has one, and put its verdict into words."""
        tx = self.tx
        start = time.monotonic()
        tx.phase = phase
        tx.deadline = start + self._policy.settings.phase_timeout
        if phase is not Phase.NOTQUIT:
            tx.command_path = argument
            tx.command_argument = " ".join((argument, *parameters))
            tx.command = _command(phase, tx.command_argument)
            if phase not in (Phase.CONNECT, Phase.DKIM, Phase.DATA):
                self.connection.commands.append(tx.command.partition(" ")[0])
        tx.command_rates.clear()
        tx.reject_targets = ("main", "reject")
        tx.frame = Frame(captures=tx.frame.captures)
        tx.dry_run, quarantine = self._policy.settings.dry_run, tx.quarantine
        reply = worded(tx, self._verdict(phase))
        metrics, name = self._services.metrics, str(phase.name).lower()
        metrics.observe("phase_duration_seconds", time.monotonic() - start, phase=name)
        enforced = "false" if tx.dry_run else "true"
        metrics.count("decisions_total", phase=name, action=ACTIONS[reply.outcome], enforced=enforced)
        if tx.expired():
            metrics.count("deadline_exceeded_total", phase=name)
        if tx.dry_run:
            reply = rehearsed(tx, reply, quarantine)
        self._dropped = reply.outcome is Outcome.DROP
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
        if verdict.outcome is Outcome.DISCARD and not phase & CAN_DISCARD:
            self.tx.complain(f'"discard" verb not allowed in {phase.title} ACL')
            return Verdict(Outcome.ERROR, where=verdict.where)
        return verdict


def _command(phase: Phase, argument: str) -> str:
    """The SMTP command being judged: a milter is told its argument, so how it was written is a guess."""
    if phase is Phase.CONNECT:
        return ""
    if phase is Phase.HELO:
        return f"EHLO {argument}"
    return COMMANDS.get(phase, str(phase.name)) + argument
