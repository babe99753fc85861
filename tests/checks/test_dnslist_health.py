"""Lists that do what they are for, and lists that do not; answers come from a table."""

from __future__ import annotations

import pytest

from policyd.checks.dnslist_health import is_healthy
from policyd.resolver import Answer, DnsTemporary

TABLE = {
    "2.0.0.127.good.test": ("127.0.0.2", "127.0.0.4"),
    "2.0.0.127.everybody.test": ("127.0.0.2",),
    "1.0.0.127.everybody.test": ("127.0.0.2",),
    "2.0.0.127.refusing.test": ("127.255.255.254",),
}


class Table:
    """A resolver; what ends in ``down.test`` has no answer, nor has 127.0.0.1 in ``half.test``."""

    def lookup(self, rtype, name):
        assert rtype == "A"
        if name.endswith("down.test") or name == "1.0.0.127.half.test":
            raise DnsTemporary("no reply in time")
        return Answer(TABLE.get(name, ("127.0.0.2",) if name == "2.0.0.127.half.test" else ()), exists=name in TABLE)


@pytest.mark.parametrize(
    "zone, healthy",
    [
        ("good.test", True),
        ("gone.test", False),
        ("everybody.test", False),
        ("refusing.test", False),
        ("down.test", False),
        ("half.test", False),
    ],
)
def test_health(zone, healthy):
    assert is_healthy(Table(), zone) is healthy
