"""A rate limit check as an operation of a store: the same computation twice, here and in Redis."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from policyd.checks.ratelimit import LARGEST, LARGEST_FILTER, Bucket, Event, Update, bloom_start, step
from policyd.stores import Operation

NUMBERS = struct.Struct("<dddddd")

LUA = """
local limit, period, count, update, first, stride = struct.unpack('<dddddd', arguments[1])
local LEAKY, STRICT, READONLY = 0, 1, 2
local LARGEST = 1.7976931348623157e308

local function finite(number)
    return number == number and number > -math.huge and number < math.huge
end

local before, rate, epoch, bits
if stored and #stored >= 16 then
    before, rate, epoch = struct.unpack('<ddd', stored .. string.rep('\\0', 8))
    bits = string.sub(stored, 25)
    if not (finite(before) and finite(rate) and finite(epoch)) or rate < 0 then
        before, rate = nil, nil
    end
    if not before or #bits < 40 then
        bits = nil
    end
end

local function knows(size)
    local hash, old = first, true
    for _ = 1, 8 do
        local octet, bit = math.floor(hash / 8) % size + 1, 2 ^ (hash % 8)
        local present = string.byte(bits, octet)
        if math.floor(present / bit) % 2 == 0 then
            old = false
            bits = string.sub(bits, 1, octet - 1) .. string.char(present + bit) .. string.sub(bits, octet + 1)
        end
        hash = (hash + stride) % 4294967296
    end
    return old
end

if first >= 0 and update ~= READONLY then
    local second = math.floor(now)
    if not bits or second > epoch + period then
        epoch, bits = second, string.rep('\\0', math.max(40, 2 * math.floor(math.min(limit, LARGEST_FILTER / 2))))
    end
    if knows(#bits) then
        count = 0
    end
end

local new = count
if before then
    local periods = (now - before) / period
    if periods <= 0 then
        new = math.min(rate + count, LARGEST)
    else
        local share = 1 - periods / 2 + periods ^ 2 / 6 - periods ^ 3 / 24
        if periods > 1e-3 then
            share = (1 - math.exp(-periods)) / periods
        end
        new = math.min(math.max(share * count + math.exp(-periods) * rate, count), LARGEST)
    end
end

local value
if update == STRICT or (update == LEAKY and new < limit) then
    value = struct.pack('<dd', now, new)
    if bits then
        value = value .. struct.pack('<d', epoch) .. bits
    end
end
return value, struct.pack('<d', new)
""".replace("LARGEST_FILTER", str(LARGEST_FILTER))

MODES = {Update.LEAKY: 0.0, Update.STRICT: 1.0, Update.READONLY: 2.0}
NOTHING_UNIQUE = (-1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Counting(Operation[float]):
    """Count *event*; the answer is the rate. What is stored is a `Bucket`."""

    event: Event

    lua = LUA

    def __call__(self, stored: bytes | None, now: float) -> tuple[bytes | None, float]:
        """The formula, by `step`."""
        bucket, rate = step(Bucket.decoded(stored), now, self.event)
        return bucket.encoded() if bucket else None, rate

    def arguments(self) -> tuple[bytes, ...]:
        """One string of six doubles, for no digit is lost in them."""
        event = self.event
        first, stride = NOTHING_UNIQUE if event.unique is None else bloom_start(event.unique)
        count = min(event.count, LARGEST)
        return (NUMBERS.pack(event.limit, event.period, count, MODES[event.update], first, stride),)

    def answer(self, reply: bytes) -> float:
        """A double. Raises ValueError for anything else."""
        if len(reply) != struct.calcsize("<d"):
            raise ValueError("not a rate")
        (rate,) = struct.unpack("<d", reply)
        return float(rate)

    def alone(self, hosts: int) -> Counting:
        """Each event counts for all hosts, as if the others saw as much: the limit is shared out."""
        return Counting(replace(self.event, count=self.event.count * hosts))

    def lenient(self) -> float:
        """No events, so that no limit is reached but 0."""
        return 0.0
