"""A very small SMTP server: what ``policyd session`` puts around a conversation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from policyd.conversation import Conversation
from policyd.language.verdict import Outcome
from policyd.mail.octets import lower
from policyd.replies import Reply, rendered
from policyd.transaction import Client

PATH = r"[ \t]*:[ \t]*(<[^>]*>|[^ \t]+)[ \t]*(.*)"
FROM = re.compile(f"FROM{PATH}", re.IGNORECASE | re.DOTALL)
TO = re.compile(f"TO{PATH}", re.IGNORECASE | re.DOTALL)
HEADER = re.compile(rb"([^\x00-\x20:\x7f]+)[ \t]*:(.*)", re.DOTALL)
PREFIXES = {"MAIL": "from:", "RCPT": "to:"}  # a part of the command
ALONE = ("DATA", "RSET", "QUIT")  # what has no argument
LOST = "connection-lost"  # $smtp_notquit_reason of a dialogue that ends without QUIT


class Dialogue:
    """One client's dialogue: *lines* come from it, each with its line end; *say* is given the answers, without."""

    def __init__(self, talk: Conversation, hostname: str, lines: Iterable[bytes], say: Callable[[str], object]) -> None:
        self._talk = talk
        self._hostname = hostname
        self._lines = iter(lines)
        self._say = say
        self._over = False
        self._refusals: list[tuple[str, ...]] = []  # what each RCPT of this message was told, if it was refused
        self._last = ""  # the command before this one
        self._messages = 0

    def run(self, client: Client) -> None:
        """Greet the client, then answer until QUIT, a drop, or the end of the input."""
        self._answer(self._talk.connect(client), f"220 {self._hostname} ESMTP policyd", fatal=True)
        while not self._over and (line := next(self._lines, None)) is not None:
            self._command(line.decode("latin-1"))
        self._talk.close("" if self._over else LOST)

    def _command(self, line: str) -> None:
        name, _, argument = line.strip(" \t\r\n").partition(" ")
        verb, argument = name.upper(), argument.strip(" \t")
        run = COMMANDS.get(verb)
        if run is None or not lower(argument).startswith(PREFIXES.get(verb, "")):
            self._say("500 unrecognized command")
        elif argument and verb in ALONE:
            self._say("501 unexpected argument data")
        elif run is Dialogue._helo and len(argument.split()) != 1:
            self._say(f"501 Syntactically invalid {verb} argument(s)")
        else:
            run(self, argument)
        self._last = verb

    def _helo(self, name: str) -> None:
        reply = self._talk.helo(name)
        client = self._talk.connection.client  # whose name the ACL may have found out
        self._refusals.clear()
        self._answer(reply, f"250 {self._hostname} Hello {client.name or name} [{client.address}]")

    def _mail(self, argument: str) -> None:
        found = FROM.fullmatch(argument)
        if self._talk.tx.sender is not None:
            self._say("503 sender already given")
        elif found is None:
            self._say("501 MAIL must have an address operand")
        else:
            self._refusals.clear()
            self._answer(self._talk.mail(found[1], tuple(found[2].split())), "250 OK")

    def _rcpt(self, argument: str) -> None:
        found = TO.fullmatch(argument)
        if self._talk.tx.sender is None:
            self._refuse_recipient("503 sender not yet given")
        elif found is None:
            self._refuse_recipient("501 RCPT must have an address operand")
        else:
            reply = self._talk.rcpt(found[1], tuple(found[2].split()))
            if reply.outcome is not Outcome.OK:
                self._refusals.append(reply.lines)
            self._answer(reply, "250 Accepted")

    def _refuse_recipient(self, text: str) -> None:
        self._refusals.append((text,))
        self._say(text)

    def _data(self, _: str) -> None:
        tx = self._talk.tx
        if not (tx.recipients or tx.deleted_recipients):
            self._no_recipients()
            return
        reply = self._talk.predata()
        self._answer(reply, '354 Enter message, ending with "." on a line by itself')
        if reply.outcome is Outcome.OK:
            self._message()

    def _no_recipients(self) -> None:
        if len(set(self._refusals)) == 1 and self._talk.connection.multiline:
            self._say("503-All RCPT commands were rejected with this error:")
            for line in self._refusals[0]:
                self._say(f"503-{line}")
        self._say(f"503 {'V' if self._last == 'RCPT' else 'v'}alid RCPT command must precede DATA")

    def _message(self) -> None:
        """Read up to the dot, as a milter would be given it, and judge it."""
        lines = list(self._until_dot())
        if self._over:
            return
        body = feed_headers(self._talk, lines)
        self._talk.end_of_headers()
        self._talk.body(b"".join(line + b"\r\n" for line in lines[body:]))
        self._messages += 1
        self._answer(self._talk.end_of_message(), f"250 OK id={self._messages}")
        self._talk.abort()
        self._refusals.clear()

    def _until_dot(self) -> Iterator[bytes]:
        """The lines of a message, without line ends and stuffed dots. A message that is cut off ends the dialogue."""
        for line in self._lines:
            text = line.removesuffix(b"\n").removesuffix(b"\r")
            if text == b".":
                return
            yield text[1:] if text.startswith(b".") else text
        self._talk.close(LOST)
        self._over = True

    def _rset(self, _: str) -> None:
        self._talk.abort()
        self._refusals.clear()
        self._say("250 Reset OK")

    def _noop(self, _: str) -> None:
        self._say("250 OK")

    def _quit(self, _: str) -> None:
        self._answer(self._talk.quit(), f"221 {self._hostname} closing connection")
        self._over = True

    def _answer(self, reply: Reply, default: str, fatal: bool = False) -> None:
        """What a server would say: the policy's text where it has one."""
        for line in rendered(reply) or [default]:
            self._say(line)
        refused = reply.outcome not in (Outcome.OK, Outcome.DISCARD)
        self._over = reply.outcome is Outcome.DROP or (fatal and refused)


COMMANDS = {
    "HELO": Dialogue._helo,
    "EHLO": Dialogue._helo,
    "MAIL": Dialogue._mail,
    "RCPT": Dialogue._rcpt,
    "DATA": Dialogue._data,
    "RSET": Dialogue._rset,
    "NOOP": Dialogue._noop,
    "QUIT": Dialogue._quit,
}


def feed_headers(talk: Conversation, lines: list[bytes]) -> int:
    """Give the header fields to the conversation; the number of the body's first line."""
    at = 0
    while at < len(lines):
        found = HEADER.fullmatch(lines[at])
        if found is None:
            return at + 1 if lines[at] == b"" else at  # a line that is no field begins the body
        end = at + 1
        while end < len(lines) and lines[end][:1] in (b" ", b"\t"):
            end += 1
        talk.header(found[1].decode("latin-1"), b"\n".join([found[2], *lines[at + 1 : end]]))
        at = end
    return at
