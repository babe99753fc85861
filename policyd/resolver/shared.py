"""Answers that other workers, and other hosts, have already asked for: in a store, behind each worker's own cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol

from policyd.errors import Defer
from policyd.resolver import Answer
from policyd.stores.protocol import Store

PREFIX = b"dns/"
LONGEST = 4096  # octets: more is not shared
LONGEST_TTL = 86400.0  # seconds


class Source(Protocol):
    """Who is asked for what the cache does not know."""

    def answer(self, rtype: str, name: str, limit: float) -> Answer:
        """The records of an `ascii_name`, before *limit*, a ``time.monotonic()`` value. Raises `DnsTemporary`."""


class SharedSource:
    """*source*, asked only for what is not in *store*. A store that fails is no matter: then *source* is asked."""

    def __init__(self, source: Source, store: Store) -> None:
        self._source = source
        self._store = store

    def answer(self, rtype: str, name: str, limit: float) -> Answer:
        """The answer that is in the store, or the source's, which goes there for its TTL. Raises `DnsTemporary`."""
        key = PREFIX + f"{rtype}/{name}".encode()
        try:
            known = self._store.until(limit).read(key, lambda stored, now: (None, _read(rtype, stored, now)))
        except Defer:
            return self._source.answer(rtype, name, limit)
        if known is not None:
            return known
        answer = self._source.answer(rtype, name, limit)
        self._share(key, answer, limit)
        return answer

    def _share(self, key: bytes, answer: Answer, limit: float) -> None:
        if answer.ttl < 1:
            return
        try:
            self._store.until(limit).update(key, lambda stored, now: (_written(answer, now), None), answer.ttl)
        except Defer:
            return  # there is an answer, and whoever asks next asks the servers


def _written(answer: Answer, now: float) -> bytes | None:
    """*answer* as it is stored, with the time at which it ends; None where it is too long."""
    records = [_plain(record) for record in answer.records]
    written = json.dumps([records, answer.exists, now + answer.ttl, answer.secure]).encode()
    return written if len(written) <= LONGEST else None


def _plain(record: Any) -> Any:
    """A record without octet strings, which JSON has not: those of TXT."""
    if not isinstance(record, tuple):
        return record
    return [part.decode("latin-1") if isinstance(part, bytes) else part for part in record]


def _read(rtype: str, stored: bytes | None, now: float) -> Answer | None:
    """The answer, with what remains of its TTL; None for what is over, or is no answer."""
    shape: Callable[[Any], Any] = SHAPES.get(rtype, _name)
    try:
        records, exists, end, secure = json.loads(stored or b"")
        answer = Answer(tuple(shape(record) for record in _list(records)), exists, float(end) - now, secure)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    sound = isinstance(exists, bool) and isinstance(secure, bool) and 0 < answer.ttl <= LONGEST_TTL
    return answer if sound else None


# -- records as others have written them: each raises ValueError or TypeError for what is none


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def _name(text: Any) -> str:
    if not isinstance(text, str) or not text.isascii() or not text.isprintable():
        raise ValueError("not a name")
    return text


def _texts(parts: Any) -> tuple[bytes, ...]:
    if not all(isinstance(part, str) for part in _list(parts)):
        raise ValueError("not texts")
    return tuple(part.encode("latin-1") for part in parts)


def _exchange(record: Any) -> tuple[int, str]:
    preference, host = record
    if not isinstance(preference, int):
        raise ValueError("not a preference")
    return preference, _name(host)


SHAPES: dict[str, Callable[[Any], Any]] = {
    "A": lambda text: str(IPv4Address(_name(text))),
    "AAAA": lambda text: str(IPv6Address(_name(text))),
    "MX": _exchange,
    "SPF": _texts,
    "TXT": _texts,
}
