"""How the items of a list are scanned for a subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from policyd.errors import Defer
from policyd.language.frame import Context
from policyd.language.index import Items, ListItem

Matcher = Callable[[Any, Any], str | None]
"""What a match leaves behind (``$domain_data`` …), or None for no match. Raises `Defer` or `Unknown`.

What the item that matched is worth is also in ``frame.matched``, even when ``!`` turned the match into a no.
"""

MODES = {
    "+include_unknown": ("unknown", True),
    "+ignore_unknown": ("unknown", False),
    "+include_defer": ("defer", True),
    "+ignore_defer": ("defer", False),
}
"""Items of a host list that say what becomes of later items which cannot be decided: they match, or are passed over."""

CAPTURING = ("domain", "local_part", "string")  # the kinds that set $0, $1 …


class Unknown(Exception):  # noqa: N818 - it says something about the world
    """Whether an item matches cannot be known: a host has no name, or a name no address. Stays inside a list."""


def found(ctx: Context, matches: Matcher, subject: Any) -> tuple[str | None, str | None]:
    """What *matches* says of *subject*, and what the item that matched is worth, be the answer yes or no."""
    ctx.frame.matched = None
    value = matches(ctx, subject)
    return value, ctx.frame.matched


def search(kind: str, items: Items, ctx: Context, subject: Any) -> str | None:
    """`scan` for a whole list: what was captured before is forgotten, if lists of this *kind* capture anything."""
    if kind in CAPTURING:
        ctx.frame.captures = ()
    return scan(items.relevant(subject), ctx, subject)


def searcher(kind: str, items: Items) -> Matcher:
    """`search` in items that never change; most lists have neither files nor modes, and cost less."""
    if not items.plain:
        return lambda ctx, subject: search(kind, items, ctx, subject)
    few, relevant, capturing = items.few, items.relevant, kind in CAPTURING
    otherwise = "" if items.ends_negated else None

    def match(ctx: Context, subject: Any) -> str | None:
        if capturing:
            ctx.frame.captures = ()
        for item in relevant(subject) if few is None else few:
            try:
                value = item.match(ctx, subject)
            except Unknown as error:
                return _undecided(ctx, False, f"{error}")
            if value is not None:
                ctx.frame.matched = value
                return None if item.negated else value
        return otherwise

    return match


def scan(items: Iterable[ListItem], ctx: Context, subject: Any) -> str | None:
    """The first item that matches decides; after a last negative item, everything else matches."""
    modes: dict[str, bool] = {}
    negated = False
    for item, sense in _flat(items, ctx, subject):
        if item.mode:
            about, include = MODES[item.mode]
            modes[about] = include
            continue
        negated = sense
        try:
            value = item.match(ctx, subject)
        except Unknown as error:
            if modes.get("unknown", True):
                return _undecided(ctx, "unknown" in modes, f"{error}")
            continue
        except Defer as error:
            if "defer" not in modes:
                raise
            if modes["defer"]:
                ctx.log(f"{error}: accepted by +include_defer")
                return ""
            continue
        if value is not None:
            ctx.frame.matched = value
            return None if negated else value
    return "" if negated else None


def _flat(items: Iterable[ListItem], ctx: Context, subject: Any) -> Iterator[tuple[ListItem, bool]]:
    """Each item, and whether its match means no. After a file come its lines; ``!`` before it turns each round."""
    for item in items:
        yield item, item.negated  # a file itself matches nothing, but counts as an item when it is empty
        if item.lines is not None:
            for line in _lines(item.lines, ctx, subject):
                yield line, line.negated is not item.negated


def _lines(lines: Callable[[Context], Items], ctx: Context, subject: Any) -> Iterable[ListItem]:
    try:
        return lines(ctx).relevant(subject)
    except Defer as error:
        return (ListItem(_deferring(error)),)


def _deferring(error: Defer) -> Matcher:
    def match(_: Context, __: Any) -> str | None:
        raise error

    return match


def _undecided(ctx: Context, include: bool, reason: str) -> str | None:
    """What an item that cannot be decided makes of the list: no, or yes after ``+include_unknown``."""
    if include:
        ctx.log(f"{reason}: accepted by +include_unknown")
        return ""
    if ctx.trace:
        ctx.trace((f"list matching forced to fail: {reason}", None))
    return None
