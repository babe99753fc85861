"""Exim's durations: ``1w2d3h4m5s``, numbers with a unit each, in any order."""

from __future__ import annotations

import re

UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
DURATION = re.compile(r"(?:[0-9]{1,12}[wdhms])+")
FRACTIONAL = re.compile(r"(?:[0-9]{1,12}[wdhms])*[0-9]{1,12}\.[0-9]{1,9}[wdhms]")
PART = re.compile(r"([0-9.]+)([wdhms])")


def seconds(text: str) -> int:
    """The seconds of a duration. Raises ValueError for what is none: no blanks, no fractions, no capitals."""
    if not DURATION.fullmatch(text):
        raise ValueError(f'"{text}" is not a time value: digits with one of w, d, h, m, s, such as 1m30s')
    return sum(int(number) * UNITS[unit] for number, unit in PART.findall(text))


def exact_seconds(text: str) -> float:
    """The same, but the last number may have a fraction, as in ``1m1.5s``. Raises ValueError."""
    if not FRACTIONAL.fullmatch(text):
        return float(seconds(text))
    return float(sum(float(number) * UNITS[unit] for number, unit in PART.findall(text)))
