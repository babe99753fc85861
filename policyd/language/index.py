"""The items of a list, indexed: of thousands, those that cannot match a subject are never looked at.

An item that its text makes comparable says what a subject must have (`Key`).
Whatever else an item is (a regular expression, a lookup, a name that DNS is asked
for …) is looked at in its turn, so that a list means what it means item by item.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policyd.language.frame import Context
    from policyd.language.scanning import Matcher

FEW = 8  # items with keys: as many are compared sooner than found

Aspect = Callable[[Any], Hashable]
"""``of(subject)``: what of a subject is compared; None where it has no such thing. One object per way to compare."""


@dataclass(frozen=True, slots=True)
class Key:
    """What an item says of the subjects that it can match: their *of* is *value*, never None."""

    of: Aspect
    value: Hashable


@dataclass(frozen=True, slots=True)
class ListItem:
    """One item: what it matches, and whether ``!`` stands before it.

    A *mode* matches nothing; a file stands for its *lines*. With a *key*, nothing
    but a subject that fits it is matched, and asking has no other effect.
    """

    match: Matcher
    negated: bool = False
    mode: str = ""
    lines: Callable[[Context], Items] | None = None
    key: Key | None = None


class Items:
    """Items in their order. *item* gives the one at a place, for those that are looked at.

    *plain*: no mode and no file is among them. *few*: all of them, where no subject is spared any. *ends_negated*:
    the last one, which every subject comes to, has ``!``.
    """

    def __init__(self, keys: Sequence[Key | None], item: Callable[[int], ListItem]) -> None:
        self._item = item
        self._places: dict[Aspect, dict[Hashable, list[int]]] = {}
        few = sum(key is not None for key in keys) <= FEW
        last = max((place for place, key in enumerate(keys) if key), default=-1)  # it may decide without a match
        self._rest: dict[int, ListItem] = {}
        for place, key in enumerate(keys):
            if key is not None and not few:
                self._places.setdefault(key.of, {}).setdefault(key.value, []).append(place)
            if key is None or few or place == last:
                self._rest[place] = item(place)
        self._unkeyed = tuple(self._rest.values())
        self.plain = not any(item.mode or item.lines for item in self._unkeyed)
        self.few = None if self._places else self._unkeyed
        self.ends_negated = bool(self._unkeyed) and self._unkeyed[-1].negated

    @classmethod
    def of(cls, items: Iterable[ListItem]) -> Items:
        """*items*, all of them made already."""
        made = tuple(items)
        return cls([item.key for item in made], made.__getitem__)

    def relevant(self, subject: Any) -> Iterable[ListItem]:
        """In their order, at least the items that may match *subject*, and the last one that is not a mode."""
        if not self._places:
            return self._unkeyed
        places = [place for of, values in self._places.items() for place in values.get(of(subject), ())]
        if not places:
            return self._unkeyed
        rest = self._rest
        return (rest[place] if place in rest else self._item(place) for place in sorted({*places, *rest}))
