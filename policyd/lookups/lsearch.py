"""``lsearch``: a text file of ``key: data`` lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from policyd.language.parser import unescape
from policyd.language.registry import lookup
from policyd.language.source import BLANKS
from policyd.mail.octets import lower
from policyd.transaction import Transaction


@lookup("lsearch", style="single")
def _lsearch(tx: Transaction, path: str, key: str, _: tuple[str, ...]) -> str | None:
    """The data of the first line with this key, letters compared without case."""
    return index(tx.read_file(path)).get(lower(key))


@lru_cache(maxsize=64)
def index(text: str) -> dict[str, str]:
    """Data by lower-case key; of several lines with one key the first counts."""
    found: dict[str, str] = {}
    for key, data in entries(text):
        found.setdefault(lower(key), data)
    return found


def entries(text: str) -> Iterator[tuple[str, str]]:
    """Keys with their data, continuation lines joined by one blank.

    Empty lines and comments are skipped, inside an entry too.
    """
    key: str | None = None
    parts: list[str] = []
    for line in text.split("\n"):
        if not line.strip(BLANKS) or line.startswith("#"):
            continue
        if line[0] in BLANKS:
            parts.append(line.strip(BLANKS))
            continue
        if key is not None:
            yield key, " ".join(part for part in parts if part)
        key, data = _split(line)
        parts = [data]
    if key is not None:
        yield key, " ".join(part for part in parts if part)


def _split(line: str) -> tuple[str, str]:
    """Key and data: the key ends at a colon or a blank, or is quoted."""
    if line.startswith('"'):
        end = _closing_quote(line)
        key, rest = unescape(line[1:end]), line[end + 1 :]
    else:
        end = next((at for at, c in enumerate(line) if c == ":" or c in BLANKS), len(line))
        key, rest = line[:end], line[end:]
    return key, rest.lstrip(BLANKS).removeprefix(":").strip(BLANKS)


def _closing_quote(line: str) -> int:
    at = 1
    while at < len(line) and line[at] != '"':
        at += 2 if line[at] == "\\" else 1
    return min(at, len(line))
