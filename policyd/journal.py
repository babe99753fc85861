"""The log: lines on standard error, for systemd's journal or a terminal, or in a file.

Plain ``os.write``: one call per line, so that lines of several processes do
not mix, and no buffer that a killed process would take with it.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

LONGEST = 4000  # octets of a line; a pipe keeps writes of up to 4096 whole (PIPE_BUF)
PRIORITIES = {"main": "<6>", "reject": "<5>", "panic": "<3>"}  # info, notice, err: sd-daemon(3)
LABELS = {"main": "", "reject": "reject: ", "panic": "panic: "}
SHORTER = (1000, 200, 40, 10)  # octets of a value, until an object is a line that is not too long
FEWER = 10  # of a list whose values had to become shorter


class Decided(Protocol):
    """A decision, as the log's formats want it; text has octets as latin-1 characters."""

    def facts(self) -> Mapping[str, Any]:
        """Names and values: strings, numbers, lists of strings."""

    def line(self) -> str:
        """All of it as text."""

    def arrival(self) -> str:
        """Exim's line for a message that is accepted; else nothing."""


@dataclass(frozen=True, slots=True)
class Style:
    """How lines look. *form*: ``policyd``, ``exim`` or ``json``. *file*: where they go; empty: standard error.

    *selector*: ``pid`` and ``millisec``, as in Exim, for lines that begin with a time.
    """

    form: str = "policyd"
    file: str = ""
    selector: frozenset[str] = frozenset()


class Journal:
    """Implements `policyd.transaction.Log`. Never raises for what a line contains, nor when nobody reads it."""

    def __init__(self, descriptor: int = 2, *, journald: bool | None = None) -> None:
        """*journald*: mark lines with priorities; by default, where the journal is what reads them."""
        self._descriptor = descriptor
        self._journald = _read_by_journald(descriptor) if journald is None else journald
        self._last = ""  # in the main log
        self._lock = Lock()  # of the file
        self._file: tuple[int, os.stat_result] | None = None
        self._lost = False  # whether it has been said that the file cannot be written
        self._style = Style()
        self._settled = False

    def settle(self, style: Style) -> None:
        """Write lines of that *style* from now on. The first time counts: a file has lines of one kind."""
        if not self._settled:
            self._style, self._settled = style, True

    def write(self, target: str, text: str) -> None:
        """One line, without a line end; octets as latin-1 characters.

        What the reject log repeats of the main log's last line is there already.
        """
        if target == "reject" and text == self._last:
            return
        if target == "main":
            self._last = text
        self._put(target, self._line(target, text))

    def decided(self, decision: Decided) -> None:
        """What became of a command or a message. What was refused has its line already, where lines are Exim's."""
        if self._style.form == "json":
            self._put("main", _object("decision", decision.facts()))
        elif line := decision.arrival() if self._style.form == "exim" else decision.line():
            self.write("main", line)

    def _line(self, target: str, text: str) -> str:
        if self._style.form == "json":
            return _object("line", {"log": target, "text": text})
        return printable(text)

    def _put(self, target: str, text: str) -> None:
        if not (self._style.file and self._filed(target, text)):
            self._show(target, text)

    def _show(self, target: str, text: str) -> None:
        """A line on standard error."""
        marks = PRIORITIES if self._journald else {} if self._style.form == "json" else LABELS
        stamp = "" if self._journald or self._style.form != "exim" else self._stamp()
        try:
            os.write(self._descriptor, f"{marks.get(target, '')}{stamp}{text}\n".encode())
        except OSError:
            return  # the reader is gone or its disk is full: mail goes on, and there is nobody left to tell

    def _filed(self, target: str, text: str) -> bool:
        """Whether the line is in the file: it may not be possible to open it, or the disk is full."""
        head = "" if self._style.form == "json" else f"{self._stamp()}{LABELS[target]}"
        line = f"{head}{text}\n".encode()
        with self._lock:
            try:
                whole = os.write(self._opened(), line) == len(line)
            except OSError as error:
                self._miss(error)
                return False
            self._lost = self._lost and not whole
            return whole

    def _miss(self, error: OSError) -> None:
        if not self._lost:
            self._lost = True
            text = f"log_file {self._style.file}: {error.strerror}: lines come here instead"
            self._show("panic", self._line("panic", text))

    def _opened(self) -> int:
        """The file's descriptor; opened again when somebody has moved or removed the file. Raises OSError."""
        path = self._style.file
        if self._file is not None:
            try:
                if os.path.samestat(os.stat(path), self._file[1]):
                    return self._file[0]
            except FileNotFoundError:
                pass
            os.close(self._file[0])
            self._file = None
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
        self._file = descriptor, os.fstat(descriptor)
        return descriptor

    def _stamp(self) -> str:
        """The local time, as Exim writes it, and a blank."""
        now, chosen = time.time(), self._style.selector
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        millisec = f".{int(now * 1000) % 1000:03}" if "millisec" in chosen else ""
        return f"{stamp}{millisec} " + (f"[{os.getpid()}] " if "pid" in chosen else "")


def _object(event: str, facts: Mapping[str, Any]) -> str:
    """A line of JSON, ASCII alone; its values become shorter until it is not too long."""
    now = time.time()
    begin = {"time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03}Z"}
    texts = {name: _decoded(value) for name, value in facts.items()}
    line = json.dumps({**begin, "event": event, **texts})
    for most in SHORTER:
        if len(line) <= LONGEST:
            break
        line = json.dumps({**begin, "event": event, **{name: _shortened(value, most) for name, value in texts.items()}})
    return line


def _decoded(value: Any) -> Any:
    """Octets as text: UTF-8, else what is not becomes ``\\xNN``."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, str):
        return value
    return value.encode("latin-1", "backslashreplace").decode("utf-8", "backslashreplace")


def _shortened(value: Any, most: int) -> Any:
    if isinstance(value, list):
        return [_shortened(item, most) for item in value[:FEWER]]
    return f"{value[:most]}..." if isinstance(value, str) and len(value) > most else value


def _read_by_journald(descriptor: int) -> bool:
    """Whether systemd connected *descriptor* to its journal, by what systemd.exec(5) says of JOURNAL_STREAM."""
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def printable(text: str) -> str:
    """*text*, octets as latin-1 characters, on one line: UTF-8 stays, else what does not print becomes ``\\xNN``."""
    if len(text) > LONGEST:
        text = text[: LONGEST - 3] + "..."
    if text.isascii() and text.isprintable():
        return text
    octets = text.encode("latin-1", "backslashreplace")
    decoded = octets.decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else _escaped(c) for c in decoded)
    return shown if len(shown.encode()) <= LONGEST else shown.encode()[: LONGEST - 3].decode(errors="ignore") + "..."


def _escaped(character: str) -> str:
    return "".join(f"\\x{octet:02x}" for octet in character.encode())


def report(write: Callable[[str, str], None], doing: str, error: BaseException) -> None:
    """An unexpected exception and its traceback, a line each, to the panic log through *write*, a `Log`'s."""
    write("panic", f"unexpected error in {doing}")
    for lines in traceback.format_exception(error):
        for line in lines.splitlines():
            write("panic", f"  {line}".encode("utf-8", "backslashreplace").decode("latin-1"))
