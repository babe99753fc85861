"""What runs in Redis: each script is one call, so that nobody comes between reading and writing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

NOW = """
local now = tonumber(ARGV[2])
if not now then
    local time = redis.call('TIME')
    now = time[1] + time[2] / 1000000
end
"""

STEP = (
    """
local function step(stored, now, arguments)
%s
end
"""
    + NOW
    + """
local value, answer = step(redis.call('GET', KEYS[1]) or nil, now, {select(3, unpack(ARGV))})
if value and ARGV[1] ~= '0' then
    redis.call('SET', KEYS[1], value, 'PX', ARGV[1])
end
return answer
"""
)


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name that servers know it by.

    Its arguments are the key, how many milliseconds the value lives (``0``:
    write nothing), the time (empty: the server's own), and what else it wants.
    """

    text: bytes
    digest: bytes


@lru_cache
def script(text: str) -> Script:
    """A script; not compiled here."""
    octets = text.encode()
    return Script(octets, hashlib.sha1(octets, usedforsecurity=False).hexdigest().encode())


@lru_cache
def stepping(lua: str) -> Script:
    """The script that takes the step of an `policyd.stores.protocol.Operation`."""
    return script(STEP.replace("%s", lua))


LOOK = script(NOW + "return {redis.call('GET', KEYS[1]), string.format('%.17g', now)}")
"""What is stored, and the time."""

SWAP = script(
    """
local stored = redis.call('GET', KEYS[1])
if stored ~= (ARGV[3] == '1' and ARGV[4]) then
    return 0
end
redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[1])
return 1
"""
)
"""Store what comes third if the first says that there is something, and the second is it; or that there is nothing."""
