"""``seen``: has something been here before?"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from policyd.durations import seconds
from policyd.errors import Defer
from policyd.language.cutting import cut
from policyd.language.expand import parsed
from policyd.language.registry import condition
from policyd.stores import Operation
from policyd.transaction import Transaction

MODES = ("readonly", "write")
VALUED = ("key", "refresh")
REFRESH = 10 * 86400.0  # seconds
LIFETIME = 30 * 86400.0  # seconds: Exim's housekeeping removes records that nobody has touched for so long
STAMP = re.compile(rb"-?[0-9]{1,15}")  # whole seconds since 1970, as Exim counts them here
LUA = """
local interval, since, mode, refresh = tonumber(arguments[1]), arguments[2] == '1', arguments[3], tonumber(arguments[4])
local second = math.floor(now)
local stamp = mode ~= 'readonly' and string.format('%.0f', second) or nil
if not stored or #stored > 16 or not string.match(stored, '^-?%d+$') then
    return stamp, '0'
end
local age = second - tonumber(stored)
if not since then
    return stamp, age < interval and '1' or '0'
end
local again = mode == 'write' or age >= refresh
return again and stamp or nil, age >= interval and '1' or '0'
"""


@dataclass(frozen=True, slots=True)
class Sight(Operation[bool]):
    """What is asked: seen within *interval* seconds, or (*since*) not within them. *key*: None for the client.

    *mode*: ``readonly``, ``write``, or nothing.
    """

    interval: float
    since: bool = False
    key: str | None = None
    mode: str = ""
    refresh: float = REFRESH

    lua = LUA

    def __call__(self, stored: bytes | None, now: float) -> tuple[bytes | None, bool]:
        """From the last time, as it is stored, to the one to store (None: none), and whether the condition is true."""
        second = math.floor(now)
        stamp = None if self.mode == "readonly" else b"%d" % second
        if stored is None or not STAMP.fullmatch(stored):
            return stamp, False
        age = second - int(stored)
        if not self.since:
            return stamp, age < self.interval
        again = self.mode == "write" or age >= self.refresh
        return stamp if again else None, age >= self.interval

    def arguments(self) -> tuple[bytes, ...]:
        """All but the key; numbers in decimal."""
        return b"%.6f" % self.interval, b"%d" % self.since, self.mode.encode(), b"%.6f" % self.refresh

    def answer(self, reply: bytes) -> bool:
        """``1`` for true, ``0`` for false."""
        return bool(("0", "1").index(reply.decode("latin-1")))

    def alone(self, hosts: int) -> Sight:
        """The same: what another host has seen, this one does not know."""
        return self

    def lenient(self) -> bool:
        """Seen long ago, as greylisting wants it; not seen lately, as those who limit want it."""
        return self.since


def parse(text: str) -> Sight:
    """Read ``[-]TIME [/ option]…``. Raises ValueError."""
    first, *options = [item for _, item in cut(f"</{text}")] or [""]
    since = first.startswith("-")
    words: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if option in MODES:
            words["mode"] = option
        elif equals and name in VALUED:
            words[name] = value
        else:
            raise ValueError(f"unrecognised option '{option}' in '{text}'")
    interval = _seconds(first.removeprefix("-"), text)
    refresh = _seconds(words["refresh"], text) if "refresh" in words else REFRESH
    return Sight(interval, since, words.get("key"), words.get("mode", ""), refresh)


def _seconds(text: str, whole: str) -> float:
    try:
        return float(seconds(text))
    except ValueError:
        raise ValueError(f"failed to parse '{whole}'") from None


@condition("seen", argument=parsed(parse))
def _seen(tx: Transaction, sight: Sight) -> bool:
    """``seen = TIME / key=KEY``: whether KEY has been seen within TIME; ``-TIME``: whether that was longer ago.

    Nothing is known of a KEY at first: both are false, and it is seen now. The
    client's address stands in for a missing KEY. ``TIME`` is counted from the
    last test, ``-TIME`` from the first: only after ten days, or ``refresh=TIME``,
    the test counts as a new sight. ``write``: it does always; ``readonly``: never.

    Greylisting is ``defer !seen = -5m / key=$sender_host_address/$sender_address``.
    """
    key = tx.connection.client.text if sight.key is None else sight.key
    try:
        found = _asked(tx, f"seen/{key}".encode("latin-1"), sight)
    except Defer as error:
        _count(tx, "store_error")
        tx.complain(f"seen: {error}")
        raise Defer("database for 'seen' not available") from error
    _count(tx, "true" if found else "false")
    return found


def _asked(tx: Transaction, key: bytes, sight: Sight) -> bool:
    """What the store says, and keeps. Raises `Defer`."""
    if sight.mode == "readonly":
        return tx.store.read(key, sight)
    return tx.store.update(key, sight, max(LIFETIME, sight.interval + sight.refresh))


def _count(tx: Transaction, result: str) -> None:
    tx.services.metrics.count("seen_checks_total", result)
