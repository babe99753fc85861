"""What the clients of a mail server do, good and bad: connections of a few transactions each, and how those may end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from benchmark.messages import RECIPIENT, Sample
from benchmark.packs import CHUNK
from milter_client import MilterClient
from soak.tally import End, Tally

PATIENCE = 30.0  # seconds, as of Postfix: milter_command_timeout
ANSWERS = {"continue": "accept", "accept": "accept", "discard": "discard", "tempfail": "defer", "reject": "reject"}

PLAIN = "From: <{author}>\r\nTo: <{to}>\r\nSubject: soak\r\nMessage-ID: <{id}@soak.example>\r\n{more}"


@dataclass(frozen=True)
class Kind:
    """One kind of transaction. *may*: how it may end, where no worker is killed."""

    name: str
    weight: int
    may: frozenset[str]
    sender: str = ""  # {n}: a number that nobody has had; empty: a signed message of a domain of the benchmark
    author: str = ""
    more: str = ""  # of the header
    recipients: tuple[str, ...] = (RECIPIENT,)
    stop: str = ""  # where the client breaks off, if it does


def kind(name: str, weight: int, may: str, **values: str | tuple[str, ...]) -> Kind:
    """*may*: words."""
    return Kind(name, weight, frozenset(may.split()), **values)  # type: ignore[arg-type]


MANY = (RECIPIENT, "a@soak.example", "who@nobody.example", "b@soak.example", "nil@nobody.example")
QUIET = "a@busy.soak.example"  # whose domain publishes nothing
FRESH, STRICT = "a@r{n}.wild.soak.example", "b@r{n}.strict.soak.example"

KNOWN = (  # from clients that SPF allows
    kind("signed", 40, "accept defer"),
    kind("several recipients", 14, "accept defer", recipients=MANY),
    kind("unheard-of domain", 14, "accept defer", sender=FRESH, author=FRESH),
    kind("blocked sender", 6, "reject", sender="c@spam.example", author="c@spam.example"),
    kind("DMARC reject", 8, "reject defer", sender="a@plain.soak.example", author=STRICT),
    kind("DMARC, by a list", 4, "quarantine defer", sender="a@plain.soak.example", author=STRICT,
         more="List-Id: <list.soak.example>\r\n"),
    kind("RSET", 5, "abort defer", stop="rcpt"),
    kind("aborted body", 4, "abort defer", stop="body"),
    kind("vanished in the body", 3, "abort defer", stop="vanish"),
    kind("vanished before the answer", 1, "unknown defer", stop="unheard"),
    kind("vanished before MAIL", 1, "nothing defer", stop="helo"),
)  # fmt: skip

BUSY = (
    kind("too many connections", 1, "accept defer", sender=QUIET, author=QUIET),
)  # of a client that connects more often than it may

FORGED = (  # from elsewhere
    kind("SPF fail", 3, "reject defer", sender=FRESH, author=FRESH),
    kind("blocked sender", 1, "reject", sender="c@spam.example", author="c@spam.example"),
)

VANISH = ("vanish", "unheard", "helo")
NUMBERS = count()


class Client:
    """One connection from an MTA, on behalf of *address*; every wait is measured, and has an end.

    *pause*: seconds after each transaction.
    """

    def __init__(self, at: str, tally: Tally, sample: Sample, address: str, pause: float) -> None:
        self._at, self._tally, self._pause = at, tally, pause
        self._sample, self._address = sample, address
        self.phase = "connect"

    def run(self, kinds: Sequence[Kind]) -> None:
        """Transactions one after the other, while there is a connection."""
        self._kind, self._begun = kinds[0], time.monotonic()
        try:
            with MilterClient(self._at, timeout=PATIENCE) as self._mta:
                if refused := self._greet():
                    self._ended(End(outcome(refused), "connect", refused))
                    return
                for self._kind in kinds:
                    self._ended(self._transaction())
                    time.sleep(self._pause)
                    self._begun = time.monotonic()
                    if self._kind.stop in VANISH:
                        return
                self._mta.send("Q")
        except TimeoutError as error:
            self._ended(End("hung", self.phase, repr(error)))
        except OSError as error:
            self._ended(End("cut", self.phase, repr(error)))

    def _ended(self, end: End) -> None:
        self._tally.ended(self._kind.name, self._kind.may, self._begun, end)

    # -- commands

    def _ask(self, phase: str, command: str, *words: str) -> str:
        """Empty when all is well, else the reply."""
        return self._timed(
            phase, lambda: self._mta.ask(command, "".join(f"{word}\0" for word in words).encode("latin-1"))
        )

    def _timed(self, phase: str, ask: Callable[[], str]) -> str:
        self.phase, begun = phase, time.monotonic()
        try:
            answer = ask()
        finally:
            self._tally.answered(phase, time.monotonic() - begun)
        return "" if answer == "continue" else answer

    def _greet(self) -> str:
        """Connect and HELO; the refusal, if there is one."""
        sample = self._sample
        self._mta.macros("C", j="mx.soak.example", daemon_addr="127.0.0.1", daemon_port="25", v="Postfix 3.7.11")
        self._tally.connected()
        refused = self._timed("connect", lambda: self._mta.connect(self._address, 20000, sample.client_name))
        return refused or self._ask("helo", "H", sample.helo)

    def _transaction(self) -> End:
        kind = self._kind
        if kind.stop == "helo":
            return End("nothing", "helo")
        number = f"{next(NUMBERS):x}"
        self._mta.edits.clear()
        sender = kind.sender.format(n=number) or self._sample.sender
        if refused := self._ask("mail", "M", f"<{sender}>", "SIZE=500000"):
            return self._refused("mail", refused)
        accepted = [self._recipient(each) for each in kind.recipients]
        if not any(accepted):
            return self._refused("rcpt", "550 nobody")
        if kind.stop == "rcpt":
            return self._aborted("rcpt")
        if refused := self._ask("predata", "T"):
            return self._refused("predata", refused)
        return self._content(kind, number)

    def _recipient(self, path: str) -> bool:
        answer = self._ask("rcpt", "R", f"<{path}>")
        action = outcome(answer)
        self._tally.recipient(action, answer)
        return action == "accept"

    def _content(self, kind: Kind, number: str) -> End:
        fields, body = self._message(kind, number)
        for name, value in fields:
            self._ask("header", "L", name, value)
        self._mta.macros("N", i=f"4Q{number}")
        self._ask("eoh", "N")
        for start in range(0, len(body), CHUNK):
            self._mta.ask("B", body[start : start + CHUNK])
            if kind.stop in ("body", "vanish"):
                return self._aborted("body") if kind.stop == "body" else End("abort", "body")
        self._mta.macros("E", i=f"4Q{number}")
        if kind.stop == "unheard":
            self._mta.send("E")
            return End("unknown", "eom")
        answer = self._ask("eom", "E")
        held = any(letter == "q" for letter, _ in self._mta.edits)
        return End("quarantine" if held else outcome(answer), "eom", answer)

    def _message(self, kind: Kind, number: str) -> tuple[list[tuple[str, str]], bytes]:
        if not kind.author:
            return self._sample.fields, self._sample.body
        author = kind.author.format(n=number)
        text = PLAIN.format(author=author, to=RECIPIENT, id=number, more=kind.more)
        fields = [(name, value) for name, _, value in (line.partition(":") for line in text.splitlines())]
        return fields, b"A body of a few words.\r\n" * 40

    def _aborted(self, phase: str) -> End:
        self._mta.send("A")
        return End("abort", phase)

    def _refused(self, phase: str, answer: str) -> End:
        """MTAs end a transaction that was refused."""
        self._mta.send("A")
        return End(outcome(answer), phase, answer)


def outcome(answer: str) -> str:
    """Of a reply: accept, reject, defer or discard."""
    if not answer:
        return "accept"
    return ANSWERS.get(answer) or {"5": "reject", "4": "defer"}[answer[0]]
