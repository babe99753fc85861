"""libmilter's callbacks, translated into a `Conversation`, and its replies translated back. Decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

import milter

from policyd.conversation import Conversation
from policyd.journal import report
from policyd.language.verdict import DEFER, DISCARD, DROP, ERROR, FAIL, OK
from policyd.metrics import Metrics
from policyd.replies import TROUBLE, Reply
from policyd.server import macros
from policyd.server.agreement import Agreement
from policyd.server.changes import change
from policyd.server.decisions import Decision
from policyd.server.mta import POSTFIX, mta
from policyd.server.wire import client, reply_lines, text
from policyd.transaction import Client, Log

ANSWERS = {  # outcome: (what libmilter is told, default reply code, default enhanced code)
    OK: (milter.CONTINUE, "", ""),  # never ACCEPT: that would end all later checks
    FAIL: (milter.REJECT, "550", "5.7.1"),
    DROP: (milter.TEMPFAIL, "421", "4.7.1"),  # to a 421, and only to that, MTAs close the connection
    DEFER: (milter.TEMPFAIL, "451", "4.7.1"),
    ERROR: (milter.TEMPFAIL, "451", "4.3.0"),
    DISCARD: (milter.DISCARD, "", ""),
}

FAILURE = Reply(ERROR, 451, "4.3.0", (TROUBLE,))
"""What the client is told when policyd itself fails."""

GONE = Reply(ERROR, 451, "4.3.0", ("the MTA has not waited for the answer",))
"""What the log says of a message whose MTA has gone before it heard of the changes: an accident of its own."""

UNANNOUNCED = Reply(DEFER, 451, "4.7.1", ("Command refused, required Proxy negotiation failed",))
"""What it is told when it comes from a gateway's address, and no gateway has told of it; the store may be to blame."""


class DecisionLog(Log, Protocol):
    """A log that takes decisions as well as lines."""

    def decided(self, decision: Decision) -> None:
        """What became of a command or a message."""


class Host(Protocol):
    """What a session needs of the process it runs in."""

    metrics: Metrics
    log: DecisionLog

    def conversation(self) -> Conversation:
        """A new one, under the policy in force."""

    def identify(self, client: Client) -> Client | None:
        """Who *client* really is, if it is a gateway; None where no gateway has told. Raises `Defer`."""


PHASES = {
    "connect": "connect",
    "helo": "helo",
    "envfrom": "mail",
    "envrcpt": "rcpt",
    "data": "predata",
    "header": "data",
    "eoh": "data",
    "body": "data",
    "eom": "data",
    "abort": "data",
    "close": "quit",
}
"""What logs and metrics call the time of each callback."""


def guarded(otherwise: Callable[[Session, Reply], int]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Nothing that a callback raises reaches libmilter: it is logged and counted, and *otherwise* gets `FAILURE`."""

    def decorate(callback: Callable[..., int]) -> Callable[..., int]:
        event = callback.__name__

        @wraps(callback)
        def run(session: Session, *arguments: Any) -> int:
            session.event, session.begun = event, time.perf_counter()
            try:
                return callback(session, *arguments)
            except Exception as error:
                session.fault(error)
                return otherwise(session, FAILURE)

        return run

    return decorate


class Session:
    """One connection from the MTA. Its public methods are libmilter's callbacks.

    *agreed*: what the MTA tells of it; *talk* needs no more.
    """

    def __init__(self, ctx: Any, host: Host, talk: Conversation, agreed: Agreement) -> None:
        self.event = "connect"
        self.begun = 0.0  # this event, time.perf_counter()
        self._ctx = ctx
        self._host = host
        self._talk = talk
        self._agreed = agreed
        self._mta = POSTFIX
        self._fields: list[tuple[str, str]] = []  # of the header that is under way
        self._blank = b"" if agreed.leading_space else b" "  # that the MTA leaves out
        self._header_answer = int(milter.NOREPLY if "header" in agreed.silent else milter.CONTINUE)
        self._connected = False
        self._in_message = False
        self._refusal: Reply | None = None  # of the connection: the answer to every command
        self._trouble: Reply | None = None  # with the message: the answer to the next command

    def refuse(self) -> int:
        """Have nothing to do with this connection: nobody knows what was agreed for it."""
        self._refusal = FAILURE
        self._host.metrics.count("milter_protocol_errors_total", "negotiation")
        return int(milter.TEMPFAIL)

    # -- replies

    def _tell(self, reply: Reply) -> int:
        """Give *reply* to the MTA as the answer to this command, if it waits for one."""
        if self.event in self._agreed.silent:
            return self._hold(reply)
        status, code, enhanced = ANSWERS[reply.outcome]
        if code:
            if str(reply.code)[0] == code[0]:  # libmilter drops a text whose class is not that of the status
                code = str(reply.code)
                enhanced = reply.enhanced if reply.enhanced[:1] == code[0] else enhanced
            self._ctx.setreply(code, enhanced, *reply_lines(reply.lines))
        return int(status)

    def _hold(self, reply: Reply) -> int:
        """Keep *reply* until a command can be answered: there is no answer now, or it could not carry a text."""
        if reply.outcome is not OK:
            if self.event in ("connect", "helo"):
                self._refusal = reply
            else:
                self._trouble = reply
        return self._unanswered()

    def _unanswered(self) -> int:
        """Go on, with an answer that says so where the MTA waits for one."""
        return int(milter.NOREPLY if self.event in self._agreed.silent else milter.CONTINUE)

    def _ignore(self, _: Reply) -> int:
        return int(milter.CONTINUE)

    def _due(self) -> Reply | None:
        """What was held. Trouble with a message is told once; a client that nobody announced is logged only now."""
        trouble, self._trouble = self._trouble, None
        return self._noted(UNANNOUNCED) if self._refusal is UNANNOUNCED else self._refusal or trouble

    def fault(self, error: BaseException) -> None:
        """Log and count an unexpected exception."""
        phase = PHASES[self.event]
        report(self._host.log.write, f"{self._subject()} phase={phase}", error)
        self._host.metrics.count("errors_total", phase, "fail_defer")

    def _noted(self, reply: Reply) -> Reply:
        """*reply*, logged if it ends something."""
        if reply.outcome is not OK or self.event == "eom":
            took = time.perf_counter() - self.begun
            self._host.log.decided(Decision(self._talk.tx, PHASES[self.event], reply, took))
        return reply

    def _subject(self) -> str:
        peer = self._talk.connection.client
        return f"id={self._talk.macros.get('i', '-')} client={peer.address or 'local'}"

    # -- the connection

    @guarded(_hold)
    def connect(self, name: str, family: int, address: Any) -> int:
        """A client has connected. What its ACL says is held: a refusal here could not carry a text."""
        self._macros(milter.M_CONNECT)
        self._mta = mta(self._talk.macros.get("v", ""))
        self._talk.connection.own_fields = self._mta.own_fields
        self._host.metrics.count("connections")
        self._connected = True
        told = client(name, address, self._talk.macros)
        peer = self._host.identify(told)
        if peer is None:
            self._talk.connection.client = told  # for the log; no ACL judges it
            return self._hold(UNANNOUNCED)
        self._host.metrics.count("client_address_sources_total", peer.source)
        return self._hold(self._noted(self._talk.connect(peer)))

    @guarded(_tell)
    def helo(self, name: str) -> int:
        """HELO or EHLO."""
        return self._command(milter.M_HELO, self._talk.helo, text(name))

    @guarded(_hold)
    def _helo_octets(self, name: bytes) -> int:
        """HELO with a name that pymilter cannot decode; it has told libmilter to go on."""
        self.event = "helo"
        self._macros(milter.M_HELO)
        return self._hold(self._refusal or self._noted(self._talk.helo(text(name))))

    @guarded(_ignore)
    def close(self) -> int:
        """The connection is over."""
        self._ctx.setpriv(None)  # the two hold each other, and nothing collects such a pair
        if self._connected:
            self._host.metrics.count("connections", amount=-1)
        self._talk.close()
        return int(milter.CONTINUE)

    # -- the message

    @guarded(_tell)
    def envfrom(self, path: bytes, *parameters: bytes) -> int:
        """MAIL."""
        self._in_message = False
        self._fields.clear()  # of a message that has not come to the end of its header
        return self._command(milter.M_ENVFROM, self._talk.mail, text(path), tuple(map(text, parameters)))

    @guarded(_tell)
    def envrcpt(self, path: bytes, *parameters: bytes) -> int:
        """RCPT."""
        self._in_message = True
        return self._command(milter.M_ENVRCPT, self._talk.rcpt, text(path), tuple(map(text, parameters)))

    @guarded(_tell)
    def data(self) -> int:
        """DATA."""
        return self._command(milter.M_DATA, self._talk.predata)

    @staticmethod
    def header(ctx: Any, name: str, value: bytes) -> int:
        """A header field; its value begins with the blank after the colon, and lines end in LF. It waits for the rest.

        There are dozens in every message: pymilter calls this one itself, and what can wait is done once, for all.
        """
        session: Session = ctx.getpriv()
        value = session._blank + value
        session._fields.append((name if name.isascii() else text(name), value.decode("latin-1")))
        return session._header_answer

    @guarded(_hold)
    def eoh(self) -> int:
        """The end of the header."""
        fields, self._fields = self._fields, []
        if not self._trouble:
            self._talk.headers(fields)
            self._talk.end_of_headers()
        return self._unanswered()

    @guarded(_hold)
    def body(self, chunk: bytes) -> int:
        """A part of the body, cut anywhere."""
        if not self._trouble:
            self._talk.body(chunk)
        return self._unanswered()

    @guarded(_tell)
    def eom(self) -> int:
        """The end of the message: its verdict, and its edits if it is accepted."""
        self._in_message = False
        return self._command(milter.M_EOM, self._verdict)

    def _verdict(self) -> Reply:
        reply = self._talk.end_of_message()
        try:
            for edit in self._talk.edits if reply.outcome is OK else ():
                change(self._ctx, edit, self._agreed.leading_space, self._mta.end)
        except milter.error:
            if self._is_heard():
                raise
            return GONE
        return reply

    def _is_heard(self) -> bool:
        """Whether the MTA can still be told anything; here, that we are at work."""
        try:
            self._ctx.progress()
        except milter.error:
            return False
        return True

    @guarded(_ignore)
    def abort(self) -> int:
        """The message is over before its end: RSET, or a refusal."""
        self._in_message = False
        self._trouble = None
        self._talk.abort()
        return int(milter.CONTINUE)

    # -- what they share

    def _command(self, stage: int, judge: Callable[..., Reply], *arguments: Any) -> int:
        """Answer a command: with what is due, or with what *judge* says of *arguments*."""
        self._macros(stage)
        return self._tell(self._due() or self._noted(judge(*arguments)))

    def _macros(self, stage: int) -> None:
        if keys := self._agreed.macros[stage]:
            macros.update(self._talk.macros, self._ctx, keys, self._mta.xtext)

    def missed(self, error: UnicodeDecodeError) -> None:
        """A callback that pymilter could not make: a HELO name, or the name of a header field, was not UTF-8."""
        self._host.metrics.count("milter_protocol_errors_total", "encoding")
        if self._connected and not self._in_message:
            self._helo_octets(error.object)
        else:
            self.event = "header" if self._in_message else "connect"
            self.fault(error)
            self._hold(FAILURE)
