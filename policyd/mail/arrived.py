"""A header as it arrived. Most of its fields are never looked at: only one that is becomes a `Header`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policyd.mail.octets import lower

BLANKS = " \t\r\n\v\f"
Field = tuple[str, str]
"""Name and value of a header field: all after the colon, without the last line end."""


@dataclass(slots=True, eq=False)
class Header:
    """One header field; it does not change. *value* is everything after the colon, folding newlines included, without
    the last one.

    *number* counts the sender's own fields of one name from 1; *added* is the
    position at which an ACL put one of its own. *key*: the name in lower case.
    """

    name: str
    value: str
    key: str
    number: int = 0
    added: str = ""

    @property
    def text(self) -> str:
        """The value without the blanks around it."""
        return self.value.strip(BLANKS)


def _key(name: str) -> str:
    return lower(name).rstrip(" \t")


class Arrived:
    """The sender's fields, from the top.

    *keys*: their names in lower case, and without blanks before the colon; *places*: where those of each key are.
    """

    __slots__ = ("_named", "all", "keys", "places")

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self.all: list[Field] = []
        self.keys: list[str] = []
        self.places: dict[str, list[int]] = {}
        self._named: dict[str, dict[int, Header]] = {}
        if fields:
            self.extend(fields)

    def extend(self, fields: Iterable[Field]) -> tuple[int, int]:
        """The next ones. Returns how many octets they have, line ends as CRLF, and how many lines."""
        before = len(self.all)
        self.all += fields
        new = self.all[before:]
        if not new:
            return 0, 0
        names, values = map("".join, columns := tuple(zip(*new, strict=True)))
        is_usual = names.isascii() and " " not in names and "\t" not in names
        self.keys += map(str.lower if is_usual else _key, columns[0])
        places = self.places
        for place, key in enumerate(self.keys[before:], before):
            if key in places:
                places[key].append(place)
            else:
                places[key] = [place]
        self._named.clear()
        lines = values.count("\n") + len(new)
        return len(names) + len(values) + lines + 2 * len(new), lines  # a colon and CRLF of each

    def named(self, key: str) -> dict[int, Header]:
        """Those whose name is *key* in lower case, by their places: the same objects each time."""
        if key in self._named:
            return self._named[key]
        places = self.places.get(key.rstrip(" \t"))
        if places is None:
            return {}
        found = self._named[key] = {}
        for place in places:
            name, value = self.all[place]
            if lower(name) == key:
                found[place] = Header(name, value, key, len(found) + 1)
        return found

    def headers(self) -> list[Header]:
        """All of them."""
        return [self.named(lower(name))[place] for place, (name, _) in enumerate(self.all)]


NOTHING = Arrived()
"""What every message begins with. Nobody may add to it."""
