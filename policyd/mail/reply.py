"""SMTP replies: the code a message may carry, and how long texts are split into lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

CODE = re.compile(r"([0-9]{3})\s(?:([0-9]\.[0-9]{1,3}\.[0-9]{1,3})\s)?")
BLANKS = " \t\r\n\v\f"
WIDTH = 75  # a longer message is split
LEAST = 35  # but not before this column


@dataclass(frozen=True, slots=True)
class ReplyText:
    """A reply in its parts. *enhanced* is empty when the message gave none; *complaint* says what was wrong with it.

    The client is told the `reply_lines` of *text*.
    """

    code: int
    enhanced: str
    text: str
    complaint: str = ""


def reply_text(default: int, message: str) -> ReplyText:
    """Take an ACL message apart: ``[code [enhanced]] text``.

    A code of another class than *default* is dropped, and its text kept.
    """
    found = CODE.match(message)
    if found is None:
        return ReplyText(default, "", message)
    text, expected = message[found.end() :], str(default)[0]
    if found[1][0] == expected:
        return ReplyText(int(found[1]), found[2] or "", text)
    complaint = f'configured error code starts with incorrect digit (expected {expected}) in "{message}"'
    return ReplyText(default, "", text, complaint)


def reply_lines(text: str, multiline: bool = True) -> tuple[str, ...]:
    """The lines of *text* as a reply shows them; only the first without *multiline*.

    Blanks around a line end go, and with them empty lines after the first.
    """
    lines = []
    while True:
        line, newline, text = text.partition("\n")
        lines.append(line)
        if not (newline and text and multiline):
            return tuple(lines)
        text = text.lstrip(BLANKS)


def split(message: str) -> str:
    """Newlines put into a message that is too wide: at a blank after a colon, else at the last blank that fits."""
    if len(message) <= WIDTH:
        return message
    text, start = list(message), 0
    while True:
        end = message.find("\n", start, start + WIDTH)
        if end >= 0:
            start = end + 1
            continue
        if start + WIDTH >= len(message):
            break
        at = _break(message, start)
        if at < 0:
            break
        text[at] = "\n"
        start = at + 1
    return "".join(text)


def _break(message: str, start: int) -> int:
    """Where to break a line that begins at *start*; -1 when it cannot be broken."""
    last = message.rfind(" ", start + LEAST + 1, start + WIDTH + 1)
    after_colon = message.rfind(": ", start + LEAST, start + WIDTH + 1)
    if after_colon >= 0 and after_colon + 1 <= start + WIDTH:
        return after_colon + 1
    if last >= 0:
        return last
    found = re.compile("[ \n]").search(message, start + WIDTH + 1)
    return found.start() if found else -1
