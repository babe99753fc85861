"""Rate limits as they stand: what a store has counted, beside the limits of a policy."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policyd.checks.ratelimit import Bucket, Event, Limit, Update, parse, step
from policyd.durations import seconds
from policyd.mail.octets import printable
from policyd.policy import Policy
from policyd.stores import Store

PREFIX = b"ratelimit/"
CONDITION = "ratelimit = "
EXPANSION = re.compile(r"\$(?:\{.*\}|\w+)")
COLUMNS = "{:>5}  {:>9}  {:<14}  {:<9}  {:<24}  {:<19}  {}"
HEADING = COLUMNS.format("FILL", "RATE", "LIMIT", "COUNTED", "WHO", "LAST", "WHERE")


@dataclass(frozen=True, slots=True)
class Written:
    """A limit of the policy: its *place*, and what its keys look like."""

    limit: Limit
    place: str
    keys: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Fill:
    """One bucket: its *key* (``1h/per_conn/192.0.2.1``), its *rate* now, and when it was *last* counted on.

    *written*: the first limit of the policy with such keys; None where there is none, or it is computed.
    """

    key: str
    rate: float
    last: float
    written: Written | None

    @property
    def who(self) -> str:
        """Who fills it: the last part of the key."""
        return _parts(self.key)[2]

    @property
    def share(self) -> float:
        """How full it is: 1 is the limit; -1 where there is none."""
        limit = self.written.limit.limit if self.written else 0.0
        return self.rate / limit if limit else -1.0

    def row(self) -> str:
        """One line under `HEADING`."""
        period, counted, who = _parts(self.key)
        limit, place = (self.written.limit.limit_text, self.written.place) if self.written else ("?", "-")
        fill = f"{self.share:.0%}" if self.share >= 0 else "-"
        last = time.strftime("%F %T", time.localtime(self.last))
        return COLUMNS.format(fill, f"{self.rate:.1f}", f"{limit} / {period}", counted, printable(who), last, place)


def fills(store: Store, policy: Policy, now: float) -> Iterator[Fill]:
    """Every bucket of *store*, faded until *now*. Raises `Defer`."""
    limits = list(written(policy))
    for stored_under, value in store.scan(PREFIX):
        key = stored_under[len(PREFIX) :].decode("latin-1")
        bucket = Bucket.decoded(value)
        if bucket is not None:
            yield Fill(key, _faded(bucket, key, now), bucket.time, _limit_of(key, limits))


def named(fill: Fill, wanted: str) -> bool:
    """Whether *wanted* is its key, or who fills it."""
    return wanted in (fill.key, fill.who)


def written(policy: Policy) -> Iterator[Written]:
    """The limits of a policy, in its order, but for those that are computed."""
    for acl in policy.acls.values():
        for step_ in (step_ for statement in acl.statements for step_ in statement.steps):
            limit = _readable(step_.label)
            if limit is not None:
                yield Written(limit, step_.where.place, _keys(limit))


def _readable(label: str) -> Limit | None:
    """The limit in a line of a policy; None where it takes a message to know it, or the line is another condition."""
    if not label.startswith(CONDITION):
        return None
    try:
        return parse(label.removeprefix(CONDITION))
    except ValueError:
        return None


def _keys(limit: Limit) -> re.Pattern[str]:
    """What the limit's keys look like: an expansion in them may be anything."""
    bare = limit.prefix
    if limit.key is None:
        return re.compile(re.escape(bare) + "[0-9a-f.:]*")
    return re.compile(re.escape(bare) + ".*".join(map(re.escape, EXPANSION.split(limit.key))), re.DOTALL)


def _limit_of(key: str, limits: Sequence[Written]) -> Written | None:
    return next((limit for limit in limits if limit.keys.fullmatch(key)), None)


def _faded(bucket: Bucket, key: str, now: float) -> float:
    """The rate as a ``readonly`` limit would find it."""
    try:
        period = float(seconds(_parts(key)[0]))
    except ValueError:  # nobody's limit: something else has written this key
        return bucket.rate
    return step(bucket, now, Event(0.0, period, 0.0, Update.READONLY))[1]


def _parts(key: str) -> tuple[str, str, str]:
    """Period, what is counted, and who, of ``1h/per_rcpt/unique/192.0.2.1``."""
    period, _, rest = key.partition("/")
    counted, _, who = rest.partition("/")
    unique = who.startswith("unique/")
    return period, f"{counted[4:]}*" if unique else counted[4:], who.removeprefix("unique/")
