"""``lsearch``: a text file of ``key: data`` lines. Its lines are what the other ``…lsearch`` types read, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policyd.language.escapes import unescape
from policyd.language.registry import lookup
from policyd.language.source import BLANKS
from policyd.mail.octets import lower
from policyd.transaction import Transaction

PURPOSE = "for linear search"
RETURN_FULL = "ret=full"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a file. *full* is all of it, the key without its quotes; *data* what follows key and colon."""

    key: str
    full: str
    data: str

    def answer(self, options: tuple[str, ...]) -> str:
        """What a lookup gives when this is the entry it wants."""
        return self.full if RETURN_FULL in options else self.data


@lookup("lsearch", style="file", options=(RETURN_FULL,))
def _lsearch(tx: Transaction, path: str, key: str, options: tuple[str, ...]) -> str | None:
    """The data of the first line that has the key, letters compared without case.

    A line is a key, a colon or blanks, and data. A key with a colon or a blank
    in it stands in double quotes. A line that begins with a blank continues the
    one before. Empty lines, and those that begin with ``#``, are comments; one
    inside an entry ends its data.

    ``ret=full``: the key comes with its data, as in the file.
    """
    entry = tx.services.files.parsed(path, index, PURPOSE).get(lower(key))
    return None if entry is None else entry.answer(options)


def index(text: str) -> dict[str, Entry]:
    """Entries by lower-case key; of several with one key the first counts."""
    found: dict[str, Entry] = {}
    for entry in entries(text):
        found.setdefault(lower(entry.key), entry)
    return found


def entries(text: str) -> Iterator[Entry]:
    """Every entry of a file, in its order."""
    entry: Entry | None = None
    open_ = False  # whether the next line may continue it
    for line in text.split("\n"):
        content = line.rstrip(BLANKS)
        if not content or content.startswith("#"):
            open_ = False
        elif content[0] in BLANKS:
            if entry is not None and open_:
                more = " " + content.lstrip(BLANKS)
                entry = Entry(entry.key, entry.full + more, entry.data + more)
        else:
            if entry is not None:
                yield entry
            entry, open_ = _entry(content), True
    if entry is not None:
        yield entry


def _entry(line: str) -> Entry:
    """Key and data: the key ends at a colon or a blank, or is quoted."""
    if line.startswith('"'):
        end = _closing_quote(line)
        key, rest = unescape(line[1:end]), line[end + 1 :]
    else:
        end = next((at for at, c in enumerate(line) if c == ":" or c in BLANKS), len(line))
        key, rest = line[:end], line[end:]
    return Entry(key, key + rest, rest.lstrip(BLANKS).removeprefix(":").lstrip(BLANKS))


def _closing_quote(line: str) -> int:
    at = 1
    while at < len(line) and line[at] != '"':
        at += 2 if line[at] == "\\" else 1
    return min(at, len(line))
