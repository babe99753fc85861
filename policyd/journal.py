"""The log: lines on standard error, for systemd's journal or a terminal.

Plain ``os.write``: one call per line, so that lines of several processes do
not mix, and no buffer that a killed process would take with it.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

LONGEST = 4000  # octets of a line; a pipe keeps writes of up to 4096 whole (PIPE_BUF)
PRIORITIES = {"main": "<6>", "reject": "<5>", "panic": "<3>"}  # info, notice, err: sd-daemon(3)
LABELS = {"main": "", "reject": "reject: ", "panic": "panic: "}


class Journal:
    """Implements `policyd.transaction.Log`. Never raises for what a line contains, nor when nobody reads it."""

    def __init__(self, descriptor: int = 2, *, journald: bool | None = None) -> None:
        """*journald*: mark lines with priorities; by default, where the journal is what reads them."""
        self._descriptor = descriptor
        self._marks = PRIORITIES if (_read_by_journald(descriptor) if journald is None else journald) else LABELS
        self._last = ""  # in the main log

    def write(self, target: str, text: str) -> None:
        """One line, without a line end; octets as latin-1 characters.

        What the reject log repeats of the main log's last line is there already.
        """
        if target == "reject" and text == self._last:
            return
        if target == "main":
            self._last = text
        line = self._marks[target] + printable(text)
        try:
            os.write(self._descriptor, line.encode() + b"\n")
        except OSError:
            return  # the reader is gone or its disk is full: mail goes on, and there is nobody left to tell


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
