"""``seen``: has something been here before?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from policyd.errors import Defer
from policyd.language.cutting import cut
from policyd.language.expand import parsed
from policyd.language.registry import condition
from policyd.transaction import Transaction

TIME = re.compile(r"(?:[0-9]{1,9}[wdhms])+")
TIME_PART = re.compile(r"([0-9]+)([wdhms])")
SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
MODES = ("readonly", "write")
VALUED = ("key", "refresh")
REFRESH = 10 * 86400.0  # seconds
LIFETIME = 30 * 86400.0  # seconds: Exim's housekeeping removes records that nobody has touched for so long


@dataclass(frozen=True, slots=True)
class Sight:
    """What is asked: seen within *interval* seconds, or (*since*) not within them. *key*: None for the client.

    *mode*: ``readonly``, ``write``, or nothing.
    """

    interval: float
    since: bool = False
    key: str | None = None
    mode: str = ""
    refresh: float = REFRESH

    def judge(self, stored: bytes | None, now: float) -> tuple[bytes | None, bool]:
        """From the last time, as it is stored, to the one to store (None: none), and whether the condition is true."""
        stamp = None if self.mode == "readonly" else f"{now:.6f}".encode()
        if stored is None:
            return stamp, False
        age = now - float(stored)
        if not self.since:
            return stamp, age < self.interval
        again = self.mode == "write" or age >= self.refresh
        return stamp if again else None, age >= self.interval


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
    if not TIME.fullmatch(text):
        raise ValueError(f"failed to parse '{whole}'")
    return float(sum(int(number) * SECONDS[unit] for number, unit in TIME_PART.findall(text)))


@condition("seen", argument=parsed(parse))
def _seen(tx: Transaction, sight: Sight) -> bool:
    """``seen = TIME / key=KEY``: whether KEY has been seen within TIME; ``-TIME``: whether that was longer ago.

    Nothing is known of a KEY at first: both are false, and it is seen now. The
    client's address stands in for a missing KEY. ``TIME`` is counted from the
    last test, ``-TIME`` from the first: only after ten days, or ``refresh=TIME``,
    the test counts as a new sight. ``write``: it does always; ``readonly``: never.

    Greylisting is ``defer !seen = -5m / key=$sender_host_address/$sender_address``.
    """
    key = str(tx.connection.client.address or "") if sight.key is None else sight.key
    stored_under = f"seen/{key}".encode("latin-1")
    now = tx.services.clock()
    store = tx.services.store
    try:
        if sight.mode == "readonly":
            return sight.judge(store.get(stored_under), now)[1]
        lifetime = max(LIFETIME, sight.interval + sight.refresh)
        return store.update(stored_under, lambda stored: sight.judge(stored, now), lifetime)
    except Defer as error:
        tx.complain(f"seen: {error}")
        raise Defer("database for 'seen' not available") from error
