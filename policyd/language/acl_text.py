"""How the text of an ACL is cut: into logical lines, and a call into its words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policyd.language.escapes import unescape
from policyd.language.source import BLANKS, Piece, Source

BLANK = r"[ \t\r\n\v\f]*"
ARGUMENT = re.compile(rf'{BLANK}(?:"((?:[^"\\]|\\.)*)"?|([^ \t\r\n\v\f]+))', re.DOTALL)
MAX_ACL_ARGUMENTS = 9


def logical_lines(text: str, source: Source) -> Iterator[Source]:
    """The logical lines of an ACL that is written as one text: continuations and comments, but no macros."""
    pending = ""
    for number, line in enumerate(text.split("\n")):
        if line.lstrip(BLANKS).startswith("#"):
            continue
        pending += line.lstrip(BLANKS) if pending else line
        pending = pending.rstrip(BLANKS)
        if pending.endswith("\\") and line.strip(BLANKS):
            pending = pending[:-1]
            continue
        if pending.strip(BLANKS):
            where = source.where()
            yield Source.of(pending, where.file, where.line + (number if "\n" in source.text else 0))
        pending = ""
    if pending.strip(BLANKS):
        yield Source.of(pending, source.where().file, source.where().line)


def call_words(source: Source) -> Iterator[Source]:
    """The blank-separated words; double quotes group, and a backslash inside them escapes."""
    found = ARGUMENT.match(source.text)
    count = 0
    while found is not None and count <= MAX_ACL_ARGUMENTS:
        quoted = found[1]
        if quoted is not None and "\\" in quoted:
            yield Source(unescape(quoted), (Piece(0, source.where(found.start(1)), exact=False),))
        else:
            group = 2 if quoted is None else 1
            yield source.cut(found.start(group), found.end(group))
        count += 1
        found = ARGUMENT.match(source.text, found.end())
