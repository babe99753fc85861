"""``control = debug``: look at one session of many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policyd.language.registry import control
from policyd.language.source import BLANKS
from policyd.language.verdict import shown
from policyd.transaction import Transaction

NAMES = ("tag", "opts", "pretrigger", "trigger")  # of options with a value
SWITCHES = ("kill", "stop")


@dataclass(frozen=True, slots=True)
class Debug:
    """What is asked for. *tag* stands in every line."""

    tag: str = ""
    on: bool = True


def options(text: str) -> Debug:
    """Read ``/tag=.suffix/opts=+acl/kill``. Raises ValueError."""
    tag, on = "", True
    for part in text.split("/")[1:]:
        name, equals, value = part.strip(BLANKS).partition("=")
        if name not in (NAMES if equals else SWITCHES):
            raise ValueError(f'unknown option "{part}"\n/tag=TEXT, or /kill or /stop to end it')
        tag = value if name == "tag" else tag
        on = on and name not in SWITCHES
    return Debug(tag, on)


@control("debug", options=options)
def _debug(tx: Transaction, wanted: Debug) -> None:
    """From now on, log every statement and condition of this connection with its result.

    The lines go to the main log and begin with ``debug``, the ``/tag=`` and the
    client's address. ``/kill`` or ``/stop`` ends it. ``/opts=``, ``/trigger=``
    and ``/pretrigger=``, which choose what Exim writes to a file of its own,
    mean nothing here.
    """
    connection = tx.connection
    mark = f"debug{wanted.tag} [{connection.client.address}]"

    def trace(event: tuple[Any, Any]) -> None:
        tx.services.log.write("main", f"{mark} {shown(*event)}")

    connection.trace = trace if wanted.on else None
    tx.trace = connection.traces
