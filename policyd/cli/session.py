"""``policyd session``: an SMTP dialogue from standard input, judged as the daemon would judge it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from ipaddress import ip_address

import click

from policyd import config, words
from policyd.cli.options import complain, pairs
from policyd.cli.world import services, show
from policyd.conversation import Conversation, Reply
from policyd.errors import PolicyError
from policyd.language.verdict import Outcome
from policyd.transaction import Client

PATH_COMMAND = re.compile(r"(?:FROM|TO)[ \t]*:[ \t]*(<[^>]*>|[^ \t]+)[ \t]*(.*)", re.IGNORECASE | re.DOTALL)
HEADER = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
ENDPOINT = re.compile(r"(?:\[([^\]]+)\]|([^:]*))(?::([0-9]+))?|([0-9A-Fa-f:]+)")


class Dialogue:
    """A very small SMTP server around a `Conversation`."""

    def __init__(self, talk: Conversation, hostname: str, lines: Iterator[bytes]) -> None:
        self._talk = talk
        self._hostname = hostname
        self._lines = lines
        self._over = False
        self._refusals: list[str] = []  # of the recipients of this message
        self._messages = 0

    def run(self, client: Client) -> None:
        """Greet the client, then answer until QUIT, a drop, or the end of the input."""
        self._answer(self._talk.connect(client), f"220 {self._hostname} ESMTP policyd", fatal=True)
        for line in self._lines:
            if self._over:
                break
            self._command(line.decode("latin-1"))
        self._talk.close()

    def _command(self, line: str) -> None:
        name, _, argument = line.strip(" \t\r\n").partition(" ")
        run = COMMANDS.get(name.upper())
        if run is None:
            self._say("500 unrecognized command")
        else:
            run(self, argument.strip(" \t"))

    def _helo(self, name: str) -> None:
        client = self._talk.connection.client
        reply = self._talk.helo(name)
        self._refusals = []
        self._answer(reply, f"250 {self._hostname} Hello {name} [{client.address}]")

    def _mail(self, argument: str) -> None:
        found = PATH_COMMAND.fullmatch(argument)
        if self._talk.tx.sender is not None:
            self._say("503 sender already given")
        elif found is None:
            self._say("501 MAIL must have an address operand")
        else:
            self._refusals = []
            self._answer(self._talk.mail(found[1], tuple(found[2].split())), "250 OK")

    def _rcpt(self, argument: str) -> None:
        found = PATH_COMMAND.fullmatch(argument)
        if self._talk.tx.sender is None:
            self._say("503 sender not yet given")
        elif found is None:
            self._say("501 RCPT must have an address operand")
        else:
            reply = self._talk.rcpt(found[1], tuple(found[2].split()))
            self._refusals += rendered(reply)[-1:] if reply.outcome is not Outcome.OK else ()
            self._answer(reply, "250 Accepted")

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
        if len(set(self._refusals)) == 1:
            self._say("503-All RCPT commands were rejected with this error:")
            self._say(f"503-{self._refusals[0]}")
            self._say("503 Valid RCPT command must precede DATA")
        else:
            self._say("503 valid RCPT command must precede DATA")

    def _message(self) -> None:
        """Read up to the dot, as a milter would be given it, and judge it."""
        lines = list(self._until_dot())
        body = _feed_headers(self._talk, lines)
        self._talk.end_of_headers()
        self._talk.body(b"".join(line + b"\r\n" for line in lines[body:]))
        self._messages += 1
        self._answer(self._talk.end_of_message(), f"250 OK id={self._messages}")
        self._talk.abort()
        self._refusals = []

    def _until_dot(self) -> Iterator[bytes]:
        for line in self._lines:
            text = line.rstrip(b"\r\n")
            if text == b".":
                return
            yield text[1:] if text.startswith(b".") else text

    def _rset(self, _: str) -> None:
        self._talk.abort()
        self._refusals = []
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

    def _say(self, line: str) -> None:
        sys.stdout.buffer.write(line.encode("latin-1") + b"\n")
        sys.stdout.buffer.flush()


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


def rendered(reply: Reply) -> list[str]:
    """The lines of a reply; none where the policy has nothing to say."""
    prefix = f"{reply.enhanced} " if reply.enhanced else ""
    last = len(reply.lines) - 1
    return [f"{reply.code}{' ' if n == last else '-'}{prefix}{line}" for n, line in enumerate(reply.lines)]


def _feed_headers(talk: Conversation, lines: list[bytes]) -> int:
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


def endpoint(text: str) -> tuple[str, int]:
    """``IP``, ``IP:PORT`` or ``[IPv6]:PORT``, as address and port (0 where none is given)."""
    found = ENDPOINT.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT")
    host = found[1] or found[2] or found[4] or ""
    try:
        return str(ip_address(host)), int(found[3] or 0)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(help="Judge an SMTP dialogue from standard input; the log and the trace go to standard error.")
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="A file, a conf.d directory, or a tree.")
@click.option("--client", required=True, metavar="IP[:PORT]", help="Who is talking; IPv6 as [ADDRESS]:PORT.")
@click.option("--client-name", default="", metavar="NAME", help="The client's name, as an MTA would have verified it.")
@click.option("--local", default="", metavar="IP:PORT", help="The server's side of the connection.")
@click.option("--zone", "zones", multiple=True, metavar="FILE", help="Answer all DNS from this master file, offline.")
@click.option("--macro", "macros", multiple=True, metavar="NAME=VALUE", help="A milter macro, such as auth_type=PLAIN.")
@click.option("--trace", is_flag=True, help="Show every statement and condition with its result.")
def command(**options: str) -> None:
    """Run the dialogue. Exit status 1 when the configuration cannot be used."""
    words.load()
    try:
        policy = config.load(options["path"])
        world = services(policy.settings, options["zones"])
    except PolicyError as error:
        complain(error.problems)
        sys.exit(1)
    complain(policy.warnings)
    talk = Conversation(policy, world, (lambda text: show(f"TRACE: {text}")) if options["trace"] else None)
    talk.macros.update({name.strip("{}"): value for name, value in pairs(options["macros"])})
    address, port = endpoint(options["client"])
    local, local_port = endpoint(options["local"]) if options["local"] else ("", 0)
    client = Client(ip_address(address), port, options["client_name"], local, local_port)
    Dialogue(talk, policy.settings.primary_hostname, iter(sys.stdin.buffer.readline, b"")).run(client)
