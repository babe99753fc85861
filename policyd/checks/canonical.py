"""Canonical forms of messages: RFC 6376 3.4, which ARC shares.

What is hashed are octets, and only CRLF ends a line: so the MTAs deliver a body
to a milter, whatever its sender sent. A CR or LF alone is data like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from policyd.mail.arrived import Arrived, Field
from policyd.mail.octets import lower
from policyd.values import value_class

SIMPLE, RELAXED = "simple", "relaxed"
CRLF = b"\r\n"
HASHES: dict[str, Callable[..., Any]] = {  # what makes one, with the first octets or without
    "sha256": hashlib.sha256,
    "sha1": partial(hashlib.sha1, usedforsecurity=False),  # where it must be
}
EMPTY_LINES = 4096  # written at a time: a body of nothing else is not collected in memory

Write = Callable[[bytes], None]


def compressed(octets: bytes) -> bytes:
    """Every run of blanks as one space. Some searches are faster than one pass with a pattern, by far."""
    octets = octets.replace(b"\t", b" ")
    while octets.find(b"  ") >= 0:  # not "in", which takes bytes for a number first, and has to think again
        octets = octets.replace(b"  ", b" ")
    return octets


# -- header


class Fields:
    """The header of a message as it arrived, for any number of signatures: each form of a field is made once."""

    def __init__(self, fields: Iterable[Field] | Arrived) -> None:
        arrived = fields if isinstance(fields, Arrived) else Arrived(fields)
        self.all, self._keys, self._places = arrived.all, arrived.keys, arrived.places
        self._forms: dict[str, dict[int, bytes]] = {SIMPLE: {}, RELAXED: {}}

    def places(self, name: str) -> Sequence[int]:
        """Where the fields of a name are, from the top. *name*: in lower case."""
        return self._places.get(name, ())

    def selected(self, names: Iterable[str], method: str, own: int | None = None) -> list[bytes]:
        """What ``h=`` names, in lower case, canonical: of several fields of one name the lowest first (RFC 6376 5.4.2).

        A name for which there is no field, or no further one, stands for nothing. *own*: the place of the signature
        itself, which is never among them (RFC 6376 3.5).
        """
        left: dict[str, int] = {}  # how many fields of each name are not taken yet
        found: list[int] = []
        for name in names:
            places = self._places.get(name)
            if places is None:
                continue
            number = left.get(name, len(places)) - 1
            if number >= 0 and places[number] == own:
                number -= 1
            if number >= 0:
                found.append(places[number])
            left[name] = number
        return self.forms(found, method)

    def forms(self, places: Sequence[int], method: str) -> list[bytes]:
        """The fields at these places, canonical, each with its CRLF."""
        known, found = self._forms[method], []
        for place in places:
            form = known.get(place)
            if form is None:
                name, value = self.all[place]
                form = _simple(name, value) if method == SIMPLE else _relaxed(self._keys[place], value)
                known[place] = form
            found.append(form)
        return found


def canonical_field(field: Field, method: str) -> bytes:
    """One header field, with its CRLF."""
    name, value = field
    return _simple(name, value) if method == SIMPLE else _relaxed(lower(name.rstrip(" \t")), value)


def _simple(name: str, value: str) -> bytes:
    """RFC 6376 3.4.1."""
    value = value.replace("\r\n", "\n").replace("\n", "\r\n")
    return f"{name}:{value}\r\n".encode("latin-1")


def _relaxed(key: str, value: str) -> bytes:
    """RFC 6376 3.4.2. Most values have nothing that needs to be changed, and looking for it is cheap."""
    if "\n" in value:
        value = value.replace("\r\n", "").replace("\n", "")
    if "\t" in value:
        value = value.replace("\t", " ")
    while "  " in value:
        value = value.replace("  ", " ")
    return f"{key}:{value.strip(' ')}\r\n".encode("latin-1")


# -- body


class _Body:
    """Writes a body on, but keeps back the empty lines at the end: at the end of a body they do not count."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._held = b""  # of the last part, what the next one decides about
        self._empty = 0  # CRLFs kept back; the first may belong to a line with text
        self._any = False  # whether anything was written

    def _write_lines(self, octets: bytes) -> None:
        text = _before_line_ends(octets)
        if text:
            while self._empty:
                some = min(self._empty, EMPTY_LINES)
                self._write(CRLF * some)
                self._empty -= some
            self._write(text)
            self._any = True
        self._empty += (len(octets) - len(text)) // 2


def _before_line_ends(octets: bytes) -> bytes:
    """*octets* without the CRLFs that they end with."""
    text = octets.rstrip(CRLF)
    ends = octets[len(text) :]
    if ends == CRLF or not ends:
        return text
    if not ends.endswith(CRLF):
        return octets
    alone = max(ends.rfind(b"\r\r"), (b"\n" + ends).rfind(b"\n\n"))  # the last that is
    return octets[: len(text) + alone + 1]


class SimpleBody(_Body):
    """RFC 6376 3.4.3: a body as it is, but for empty lines at its end. There is always one CRLF."""

    def feed(self, chunk: bytes) -> None:
        """The next part, cut anywhere."""
        octets = self._held + chunk
        text = octets.removesuffix(b"\r")  # its LF may follow
        self._held = octets[len(text) :]
        self._write_lines(text)

    def finish(self) -> None:
        """The end of the body."""
        if self._held:
            self._write_lines(self._held)
        self._write(CRLF)


class RelaxedBody(_Body):
    """RFC 6376 3.4.4: runs of blanks are one space, none at the end of a line; an empty body is nothing."""

    def feed(self, chunk: bytes) -> None:
        """The next part, cut anywhere."""
        octets = self._held + chunk
        whole = octets.removesuffix(b"\r")  # its LF may follow
        text = whole.rstrip(b" \t")  # and a CRLF the blanks
        self._held = (b" " if len(text) < len(whole) else b"") + octets[len(whole) :]
        if text.find(b" ") >= 0 or text.find(b"\t") >= 0:  # Base64, which large bodies mostly are, has neither
            text = compressed(text).replace(b" \r\n", CRLF)
        self._write_lines(text)

    def finish(self) -> None:
        """The end of the body."""
        if self._held.endswith(b"\r"):
            self._write_lines(self._held)
        if self._any:
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


class _Form:
    """One canonical form of a body: how many octets it has, and its hashes, by algorithm and `BodyMethod.length`."""

    def __init__(self) -> None:
        self.octets = 0
        self.hashes: dict[tuple[str, int | None], Any] = {}

    def write(self, octets: bytes) -> None:
        """The next octets."""
        for (_, length), digest in self.hashes.items():
            digest.update(octets if length is None else octets[: max(length - self.octets, 0)])
        self.octets += len(octets)


class BodyHashes:
    """Hashes one body in several ways while it arrives, in constant memory."""

    def __init__(self) -> None:
        self._forms: dict[str, _Form] = {}
        self._streams: dict[str, SimpleBody | RelaxedBody] = {}
        self._finished = False

    def want(self, method: BodyMethod) -> None:
        """Hash in this way, too. Only before the body."""
        name = method.canonicalization
        if name not in self._forms:
            self._forms[name] = form = _Form()
            self._streams[name] = BODIES[name](form.write)
        self._forms[name].hashes.setdefault((method.algorithm, method.length), HASHES[method.algorithm]())

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
        form = self._forms[method.canonicalization]
        return BodyHash(form.hashes[method.algorithm, method.length].digest(), form.octets)
