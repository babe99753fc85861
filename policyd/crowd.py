"""Whether nearly all connections come from one private address: a balancer that nobody has told us of."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from threading import Lock

SAMPLE = 200  # connections that are looked at together; as many addresses are kept at most
NEARLY_ALL = 0.95
SILENCE = 86400.0  # seconds from one warning to the next


class Crowd:
    """The clients of one worker. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: list[str] = []
        self._silent_until = 0.0

    def suspect(self, address: str, now: float) -> tuple[str, bool] | None:
        """Note a connection. After each `SAMPLE`: the private address that nearly all came from, if there is one.

        And whether that has not been said for `SILENCE` seconds, in which case it is now.
        """
        self._seen.append(address)
        if len(self._seen) < SAMPLE:
            return None
        with self._lock:
            sample = self._seen[:SAMPLE]
            if len(sample) < SAMPLE:  # another thread was sooner
                return None
            del self._seen[:SAMPLE]
            ((most, times),) = Counter(sample).most_common(1)
            if times < NEARLY_ALL * SAMPLE or not ip_address(most).is_private:
                return None
            news = now >= self._silent_until
            if news:
                self._silent_until = now + SILENCE
            return most, news
