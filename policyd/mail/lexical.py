"""What header fields are made of: quoted strings and comments, RFC 5322 3.2. All in linear time."""

from __future__ import annotations

import re

QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
PAIR = re.compile(r"\\(.)", re.DOTALL)
COMMENT_OR_QUOTE = re.compile(r'[("]')
COMMENT_PART = re.compile(r"[^()\\]++|\\.|[()\\]", re.DOTALL)


def quoted_end(text: str, at: int) -> int:
    """Where the quoted string that begins at *at* ends; 0 when it does not."""
    found = QUOTED.match(text, at)
    return found.end() if found else 0


def comment_end(text: str, at: int) -> int:
    """Where the comment that begins at *at* ends; comments nest. 0 when it does not."""
    depth = 0
    for part in COMMENT_PART.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        if depth == 0:
            return part.end()
    return 0


def uncommented(text: str) -> str:
    """*text* with a blank for each comment; from where one does not end, as it is."""
    parts, at = [], 0
    while found := COMMENT_OR_QUOTE.search(text, at):
        quoted = found[0] == '"'
        end = (quoted_end if quoted else comment_end)(text, found.start())
        if not end:
            break
        parts.append(text[at:end] if quoted else text[at : found.start()] + " ")
        at = end
    return "".join(parts) + text[at:]


def unquoted(text: str) -> str:
    """What a quoted string, or a part of one, stands for."""
    return PAIR.sub(r"\1", text)
