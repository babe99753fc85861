"""Whether nearly all connections come from one private address: a balancer that nobody has told us of."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv6Address
from threading import Lock

Address = IPv4Address | IPv6Address

SAMPLE = 200  # connections that are looked at together; as many addresses are kept at most
NEARLY_ALL = 0.95
SILENCE = 86400.0  # seconds from one warning to the next


class Crowd:
    """The clients of one worker. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: Counter[Address] = Counter()
        self._count = 0
        self._silent_until = 0.0

    def suspect(self, address: Address, now: float) -> tuple[Address, bool] | None:
        """Count a connection. After each `SAMPLE`: the private address that nearly all came from, if there is one.

        And whether that has not been said for `SILENCE` seconds, in which case it is now.
        """
        with self._lock:
            self._seen[address] += 1
            self._count += 1
            if self._count < SAMPLE:
                return None
            ((most, times),) = self._seen.most_common(1)
            self._seen.clear()
            self._count = 0
            if times < NEARLY_ALL * SAMPLE or not most.is_private:
                return None
            news = now >= self._silent_until
            if news:
                self._silent_until = now + SILENCE
            return most, news
