"""Exim's ``ratelimit``: how many events there are in a period, as a smoothed rate.

The rate is an exponentially weighted moving average of count * period / interval:
what is past fades by a factor of e in each period. Pure: the time, what is stored
and what to count are arguments.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from math import exp, expm1, isfinite

from policyd.durations import seconds
from policyd.mail.octets import lower
from policyd.values import value_class

# -- the argument

KEY_WORDS = {  # the per_… options, and the word that each puts into the key
    "per_mail": "per_mail",
    "per_byte": "per_mail",  # so that both share a bucket
    "per_rcpt": "per_rcpt",
    "per_addr": "per_rcpt",
    "per_conn": "per_conn",
    "per_cmd": "per_cmd",
}
BLANKS = " \t\n\v\f\r"
ITEM = re.compile(r"((?://|[^/])*)(/?)")  # a doubled slash is a literal one
NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|\+?inf|)([kmg]?)", re.I | re.A)
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Update(Enum):
    """When a new rate is stored."""

    LEAKY = "leaky"  # while it is below the limit
    STRICT = "strict"  # always
    READONLY = "readonly"  # never, and the event does not count


LEAKY, STRICT, READONLY = Update
UPDATES = {update.value: update for update in Update}


@dataclass(frozen=True)
class Limit:
    """A ``ratelimit`` argument: *limit* events in *period* seconds, and both as they were written.

    *option* is the per_… word. *count* is ``count=``; *counted* tells that it
    came after *option*, and so prevails over what that would count. *key* is
    None for the client's address.
    """

    limit: float
    period: float
    limit_text: str
    period_text: str
    option: str = ""
    update: Update | None = None
    count: float = 1.0
    counted: bool = False
    unique: str | None = None
    key: str | None = None

    @property
    def name(self) -> str:
        """``1h/per_mail``: the period as it was written, and what is counted in it."""
        return f"{self.period_text}/{KEY_WORDS[self.option or 'per_mail']}"

    @cached_property
    def prefix(self) -> str:
        """What its keys begin with: ``1h/per_mail/``."""
        unique = "unique/" if self.option == "per_addr" or self.unique is not None else ""
        return f"{self.name}/{unique}"

    def bucket_key(self, client: str) -> str:
        """What the rate is stored under: ``1h/per_mail/192.0.2.1``. Neither limit nor update mode is in it."""
        return self.prefix + (client if self.key is None else self.key)


def parse(text: str) -> Limit:
    """Read ``LIMIT / PERIOD / option… / key``. Raises ValueError with what is wrong."""
    try:
        return _limit(list(_items(text)))
    except ValueError as error:
        raise ValueError(f'error in arguments to "ratelimit" condition: {error}') from None


def _items(text: str) -> Iterator[str]:
    """What stands between slashes, without the blanks around it; after the last slash, nothing is no item."""
    for item, slash in ITEM.findall(text):
        if slash or item.strip(BLANKS):
            yield item.strip(BLANKS).replace("//", "/")


def _limit(items: list[str]) -> Limit:
    if not items:
        raise ValueError("sender rate limit not set")
    limit = _number(items[0], items[0], UNITS)
    if len(items) == 1:
        raise ValueError("sender rate period not set")
    return _with_options(Limit(limit, _period(items[1]), items[0], items[1]), items[2:])


def _with_options(limit: Limit, items: list[str]) -> Limit:
    """*limit* with the options among *items*, in the order they are written; the others are the key."""
    options, updates, key = [], [], []
    for item in items:
        word = lower(item)
        if word in KEY_WORDS:
            options.append(word)
            limit = replace(limit, option=word, counted=False, unique=None if word == "per_addr" else limit.unique)
        elif word in UPDATES or word == "noupdate":
            updates.append(word)
        elif word.startswith("count="):
            limit = replace(limit, count=_number(item, item[len("count=") :].lstrip(BLANKS), {"": 1}), counted=True)
        elif word.startswith("unique="):
            limit = replace(limit, unique=item[len("unique=") :])
        else:
            key.append(item)
    if len(options) > 1:
        raise ValueError("conflicting per_* options")
    return replace(limit, update=_update(set(updates)), key="/".join(key) if key else None)


def _update(words: set[str]) -> Update | None:
    """``noupdate`` is an old word for ``readonly`` that may stand beside another one."""
    modes = words - {"noupdate"}
    if len(modes) > 1:
        raise ValueError("conflicting update modes")
    return Update.READONLY if "noupdate" in words else UPDATES[modes.pop()] if modes else None


def _number(item: str, text: str, units: dict[str, int]) -> float:
    """*text* as C reads a number: what is empty is 0."""
    found = NUMBER.fullmatch(text)
    unit = lower(found[2]) if found else "?"
    value = float(found[1] or 0) * units[unit] if found and unit in units else -1.0
    if value < 0:
        raise ValueError(f'"{item}" is not a positive number')
    return value


def _period(text: str) -> float:
    period = seconds(text)
    if period == 0:
        raise ValueError(f'"{text}" is not a time value')
    return float(period)


# -- the computation


@value_class
class Event:
    """What is to be counted, and the limit it is held against. *unique* is counted once in a period."""

    limit: float
    period: float
    count: float = 1.0
    update: Update = Update.LEAKY
    unique: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A Bloom filter of the unique events since *epoch*, in whole seconds since 1970."""

    epoch: float
    bits: bytes


BASIC, EPOCH = struct.Struct("<dd"), struct.Struct("<d")


@value_class
class Bucket:
    """The *rate* when the last event was counted, and that *time*, in seconds since 1970."""

    time: float
    rate: float
    filter: Filter | None = None

    def encoded(self) -> bytes:
        """As it is stored."""
        if self.filter is None:
            return BASIC.pack(self.time, self.rate)
        return BASIC.pack(self.time, self.rate) + EPOCH.pack(self.filter.epoch) + self.filter.bits

    @classmethod
    def decoded(cls, octets: bytes | None) -> Bucket | None:
        """From what is stored; None when nothing is, or nothing that makes sense."""
        if octets is None or len(octets) < BASIC.size:
            return None
        time, rate = BASIC.unpack_from(octets)
        if not (isfinite(time) and isfinite(rate) and rate >= 0):
            return None
        return cls(time, rate) if len(octets) < BASIC.size + EPOCH.size else cls._filtered(time, rate, octets)

    @classmethod
    def _filtered(cls, time: float, rate: float, octets: bytes) -> Bucket | None:
        """The same where an epoch stands, and a filter or what is too short for one."""
        (epoch,) = EPOCH.unpack_from(octets, BASIC.size)
        if not isfinite(epoch):
            return None
        bits = octets[BASIC.size + EPOCH.size :]
        return cls(time, rate, Filter(epoch, bits) if len(bits) >= SMALLEST_FILTER else None)


LARGEST = sys.float_info.max


def step(bucket: Bucket | None, now: float, event: Event) -> tuple[Bucket | None, float]:
    """Count *event*: the bucket to store, None where it stays as it is, and the rate. At the limit it is over."""
    count = event.count if event.count < LARGEST else LARGEST
    seen = bucket.filter if bucket else None
    if event.unique is not None and event.update is not READONLY:
        seen, new = _with(seen, event.unique, now, event)
        count = count if new else 0.0
    rate = _rate(bucket, now, count, event.period) if bucket else count
    stores = event.update is STRICT or (event.update is LEAKY and rate < event.limit)
    return Bucket(now, rate, seen) if stores else None, rate


def _rate(bucket: Bucket, now: float, count: float, period: float) -> float:
    periods = (now - bucket.time) / period
    if periods <= 0:  # the same instant, or the clock went back: the limit of the formula
        rate = bucket.rate + count
    else:
        rate = -expm1(-periods) * count / periods + exp(-periods) * bucket.rate
        if rate < count:  # an event on its own counts in full
            return count
    return rate if rate < LARGEST else LARGEST


def lifetime(event: Event) -> float:
    """Seconds until a bucket that nobody touches is as good as none: 20000 times the limit have faded to 1."""
    return event.period * math.log(20000 * min(max(event.limit, 1.0), 1e12))


# -- unique events

HASHES = 8
SMALLEST_FILTER = 40  # octets
LARGEST_FILTER = 1 << 20


def _with(seen: Filter | None, value: str, now: float, event: Event) -> tuple[Filter, bool]:
    """A filter that knows *value*, and whether *seen* did not. A filter serves for one period."""
    second = math.floor(now)
    if seen is None or second > seen.epoch + event.period:
        seen = Filter(float(second), bytes(max(SMALLEST_FILTER, 2 * int(min(event.limit, LARGEST_FILTER / 2)))))
    bits = bytearray(seen.bits)
    for octet, bit in bloom_bits(value, len(bits)):
        bits[octet] |= 1 << bit
    return Filter(seen.epoch, bytes(bits)), bits != seen.bits


def bloom_bits(value: str, size: int) -> list[tuple[int, int]]:
    """The octets, and the bits in them, that stand for *value* in a filter of *size* octets."""
    first, stride = bloom_start(value)
    hashes = [(first + number * stride) % (1 << 32) for number in range(HASHES)]
    return [(number // 8 % size, number % 8) for number in hashes]


def bloom_start(value: str) -> tuple[int, int]:
    """The first of the hashes of *value*, and the distance from each to the next."""
    digest = hashlib.md5(value.encode("latin-1"), usedforsecurity=False).digest()
    first, stride = struct.unpack_from("<II", digest)
    return first, stride
