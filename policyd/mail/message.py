"""A message as it arrives: its header fields, and how many octets and lines it has. The body is mostly not kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO

from policyd.mail.arrived import BLANKS, NOTHING, Arrived, Field, Header
from policyd.mail.octets import lower

MAX_HEADER_TEXT = 65536  # octets that $h_name: yields at most
KEPT_IN_MEMORY = 1024 * 1024  # octets of a body that is kept; a larger one goes to a temporary file
LONGEST_LINE = 32766  # octets; what is longer counts as several lines
_ADDRESSES = ("from", "sender", "reply-to", "to", "cc", "bcc")
ADDRESS_HEADERS = frozenset([*_ADDRESSES, *[f"resent-{name}" for name in _ADDRESSES]])
"""Fields that hold address lists: several of one name are joined with a comma."""

POSITIONS = ("at_start", "after_received", "at_start_rfc", "at_end")
PLACE = re.compile(rf":({'|'.join(POSITIONS)}):", re.IGNORECASE | re.ASCII)
NAME = re.compile(r"[!-9;-~]+")  # of a field: RFC 5322 2.2
LINE_END = re.compile(r"\n(?![ \t])")  # but not before a continuation


@dataclass(slots=True)
class Message:
    """What has arrived so far, and what ACLs have added and removed. *counted*: the lines of its body are."""

    counted: bool = True
    arrived: Arrived = NOTHING  # the sender's fields
    removed: list[tuple[str, int]] = field(default_factory=list)  # (name, number from 1) of the sender's own fields
    size: int = 0  # octets, line ends counted as CRLF
    body_size: int = 0  # of these
    header_lines: int = 0  # of the sender's
    body_lines: int = 0
    complete: bool = False
    _order: list[Header | int] | None = None  # all fields, when there were changes; a number is a place in *arrived*
    _added: tuple[Header, ...] = ()  # those of ACLs
    _changed: frozenset[str] = frozenset()  # the keys of what was added and removed
    _kept: IO[bytes] | None = None

    def receive(self, fields: Iterable[Field]) -> None:
        """The next header fields of the sender's."""
        if self.arrived is NOTHING:
            self.arrived = Arrived()
        octets, lines = self.arrived.extend(fields)
        self.size += octets
        self.header_lines += lines

    def body(self, chunk: bytes) -> None:
        """The next part of the body."""
        self.size += len(chunk)
        self.body_size += len(chunk)
        if self.counted:
            self.body_lines += chunk.count(b"\n")
        if self._kept is not None:
            self._kept.write(chunk)

    def keep_body(self) -> None:
        """Keep what `body` will be given, for a policy that looks at it. `close` gives it up."""
        self._kept = SpooledTemporaryFile(max_size=KEPT_IN_MEMORY)  # noqa: SIM115 - closed with the message

    @property
    def kept_body(self) -> IO[bytes] | None:
        """The body from its first octet, if it has been kept; valid until the next use of this property."""
        if self._kept is not None:
            self._kept.seek(0)
        return self._kept

    def lines(self) -> Iterator[str]:
        """Every line of the header, of the sender's and of ACLs', and of the body if it was kept; without line ends."""
        for header in self.headers:
            yield from f"{header.name}:{header.value}".split("\n")
        yield ""
        body = self.kept_body
        while body is not None and (line := body.readline(LONGEST_LINE)):
            yield line.decode("latin-1").removesuffix("\n").removesuffix("\r")

    def close(self) -> None:
        """Give up a body that was kept."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    @property
    def headers(self) -> list[Header]:
        """All fields that there are now, in the order of the message."""
        arrived = self.arrived.headers()
        if self._order is None:
            return arrived
        return [arrived[one] if isinstance(one, int) else one for one in self._order]

    @property
    def additions(self) -> list[tuple[int, Header]]:
        """What ACLs have added, in the order of the message, each with its place in it."""
        order = self._now() if self._added else []
        return sorted([(order.index(header), header) for header in self._added])

    def find(self, name: str) -> list[Header]:
        """Every field of this name, in any case, in the order of the message."""
        wanted = lower(name)
        arrived = self.arrived.named(wanted)
        if wanted not in self._changed:
            return list(arrived.values())
        added = [header for header in self._added if header.key == wanted]
        if not arrived and len(added) < 2:
            return added
        mine = arrived | {header: header for header in added}
        return [mine[one] for one in self._now() if one in mine]

    def discard(self, unwanted: Iterable[Header]) -> None:
        """These very fields, as far as they are still there."""
        gone = set(unwanted)
        if not gone:
            return
        headers = self.headers
        self.removed += [(header.name, header.number) for header in headers if header in gone and header.number]
        self._order = [one for one, header in zip(self._now(), headers, strict=True) if header not in gone]
        self._added = tuple(header for header in self._added if header not in gone)
        self._changed |= {header.key for header in gone}

    def add(self, name: str, value: str, position: str) -> None:
        """A field of an ACL's, at one of `POSITIONS`."""
        header, order = Header(name, value, lower(name), 0, position), self._now()
        order.insert(self._index(order, position), header)
        self._order, self._added, self._changed = order, (*self._added, header), self._changed | {header.key}

    def _now(self) -> list[Header | int]:
        return list(range(len(self.arrived.all))) if self._order is None else self._order

    def _index(self, order: Sequence[Header | int], position: str) -> int:
        if position == "at_start":
            return 0
        if position == "at_end":
            return len(order)
        index = 0
        while index < len(order) and self._is_above(order[index], position):
            index += 1
        return index

    def _is_above(self, one: Header | int, position: str) -> bool:
        """Whether a field at *position* goes below this one."""
        if isinstance(one, Header) and one.added == "at_start":
            return True
        key = lower(self.arrived.all[one][0]) if isinstance(one, int) else one.key
        return key == "received" or (position == "at_start_rfc" and key.startswith("resent-"))


def added_lines(text: str) -> list[tuple[str, str]]:
    """The header lines in an ``add_header`` text, each with its position; lines without a name get one."""
    text = text.strip("\n")
    lines = LINE_END.split(text) if "\n" in text else [text]
    return [_placed(line) for line in lines if line]


def _placed(line: str) -> tuple[str, str]:
    found = PLACE.match(line)
    if found is None:
        return "at_end", _named(line)
    return lower(found[1]), _named(line[found.end() :].lstrip(BLANKS))


def _named(line: str) -> str:
    name, colon, _ = line.partition(":")
    return line if colon and NAME.fullmatch(name) else f"X-ACL-Warn: {line}"
