"""Operators for durations: ``1w2d3h4m5s``."""

from __future__ import annotations

import re

from policyd.durations import UNITS, seconds
from policyd.errors import ExpansionError
from policyd.language.marks import harmless
from policyd.language.registry import operator

SECONDS = re.compile(r"[0-9]*")
MAX_DIGITS = 18


@harmless
@operator("time_eval")
def _time_eval(text: str) -> str:
    """A duration such as ``1d12h`` in seconds."""
    try:
        return str(seconds(text))
    except ValueError:
        raise ExpansionError(f'string "{text}" is not an Exim time interval in "time_eval" operator') from None


@harmless
@operator("time_interval")
def _time_interval(text: str) -> str:
    """A number of seconds as a duration such as ``3d11h20m``."""
    if not SECONDS.fullmatch(text):
        raise ExpansionError(f'string "{text}" is not a positive number in "time_interval" operator')
    rest = int(text[-MAX_DIGITS:] or "0")
    parts = []
    for unit, size in UNITS.items():
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
