"""An explanation: what it says, as octets and as text."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from policyd.journal import printable
from policyd.mail.octets import printable as escaped

MAX_VALUE = 300  # octets of one value


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a command was refused, or mail discarded: text, no longer octets.

    *time* in seconds since 1970; *story* and *dns* line by line; *inputs* by name.
    """

    identity: str
    time: float
    phase: str
    verdict: str  # as in Exim's log: what was rejected, and why
    reply: str
    where: str
    client: str
    source: str  # who told its address
    helo: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    queue_id: str = ""
    policy: str = ""  # the digest of the policy that judged
    acl: str = ""  # which one ran: what acl_smtp_… says, or acl_check_…
    story: tuple[str, ...] = ()
    inputs: dict[str, str] = field(default_factory=dict)
    dns: tuple[str, ...] = ()

    def encoded(self) -> bytes:
        """As it is stored."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return zlib.compress(json.dumps(values).encode(), 1)

    @classmethod
    def decoded(cls, stored: bytes) -> Explanation:
        """From what is stored. Raises ValueError where that makes no sense."""
        try:
            values = json.loads(zlib.decompress(stored))
            lists = {name: tuple(values[name]) for name in ("recipients", "story", "dns")}
            return cls(**{**values, **lists})
        except (zlib.error, TypeError, KeyError, ValueError) as error:
            raise ValueError(f"not an explanation: {error}") from None

    def lines(self) -> Iterator[str]:
        """For reading; UTF-8, one character per octet."""
        return (line.encode().decode("latin-1") for line in self._lines())

    def summary(self) -> str:
        """The same in one line."""
        return f"{self.identity}  {self._when()}  {self.verdict} ({self.where})".encode().decode("latin-1")

    def _when(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime(self.time))

    def _lines(self) -> Iterator[str]:
        yield f"{self.identity}  {self._when()}  {self.queue_id}".rstrip()
        yield self.verdict
        yield f"reply: {self.reply}"
        yield f"decided by: {self.where}"
        if self.acl and self.where != "-":
            yield f"ACL: {self.acl}, at {self.phase}"
        yield f"client: {self.client}, as told by {self.source}"
        yield from (f"{name}: {value}" for name, value in self._envelope() if value)
        yield from _section("what was evaluated", self.story)
        yield from _section("values", [f"{name} = {value}" for name, value in self.inputs.items()])
        yield from _section("DNS", self.dns)

    def _envelope(self) -> Iterator[tuple[str, str]]:
        yield "HELO", self.helo
        yield "sender", self.sender
        yield "recipients", ", ".join(self.recipients)
        yield "policy", self.policy


def _section(title: str, lines: tuple[str, ...] | list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in lines)


def shown(value: str) -> str:
    """*value*, octets, as text that is fit to be kept, and to be shown: on one line, printable, and not too long."""
    kept = printable(escaped(value[:MAX_VALUE]))
    return kept if len(value) <= MAX_VALUE else f"{kept} … ({len(value)} octets)"
