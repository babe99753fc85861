"""``wildlsearch``: a text file whose keys are patterns, expanded before they are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial

from policyd.errors import Defer, ExpansionError, ForcedFail, PolicyError, Where
from policyd.language.again import expansion
from policyd.language.compiler import Compiler
from policyd.language.index import ListItem
from policyd.language.lists import compile_item
from policyd.language.registry import COMPUTED, lookup
from policyd.language.scanning import scan
from policyd.language.source import BLANKS
from policyd.lookups.lsearch import PURPOSE, RETURN_FULL, Entry, entries
from policyd.mail.octets import lower
from policyd.transaction import Transaction

SPECIAL = ("!", "^", "*", "/")  # how an item begins that is not text alone
MAX_ITEMS = 10_000  # expanded keys kept compiled

Placed = tuple[int, Entry]  # an entry and its place in the file
Item = Callable[[Transaction], ListItem]


@dataclass(slots=True)
class Keys:
    """The keys of a file: texts and endings found at once, all others tried in turn, the first in the file first."""

    texts: dict[str, Placed] = field(default_factory=dict)
    endings: dict[int, dict[str, Placed]] = field(default_factory=dict)  # by how long they are
    others: list[tuple[int, Entry, Item]] = field(default_factory=list)

    def first(self, tx: Transaction, key: str) -> Entry | None:
        """The first entry whose key matches. Raises `Defer`."""
        best = self._at_once(lower(key))
        for place, entry, item in self.others:
            if best is not None and place > best[0]:
                break
            if scan((item(tx),), tx, key) is not None:
                return entry
        return best and best[1]

    def _at_once(self, key: str) -> Placed | None:
        found = [self.texts.get(key), *(self.endings[size].get(key[len(key) - size :]) for size in self.endings)]
        return min(filter(None, found), key=lambda placed: placed[0], default=None)


@lookup("wildlsearch", style="file", options=(RETURN_FULL,), needs=COMPUTED)
def _wildlsearch(tx: Transaction, path: str, key: str, options: tuple[str, ...]) -> str | None:
    """The data of the first line whose key, as an item of a list, matches.

    A file like that of ``lsearch``. Each of its keys is expanded, and is then
    text (letters compared without case), ``*`` and the end of a text, ``^`` and
    a regular expression, or ``type;data``, another lookup; ``!`` before it
    means what it does not match. One that cannot be expanded is a deferral.
    What a regular expression captures is forgotten, and what was captured
    before.

    ``ret=full``: the line's key, not expanded, comes with its data.
    """
    return search(tx, path, key, options, expanded_keys)


def search(tx: Transaction, path: str, key: str, options: tuple[str, ...], parser: Callable[[str], Keys]) -> str | None:
    """The answer of the first entry whose key matches *key*; *parser* reads the file."""
    keys = tx.services.files.parsed(path, parser, PURPOSE)
    captures = tx.frame.captures
    entry = keys.first(tx, key)
    tx.frame.captures = captures if entry is None else ()
    return None if entry is None else entry.answer(options)


def expanded_keys(text: str) -> Keys:
    """The keys of a ``wildlsearch`` file."""
    return read_keys(entries(text), lambda entry: _expanded if set(entry.key) & {"$", "\\"} else None)


def read_keys(found: Iterable[Entry], expander: Callable[[Entry], Callable[[Transaction, str], str] | None]) -> Keys:
    """Sort entries by how their keys are compared; *expander* says how a key is expanded, if it needs that."""
    keys = Keys()
    for place, entry in enumerate(found):
        expand = expander(entry)
        key = lower(entry.key.strip(BLANKS))
        if expand is not None:
            keys.others.append((place, entry, partial(_computed, entry.key, expand)))
        elif key.startswith("*"):
            keys.endings.setdefault(len(key) - 1, {}).setdefault(key[1:], (place, entry))
        elif key.startswith(SPECIAL) or ";" in key:
            keys.others.append((place, entry, partial(_constant, entry.key)))
        else:
            keys.texts.setdefault(key, (place, entry))
    return keys


def _computed(key: str, expand: Callable[[Transaction, str], str], tx: Transaction) -> ListItem:
    return _item(expand(tx, key).strip(BLANKS))


def _constant(key: str, _: Transaction) -> ListItem:
    return _item(key.strip(BLANKS))


def _expanded(tx: Transaction, key: str) -> str:
    try:
        return expansion(key)(tx)
    except (ExpansionError, ForcedFail) as error:
        raise Defer(f'failed to expand key "{key}": {error}') from None


@lru_cache(maxsize=MAX_ITEMS)
def _item(text: str) -> ListItem:
    """What a key matches. Raises `Defer` for one that is no item."""
    try:
        return compile_item("string", text, Where("", 0), Compiler())
    except PolicyError as error:
        raise Defer(error.problems[0].message) from None
