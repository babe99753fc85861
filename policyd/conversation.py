"""The phases of an SMTP session: which ACL runs when, what is remembered, and what the answer is.

Knows nothing of milters: the daemon's shell and ``policyd session`` drive the
same object.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from policyd.edits import DeleteRecipient, Edit, Quarantine, header_edits
from policyd.errors import Defer, ExpansionError, ForcedFail
from policyd.events import DECISION
from policyd.explanations import Witness
from policyd.handover import arrive, refusal, reveal, take_back
from policyd.journal import report
from policyd.language.frame import Frame, Trace, both
from policyd.language.verdict import DEFER, DISCARD, DROP, ERROR, FAIL, OK, Foresight, Verdict
from policyd.mail.address import Address
from policyd.mail.message import Message
from policyd.observers import Watch, rounds
from policyd.policy import (
    CAN_DISCARD,
    CONNECT,
    DATA,
    DKIM,
    HELO,
    MAIL,
    NOTQUIT,
    PREDATA,
    QUIT,
    RCPT,
    Phase,
    Policy,
    RunAcl,
)
from policyd.replies import TROUBLE, Reply, rehearsed, worded
from policyd.transaction import Client, Connection, Services, Transaction

ACTIONS = {
    OK: "accept",
    FAIL: "reject",
    DROP: "reject",
    DISCARD: "discard",
    DEFER: "defer",
    ERROR: "defer",
}
"""What a metric calls an outcome."""

FAULTS = frozenset({DEFER, ERROR})
"""What a verdict is that no verb has come to: something went wrong."""

NAMES = {phase: str(phase.name).lower() for phase in Phase}
"""What a metric calls a phase."""

COMMANDS = {
    CONNECT: "",
    HELO: "EHLO ",
    MAIL: "MAIL FROM:",
    RCPT: "RCPT TO:",
    PREDATA: "DATA",
    DKIM: "DATA",
    DATA: "DATA",
    QUIT: "QUIT",
}
"""How the command begins that a phase judges: a milter is told its argument, so how it was written is a guess."""

NOBODY = Client()
"""Who has connected, as long as that is not known."""

ACCEPTED = Reply(OK)
"""Where no ACL has a say."""

HISTORY = {phase: COMMANDS[phase].partition(" ")[0] for phase in (HELO, MAIL, RCPT, PREDATA, QUIT)}
"""What ``$smtp_command_history`` calls the phases that have a command of their own."""


class Conversation:
    """One SMTP connection. Keeps the policy it began with."""

    def __init__(
        self, policy: Policy, services: Services, trace: Trace | None = None, witness: Witness | None = None
    ) -> None:
        self._policy = policy
        self._services = services
        self._witness = witness
        self._watch = Watch.of(policy.needs)
        self.connection = Connection(NOBODY)
        self.connection.watcher = both(witness.story.tell if witness else None, trace)
        self._spoken = partial(_speak, witness)
        self.tx = self._fresh()
        self._used = False  # the transaction: for a message, or by an ACL
        self._open = False  # between connect and the end
        self._dropped = False

    @property
    def needs(self) -> frozenset[str]:
        """What has to be told: see `policyd.policy.Policy`."""
        return self._policy.needs

    @property
    def macros(self) -> dict[str, str]:
        """What the MTA tells, by its name without braces; the shell keeps it up to date."""
        return self.connection.macros

    # -- the connection

    def connect(self, client: Client) -> Reply:
        """A client has connected."""
        self.connection.client = client
        self._services.metrics.count("connections_total")
        try:
            arrive(self.tx)
        except (ExpansionError, Defer) as error:
            self.tx.complain(f"whether [{client.address}] is of hosts_proxy or hosts_trusted_relays: {error}")
            return Reply(ERROR, 451, lines=(TROUBLE,))
        self._ask_ahead(CONNECT)
        reply = self._judge(CONNECT)
        self._open = reply.outcome in (OK, DROP)
        if self._used:  # what the connect ACL has set for "the message" ends here
            self._renew(self.tx.frame.captures)
        return reply

    def helo(self, name: str) -> Reply:
        """HELO or EHLO. It ends a message that was under way; a name that is refused is forgotten, and ends nothing."""
        take_back(self.tx)
        self.connection.helo = name
        self._ask_ahead(HELO)
        reply = self._judge(HELO, name)
        if reply.outcome is OK:
            self.connection.esmtp = True  # a milter is not told whether it was EHLO; nearly always it was
            self._abandon()
        elif reply.outcome is not DROP:
            self.connection.helo = ""
        return reply

    def quit(self) -> Reply:
        """QUIT. Whatever the ACL says, only its message counts."""
        self._open = False
        take_back(self.tx)
        return self._judge(QUIT)

    def close(self, reason: str = "") -> None:
        """The connection is over. *reason*: why, where it is known to have ended without QUIT.

        A milter is not told whether there was a QUIT. After a drop there was
        none; otherwise it is taken for granted.
        """
        self.tx.message.close()
        if not self._open:
            return
        self._open = False
        take_back(self.tx)
        self.connection.notquit_reason = "acl-drop" if self._dropped else reason
        phase = NOTQUIT if self.connection.notquit_reason else QUIT
        if phase in self._policy.phases:
            self._judge(phase)

    # -- the message

    def mail(self, path: str, parameters: tuple[str, ...] = ()) -> Reply:
        """MAIL: a new message begins. $0, $1 … are still what they were."""
        if self._used:
            self._renew(self.tx.frame.captures)
        self._used = True
        if self._witness:
            self._witness.story.begin_message()
        self.tx.sender = Address.parse(path, self._policy.settings.qualify_domain)
        self.tx.sender_parameters = parameters
        if refused := refusal(self.tx, path):
            self.tx.sender = None
            return refused
        if "body" in self._policy.needs:
            self.tx.message.keep_body()
        self._ask_ahead(MAIL)
        reply = self._judge(MAIL, path, parameters)
        if reply.outcome is DISCARD:
            self.tx.discarded = True
        elif reply.outcome is not OK and reply.outcome is not DROP:  # then nothing but notquit follows
            self.tx.sender = None
        return reply

    def rcpt(self, path: str, parameters: tuple[str, ...] = ()) -> Reply:
        """RCPT. A recipient that the ACL discards is accepted, and later deleted."""
        tx = self.tx
        tx.rcpt_count += 1
        tx.recipient = Address.parse(path, self._policy.settings.qualify_domain)
        tx.caseful_local_part = False
        reply = Reply(DISCARD) if tx.discarded else self._judge(RCPT, path, parameters)
        self._services.metrics.count("recipients_total", ACTIONS[reply.outcome])
        if reply.outcome is OK:
            tx.recipients.append(tx.recipient)
        elif reply.outcome is DISCARD:
            tx.deleted_recipients.append(path)
            tx.rcpt_fail_count += 1
            reply = replace(reply, outcome=OK)
        elif reply.outcome in (FAIL, DROP):
            tx.rcpt_fail_count += 1
        else:
            tx.rcpt_defer_count += 1
        tx.recipient = None
        return reply

    def predata(self) -> Reply:
        """DATA, before the message."""
        return self._judge(PREDATA)

    def header(self, name: str, value: bytes) -> None:
        """One header field; *value* is all after the colon, folding included."""
        self.headers([(name, value.decode("latin-1"))])

    def headers(self, fields: Sequence[tuple[str, str]]) -> None:
        """Several, in their order."""
        self.tx.message.receive(fields)

    def end_of_headers(self) -> None:
        """The empty line after the header fields."""
        self.tx.message.size += 2
        reveal(self.tx)
        for look in self._watch.headers:
            look(self.tx)
        self._ask_ahead(DATA, self._watch.questions)

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
        reply = Reply(DISCARD) if tx.nobody_left else self._message_verdict()
        tx.realise_headers()
        self.connection.messages += 1
        held = reply.outcome is OK and tx.quarantine
        metrics = self._services.metrics
        metrics.count("messages_total", "quarantine" if held else ACTIONS[reply.outcome])
        if self._watch.sized:
            metrics.observe("message_size_bytes", tx.message.size)
        return reply

    def _message_verdict(self) -> Reply:
        """What the ACL for its signers says, each time that it runs, or else the message's own."""
        tx = self.tx
        tx.phase, tx.deadline = DKIM, time.monotonic() + self._policy.settings.phase_timeout
        for _ in rounds(DKIM, tx) if DKIM in self._policy.phases else ():
            reply = self._judge(DKIM)
            if reply.outcome is not OK:
                return reply
        tx.realise_headers()
        return self._judge(DATA)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The changes to make to the message, in order. Only for one that is accepted."""
        tx = self.tx
        edits = header_edits(tx.message, self.connection.own_fields)
        edits += [DeleteRecipient(path) for path in tx.deleted_recipients]
        if tx.quarantine:
            edits.append(Quarantine(tx.quarantine))
        return tuple(edits)

    def abort(self) -> None:
        """RSET, or the end of a message for any reason: what belonged to it is forgotten."""
        self._abandon()

    def _abandon(self) -> None:
        begun = self.tx.sender is not None and not (self._dropped and self.tx.phase is MAIL)
        if begun and not self.tx.message.complete:
            self._services.metrics.count("messages_total", "abort")
        if self._used:
            self._renew()

    # -- judging

    def _ask_ahead(self, phase: Phase, seen: tuple[Foresight, ...] = ()) -> None:
        """Have DNS asked what this phase and later ones will want to know. A mistake in that costs nobody a verdict."""
        for questions in (*seen, *self._policy.prefetch.get(phase, ())):
            try:
                self._services.prefetch(questions(self.tx))
            except Exception as error:
                report(self.tx.record, "prefetch", error)

    def _renew(self, captures: tuple[str, ...] = ()) -> None:
        """Nothing is left of the last message."""
        self.tx.message.close()
        take_back(self.tx)
        self.tx = self._fresh(captures)
        self._used = False
        if self._witness:
            self._witness.story.forget_message()

    def _fresh(self, captures: tuple[str, ...] = ()) -> Transaction:
        return Transaction(
            self._services,
            self._policy.settings,
            self.connection,
            checks=self.connection.checks.copy(),
            message=Message(self._watch.counted),
            frame=Frame(captures=captures),
            trace=self.connection.traces,
            on_rehearsal=self._spoken,
            answers=self._witness.story.answers if self._witness else None,
        )

    def _judge(self, phase: Phase, argument: str = "", parameters: tuple[str, ...] = ()) -> Reply:
        """Run the phase's ACL, if it has one, and put its verdict into words."""
        start, tx, settings = time.monotonic(), self.tx, self._policy.settings
        tx.phase, tx.deadline = phase, start + settings.phase_timeout
        if phase is not NOTQUIT:
            self._note_command(phase, argument, parameters)
        run = self._policy.phases.get(phase)
        if run is None:
            self._dropped = False
            return ACCEPTED
        if NAMES[phase] in self._policy.needs:  # others do no more than accept, and leave nothing behind
            self._used = True
        self._begin(phase, argument)
        quarantine = tx.quarantine
        verdict = self._verdict(run)
        reply = self._spoken(tx, verdict)
        self._count(verdict, NAMES[phase], time.monotonic() - start)
        if settings.event_action is not None:
            words = (str(reply.code or ""), *reply.lines[:1])
            tx.happened(DECISION, " ".join((NAMES[phase], reply.outcome.value, *filter(None, words))))
        if tx.dry_run:
            reply = rehearsed(tx, reply, quarantine)
        self._dropped = reply.outcome is DROP
        return reply

    def _count(self, verdict: Verdict, phase: str, seconds: float) -> None:
        """What metrics say of an ACL that took so long."""
        metrics = self._services.metrics
        metrics.observe("phase_duration_seconds", seconds, phase)
        if verdict.where is not None:
            metrics.count("rule_hits_total", phase, verdict.where.place)
        if verdict.outcome in FAULTS and not verdict.verb:
            metrics.count("rule_errors_total", phase, verdict.outcome.value)
        if seconds >= self._policy.settings.phase_timeout:
            metrics.count("deadline_exceeded_total", phase)

    def _note_command(self, phase: Phase, argument: str, parameters: tuple[str, ...]) -> None:
        tx = self.tx
        tx.command_path = argument
        tx.command_argument = " ".join((argument, *parameters)) if parameters else argument
        tx.command = COMMANDS[phase] + tx.command_argument
        if name := HISTORY.get(phase):
            self.connection.commands.append(name)

    def _begin(self, phase: Phase, argument: str) -> None:
        """An ACL is about to run: what the last one has left behind is gone."""
        tx = self.tx
        tx.command_rates.clear()
        tx.reject_targets = ("main", "reject")
        tx.frame = Frame(tx.frame.captures)
        tx.dry_run = self._policy.settings.dry_run
        if self._witness:
            self._witness.story.begin(phase, argument)

    def _verdict(self, run: RunAcl) -> Verdict:
        try:
            verdict = run(self.tx)
        except ForcedFail:
            return Verdict(OK)  # the option's expansion was forced to fail: as if it were unset
        except (ExpansionError, Defer) as error:
            return Verdict(ERROR, log=str(error))
        if verdict.outcome is DISCARD and not self.tx.phase & CAN_DISCARD:
            self.tx.complain(f'"discard" verb not allowed in {self.tx.phase.title} ACL')
            return replace(verdict, outcome=ERROR, verb="")
        return verdict


def _speak(witness: Witness | None, tx: Transaction, verdict: Verdict) -> Reply:
    """A verdict in words: logged, explained and counted."""
    reply = worded(tx, verdict)
    if witness and reply.outcome is not OK:
        reply = witness.explained(tx, verdict, reply)
    enforced = "false" if tx.dry_run else "true"
    action = ACTIONS[reply.outcome]
    tx.services.metrics.count("decisions_total", NAMES[tx.phase], action, enforced)
    return reply
