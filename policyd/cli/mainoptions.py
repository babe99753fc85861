"""The manual of the main options, from their table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field
from enum import Enum
from typing import Any

from policyd.durations import UNITS
from policyd.settings import OPTIONS, Kind

SIZES = {"G": 1 << 30, "M": 1 << 20, "K": 1 << 10}

HEAD = """\
# Main options

`NAME = VALUE`, in the main section of a file. Printed by `policyd words --options`; `policyd words NAME` prints one.
A password belongs into a file that only policyd can read; `hide NAME = VALUE` marks it, and `policyd check` warns of
others who can.
Options of Exim's that are not here are accepted and have no effect, and `policyd check` says so.

Those marked with * are read when policyd is started; a reload changes the others.

| option | takes | default | meaning |
|---|---|---|---|"""


def listing() -> Iterator[str]:
    """Every name, as the words are listed."""
    yield "Main options:"
    yield "    " + " ".join(sorted(OPTIONS))


def entry(name: str) -> Iterator[str]:
    """An option for a terminal; nothing for what is none."""
    if name in OPTIONS:
        row = OPTIONS[name]
        yield f"{name} = {default(row) or '…'}   (main option: {row.metadata['kind'].value})"
        yield f"    {row.metadata['meaning']}"


def manual() -> Iterator[str]:
    """The reference page."""
    from policyd.server.supervisor import FIXED  # with all that serving takes: only for whoever wants the page

    yield HEAD
    for name, row in OPTIONS.items():
        value = default(row)
        shown = f"`{value}`" if value else ""
        yield f"| `{name}`{'*' if name in FIXED else ''} | {row.metadata['kind'].value} | {shown} | {_cell(row)} |"


def _cell(row: Field[Any]) -> str:
    text: str = row.metadata["meaning"]
    return text.replace("|", "\\|").replace("<", "&lt;")


def default(row: Field[Any]) -> str:
    """What *row* has unless somebody says otherwise, as a policy writes it; empty for nothing."""
    value = row.default
    if "where unset" in row.metadata["meaning"]:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | frozenset):
        return " : ".join("=".join(map(str, item)) if isinstance(item, tuple) else item for item in value)
    if isinstance(value, Enum):
        return str(value.value)
    written = {Kind.TIME: _duration, Kind.INTEGER: _size, Kind.MODE: "0{:o}".format}
    return written.get(row.metadata["kind"], _plain)(value)


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def _duration(value: float) -> str:
    """In the largest unit that leaves no rest."""
    unit, length = next((u, n) for u, n in UNITS.items() if not value % n and (value or n == 1))
    return f"{value / length:g}{unit}"


def _size(value: int) -> str:
    unit, size = next(((u, n) for u, n in SIZES.items() if value and not value % n), ("", 1))
    return f"{value // size}{unit}"
