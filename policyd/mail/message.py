"""A message as it arrives: its header fields, and how many octets and lines it has. The body is mostly not kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO

from policyd.mail.octets import lower

MAX_HEADER_TEXT = 65536  # octets that $h_name: yields at most
KEPT_IN_MEMORY = 1024 * 1024  # octets of a body that is kept; a larger one goes to a temporary file
LONGEST_LINE = 32766  # octets; what is longer counts as several lines
_ADDRESSES = ("from", "sender", "reply-to", "to", "cc", "bcc")
ADDRESS_HEADERS = frozenset([*_ADDRESSES, *[f"resent-{name}" for name in _ADDRESSES]])
"""Fields that hold address lists: several of one name are joined with a comma."""

POSITIONS = ("at_start", "after_received", "at_start_rfc", "at_end")
BLANKS = " \t\r\n\v\f"
NAME = re.compile(r"[!-9;-~]+")  # of a field: RFC 5322 2.2
LINE_END = re.compile(r"\n(?![ \t])")  # but not before a continuation


@dataclass(slots=True, eq=False)
class Header:
    """One header field; it does not change. *value* is everything after the colon, folding newlines included, without
    the last one.

    *number* counts the sender's own fields of one name from 1; *added* is the
    position at which an ACL put one of its own. *key*: the name in lower case.
    """

    name: str
    value: str
    key: str
    number: int = 0
    added: str = ""

    @property
    def text(self) -> str:
        """The value without the blanks around it."""
        return self.value.strip(BLANKS)


@dataclass(slots=True)
class Message:
    """What has arrived so far, and what ACLs have added and removed. *counted*: the lines of its body are."""

    counted: bool = True
    headers: list[Header] = field(default_factory=list)
    removed: list[tuple[str, int]] = field(default_factory=list)  # (name, number from 1) of the sender's own fields
    size: int = 0  # octets, line ends counted as CRLF
    body_size: int = 0  # of these
    header_lines: int = 0  # of the sender's
    body_lines: int = 0
    complete: bool = False
    _numbers: dict[str, int] = field(default_factory=dict)  # of the sender's fields, by the keys of all there were
    _kept: IO[bytes] | None = None

    def receive(self, fields: Iterable[tuple[str, str]]) -> None:
        """The next header fields of the sender's, names and values."""
        numbers, headers = self._numbers, self.headers
        octets = lines = 0
        for name, value in fields:
            key = lower(name)
            number = numbers[key] = numbers.get(key, 0) + 1
            headers.append(Header(name, value, key, number))
            lines += value.count("\n") + 1
            octets += len(name) + len(value) + 2
        self.header_lines += lines
        self.size += octets + lines

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

    def find(self, name: str) -> list[Header]:
        """Every field of this name, in any case, in the order of the message."""
        wanted = lower(name)
        if wanted not in self._numbers:
            return []
        return [header for header in self.headers if header.key == wanted]

    def discard(self, unwanted: Iterable[Header]) -> None:
        """These very fields, as far as they are still there."""
        gone = set(unwanted)
        if not gone:
            return
        self.removed += [(header.name, header.number) for header in self.headers if header in gone and header.number]
        self.headers = [header for header in self.headers if header not in gone]

    def add(self, name: str, value: str, position: str) -> None:
        """A field of an ACL's, at one of `POSITIONS`."""
        key = lower(name)
        self._numbers.setdefault(key, 0)
        self.headers.insert(self._index(position), Header(name, value, key, added=position))

    def _index(self, position: str) -> int:
        if position == "at_start":
            return 0
        if position == "at_end":
            return len(self.headers)
        index = 0
        while index < len(self.headers) and self.headers[index].added == "at_start":
            index += 1
        while index < len(self.headers) and _is_trace(self.headers[index], position):
            index += 1
        return index


def _is_trace(header: Header, position: str) -> bool:
    """Whether a field at *position* goes below this one."""
    return header.key == "received" or (position == "at_start_rfc" and header.key.startswith("resent-"))


def added_lines(text: str) -> list[tuple[str, str]]:
    """The header lines in an ``add_header`` text, each with its position; lines without a name get one."""
    return [_placed(line) for line in LINE_END.split(text.strip("\n")) if line]


def _placed(line: str) -> tuple[str, str]:
    for position in POSITIONS:
        if lower(line).startswith(f":{position}:"):
            return position, _named(line[len(position) + 2 :].lstrip(BLANKS))
    return "at_end", _named(line)


def _named(line: str) -> str:
    name, colon, _ = line.partition(":")
    return line if colon and NAME.fullmatch(name) else f"X-ACL-Warn: {line}"
