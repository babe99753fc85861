"""Canonical forms of messages: RFC 6376 3.4, which ARC shares.

What is hashed are octets, and only CRLF ends a line: so the MTAs deliver a body
to a milter, whatever its sender sent. A CR or LF alone is data like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from policyd.mail.octets import lower
from policyd.values import value_class

SIMPLE, RELAXED = "simple", "relaxed"
CRLF = b"\r\n"
EMPTY_LINES = 4096  # written at a time: a body of nothing else is not collected in memory

Write = Callable[[bytes], None]
Field = tuple[str, str]
"""Name and value of a header field: all after the colon, folds as LF or CRLF, one character per octet."""


def compressed(octets: bytes) -> bytes:
    """Every run of blanks as one space. Some searches are faster than one pass with a pattern, by far.

    Fastest of all is the one for a single octet: Base64, which large bodies mostly are, has no blanks.
    """
    if b"\t" in octets:
        octets = octets.replace(b"\t", b" ")
    if b" " in octets:
        while b"  " in octets:
            octets = octets.replace(b"  ", b" ")
    return octets


# -- header


class Fields:
    """The header of a message as it arrived, for any number of signatures: each form of a field is made once."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self.all: Sequence[Field] = tuple(fields)
        self._places: dict[str, list[int]] = {}
        self._forms: dict[tuple[int, str], bytes] = {}
        for place, (name, _) in enumerate(self.all):
            self._places.setdefault(lower(name.rstrip(" \t")), []).append(place)

    def places(self, name: str) -> list[int]:
        """Where the fields of this name are, from the top, in any case."""
        return self._places.get(lower(name), [])

    def selected(self, names: Iterable[str], method: str, own: int | None = None) -> list[bytes]:
        """What ``h=`` names, canonical: of several fields of one name the lowest first (RFC 6376 5.4.2).

        A name for which there is no field, or no further one, stands for nothing. *own*: the place of the signature
        itself, which is never among them (RFC 6376 3.5).
        """
        left: dict[str, int] = {}  # how many fields of each name are not taken yet
        found: list[bytes] = []
        for name in names:
            key = lower(name)
            places = self._places.get(key, ())
            left[key] = left.get(key, len(places)) - 1
            if left[key] >= 0 and places[left[key]] == own:
                left[key] -= 1
            if left[key] >= 0:
                found.append(self.form(places[left[key]], method))
        return found

    def form(self, place: int, method: str) -> bytes:
        """One field, canonical, with its CRLF."""
        key = place, method
        if key not in self._forms:
            self._forms[key] = canonical_field(self.all[place], method)
        return self._forms[key]


def canonical_field(field: Field, method: str) -> bytes:
    """One header field, with its CRLF: RFC 6376 3.4.1 and 3.4.2."""
    name, value = field[0].encode("latin-1"), field[1].encode("latin-1").replace(CRLF, b"\n")
    if method == SIMPLE:
        return name + b":" + value.replace(b"\n", CRLF) + CRLF
    return name.rstrip(b" \t").lower() + b":" + compressed(value.replace(b"\n", b"")).strip(b" ") + CRLF


# -- body


class _Lines:
    """Writes octets on, but keeps back the empty lines at the end: at the end of a body they do not count."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._empty = 0  # CRLFs kept back; the first may belong to a line with text
        self.any = False  # whether anything was written

    def write(self, octets: bytes) -> None:
        end = _start_of_line_ends(octets)
        if end:
            while self._empty:
                some = min(self._empty, EMPTY_LINES)
                self._write(CRLF * some)
                self._empty -= some
            self._write(octets[:end])
            self.any = True
        self._empty += (len(octets) - end) // 2


def _start_of_line_ends(octets: bytes) -> int:
    """Where the CRLFs begin that *octets* end with."""
    start = len(octets.rstrip(CRLF))
    ends = octets[start:]
    if ends == CRLF or not ends:
        return start
    if not ends.endswith(CRLF):
        return len(octets)
    return start + max(ends.rfind(b"\r\r"), (b"\n" + ends).rfind(b"\n\n")) + 1  # behind the last that is alone


class SimpleBody:
    """RFC 6376 3.4.3: a body as it is, but for empty lines at its end. There is always one CRLF."""

    def __init__(self, write: Write) -> None:
        self._lines = _Lines(write)
        self._write = write
        self._held = b""  # a CR whose LF may follow

    def feed(self, chunk: bytes) -> None:
        """The next part, cut anywhere."""
        octets = self._held + chunk
        self._held = b"\r" if octets.endswith(b"\r") else b""
        self._lines.write(octets[:-1] if self._held else octets)

    def finish(self) -> None:
        """The end of the body."""
        self._lines.write(self._held)
        self._write(CRLF)


class RelaxedBody:
    """RFC 6376 3.4.4: runs of blanks are one space, none at the end of a line; an empty body is nothing."""

    def __init__(self, write: Write) -> None:
        self._lines = _Lines(write)
        self._write = write
        self._held = b""  # blanks that a CRLF may follow, and a CR whose LF may follow

    def feed(self, chunk: bytes) -> None:
        """The next part, cut anywhere."""
        octets = self._held + chunk
        cr = b"\r" if octets.endswith(b"\r") else b""
        whole = octets[:-1] if cr else octets
        text = whole.rstrip(b" \t")
        self._held = (b" " if len(text) < len(whole) else b"") + cr
        text = compressed(text)
        self._lines.write(text.replace(b" \r\n", CRLF) if b" " in text else text)

    def finish(self) -> None:
        """The end of the body."""
        self._lines.write(self._held if self._held.endswith(b"\r") else b"")
        if self._lines.any:
            self._write(CRLF)


BODIES: dict[str, type[SimpleBody | RelaxedBody]] = {SIMPLE: SimpleBody, RELAXED: RelaxedBody}


@value_class
class BodyMethod:
    """How a body is hashed. *length*: only so many of its canonical octets (``l=``); None: all."""

    canonicalization: str
    algorithm: str
    length: int | None = None


@value_class
class BodyHash:
    """A body's hash, and how many canonical octets it has, hashed or not."""

    digest: bytes
    octets: int


class BodyHashes:
    """Hashes one body in several ways while it arrives, in constant memory."""

    def __init__(self) -> None:
        self._streams: dict[str, SimpleBody | RelaxedBody] = {}
        self._octets: dict[str, int] = {}
        self._hashes: dict[BodyMethod, Any] = {}
        self._finished = False

    def want(self, method: BodyMethod) -> None:
        """Hash in this way, too. Only before the body."""
        name = method.canonicalization
        self._hashes.setdefault(method, hashlib.new(method.algorithm, usedforsecurity=False))  # SHA-1, where it must be
        if name not in self._streams:
            self._octets[name] = 0
            self._streams[name] = BODIES[name](lambda octets: self._update(name, octets))

    def feed(self, chunk: bytes) -> None:
        """The next part of the body, cut anywhere."""
        for stream in self._streams.values():
            stream.feed(chunk)

    def result(self, method: BodyMethod) -> BodyHash:
        """What came of it; the body ends here. KeyError for what was not wanted."""
        if not self._finished:
            self._finished = True
            for stream in self._streams.values():
                stream.finish()
        return BodyHash(self._hashes[method].digest(), self._octets[method.canonicalization])

    def _update(self, name: str, octets: bytes) -> None:
        before = self._octets[name]
        for method, digest in self._hashes.items():
            if method.canonicalization == name:
                left = None if method.length is None else max(method.length - before, 0)
                digest.update(octets if left is None or left >= len(octets) else octets[:left])
        self._octets[name] = before + len(octets)
