"""Authentication-Results fields, RFC 8601: written so that nothing breaks out of them, read so that nothing hides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from policyd.mail.lexical import comment_end, quoted_end, unquoted
from policyd.mail.octets import visible
from policyd.values import value_class

FIELD = "Authentication-Results"

MAX_VALUE = 255
MAX_COMMENT = 200
MAX_READ = 65536  # octets in which a field has to say whose it is
MAX_LINE = 900  # RFC 5322 2.1.1 allows 998; the longest property has to fit, too
MOST = 4096  # results that are remembered as text
LONGEST = 1024  # characters of one

TOKEN = re.compile(r"[!#-'*+\-.0-9A-Z^-~]+")  # RFC 2045 5.1
ADDRESS = re.compile(r"(?:[!#-'*+\-0-9A-Z^-~]+(?:\.[!#-'*+\-0-9A-Z^-~]+)*)?@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
READ_TOKEN = re.compile(r"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]+")  # the same, and octets above 127 (RFC 6532)
SPECIAL = re.compile(r'["\\]')
NUMBER = re.compile(r"[0-9]+", re.ASCII)
RUN = re.compile(r'[ \t\r\n]++|[^ \t\r\n";(]++')

_Key = tuple[str, str, tuple[tuple[str, str], ...], str]
_KNOWN: dict[_Key, str] = {}
"""What has been written, by what it says."""


@value_class
class AuthResult:
    """What one method said. *properties*: pairs such as ``("header.d", "example.org")``; empty ones are left out."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    comment: str = ""

    @property
    def parts(self) -> list[str]:
        """The words of the result, which blanks may separate."""
        parts = [f"{self.method}={self.result}"]
        if self.comment:
            parts.append(commented(self.comment[:MAX_COMMENT]))
        for name, value in self.properties:
            if value:
                parts.append(f"{name}={written(value[:MAX_VALUE])}")
        return parts


def authentication_results(authserv_id: str, results: Iterable[AuthResult]) -> str:
    """The whole field, folded, without its last line end."""
    texts = [f"{FIELD}: {_name(authserv_id[:MAX_VALUE])}", *map(_folded, results)]
    return ";\n\t".join(texts) if len(texts) > 1 else f"{texts[0]}; none"  # RFC 8601 2.2, no-result


def _folded(result: AuthResult) -> str:
    """One result, as its lines: the same one comes with many messages."""
    key = result.method, result.result, result.properties, result.comment
    known = _KNOWN.get(key)
    return _remembered(key, _lines(result)) if known is None else known


def _remembered(key: _Key, text: str) -> str:
    """*text*, for the next time, unless nobody should keep so much."""
    method, outcome, properties, comment = key
    if len(method) + len(outcome) + len(comment) + sum(len(value) for _, value in properties) <= LONGEST:
        if len(_KNOWN) >= MOST:
            _KNOWN.clear()
        _KNOWN[key] = text
    return text


def _lines(result: AuthResult) -> str:
    """One result on one line, or on as many as it needs."""
    parts = result.parts
    line = " ".join(parts)
    if len(line) <= MAX_LINE:
        return line
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) > MAX_LINE:
            lines.append("")
        lines[-1] += f" {part}" if lines[-1] else part
    return "\n\t\t".join(lines)


def commented(text: str) -> str:
    """A comment out of which nothing breaks."""
    return "(" + visible(text).replace("(", "[").replace(")", "]").replace("\\", "/") + ")"


@lru_cache(maxsize=4096)  # mostly domains, selectors and addresses that come again
def written(value: str) -> str:
    """The value of a property (``pvalue``): an address may stand as it is."""
    text = plain(value, MAX_VALUE)
    return text if ADDRESS.fullmatch(text) else value_of(text)


@lru_cache(maxsize=16)  # this host has one, or a few
def _name(authserv_id: str) -> str:
    return value_of(authserv_id)


def value_of(text: str) -> str:
    """A ``value`` of RFC 2045: as it is, where it is a token, or else as a quoted string."""
    text = plain(text, MAX_VALUE)
    return text if TOKEN.fullmatch(text) else '"' + SPECIAL.sub(r"\\\g<0>", text) + '"'


def plain(text: str, limit: int) -> str:
    """Printable ASCII, and not too much of it, whatever somebody else put into *text*."""
    return visible(text[:limit])


# -- reading


def claimed_ids(value: str) -> tuple[str, ...]:
    """Whose results a field says it has: every reading of its authserv-id (RFC 8601 2.5); none when there is none.

    A version may follow, comments may stand everywhere, the name may be quoted
    or, against the RFC, in pieces.
    """
    words = list(filter(None, _first_words(value[:MAX_READ])))
    if not words:
        return ()
    joined = "".join(words[: next((at for at, word in enumerate(words) if at and NUMBER.fullmatch(word)), None)])
    readings = (found[0] for text in (words[0], joined) if (found := READ_TOKEN.match(text)))
    return tuple(dict.fromkeys(readings))


def _first_words(value: str) -> Iterator[str]:
    """The words up to the first semicolon, comments left out and quotes taken off; some are empty."""
    at, word = 0, ""
    while at < len(value) and value[at] != ";":
        end = {"(": comment_end, '"': quoted_end}.get(value[at], _run_end)(value, at)
        if not end:  # it is never closed
            break
        text = value[at:end]
        if text[0] in ' \t\r\n("':
            yield word
            word = ""
            if text[0] == '"':
                yield unquoted(text[1:-1])
        else:
            word += text
        at = end
    yield word


def _run_end(value: str, at: int) -> int:
    found = RUN.match(value, at)
    return found.end() if found else 0
