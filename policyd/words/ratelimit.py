"""``ratelimit`` and its variables."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from policyd.checks.counting import Counting
from policyd.checks.ratelimit import KEY_WORDS, LEAKY, READONLY, STRICT, Event, Limit, lifetime, parse
from policyd.errors import Defer, ExpansionError
from policyd.events import RATELIMIT
from policyd.handover import awaited
from policyd.language.closures import Fixed
from policyd.language.compiler import Compiler
from policyd.language.expand import Getter, parsed
from policyd.language.registry import condition, did_you_mean, variable
from policyd.language.source import BLANKS, Source
from policyd.mail.octets import lower
from policyd.policy import AFTER_MAIL, ANY, Phase
from policyd.transaction import Transaction
from policyd.words.message import message_size

Rates = dict[str, float]
Memo = Callable[[Transaction], Rates]
Count = Callable[[Transaction], float]

WORD = re.compile("[a-z_]+", re.ASCII)
OFTEN_EMPTY = ("$authenticated_id", "$sender_address", "$sender_address_domain", "$sender_host_name")


def _connection(tx: Transaction) -> Rates:
    return tx.connection.rates


def _message(tx: Transaction) -> Rates:
    return tx.rates


def _command(tx: Transaction) -> Rates:
    return tx.command_rates


def _recipients(tx: Transaction) -> float:
    return len(tx.recipients)


def _size(tx: Transaction) -> float:
    return max(0.0, float(message_size(tx)))  # where nothing was announced, old rates only fade


@dataclass(frozen=True, slots=True)
class Use:
    """What a per_… option means in an ACL: how long a rate is remembered, and what is counted, if not one event."""

    memo: Memo
    count: Count | None = None


Uses = dict[Phase, Use]


def _in(phases: Phase, memo: Memo, count: Count | None = None) -> Uses:
    return {phase: Use(memo, count) for phase in Phase if phase in phases}


USES: dict[str, Uses] = {  # in other ACLs, an option only reads
    "": _in(ANY, _message),
    "per_mail": _in(AFTER_MAIL, _message),
    "per_byte": _in(AFTER_MAIL, _message, _size),
    "per_rcpt": _in(Phase.RCPT, _command) | _in(Phase.PREDATA | Phase.DKIM | Phase.DATA, _message, _recipients),
    "per_addr": _in(Phase.RCPT, _command),
    "per_conn": _in(ANY, _connection),
    "per_cmd": _in(ANY, _command),
}
OPTIONS = (*filter(None, USES), "strict", "leaky", "readonly", "noupdate")


@dataclass(frozen=True, slots=True)
class Placed:
    """A limit, and where it is written: ``30-ratelimit.conf:26``, by which logs and metrics know it.

    What can be made of it before there is anything to count: the *lifetime* of
    what is stored; how to look (*reading*), and how to count where each event is
    like the others (*counting*).
    """

    limit: Limit
    place: str
    lifetime: float
    reading: Counting
    counting: Counting

    @classmethod
    def of(cls, place: str, limit: Limit) -> Placed:
        """*limit*, which is written at *place*."""
        reading = Event(limit.limit, limit.period, 0.0, READONLY)
        event = Event(limit.limit, limit.period, limit.count, limit.update or LEAKY, limit.unique)
        return cls(limit, place, lifetime(event), Counting(reading), Counting(event))


def limited(source: Source, compiler: Compiler) -> Getter:
    """The argument strategy of ``ratelimit``: a `Placed` limit."""
    getter, placed = parsed(parse)(source, compiler), partial(Placed.of, source.where().place)
    _look_at_key(source, compiler)
    if "per_byte" in source.text:
        compiler.needs.add("size")
    return Fixed(placed(getter.value)) if isinstance(getter, Fixed) else lambda ctx: placed(getter(ctx))


def _look_at_key(source: Source, compiler: Compiler) -> None:
    """Warn of a key that gathers everybody in one bucket."""
    key = source.text.rpartition("/")[2].strip(BLANKS)
    if WORD.fullmatch(key) and key not in OPTIONS:
        compiler.warn(
            source.where(source.text.rindex(key)),
            f'"{key}" is no option of ratelimit: it is a key, and everybody shares it',
            did_you_mean(key, list(OPTIONS)) or "a key usually has a variable in it",
        )
    elif key in OFTEN_EMPTY:
        compiler.warn(
            source.where(source.text.rindex(key)),
            f"{key} is empty for many clients: all of them share one bucket",
            f"test it first, or write ${{if def:{key[1:]}{{{key}}}{{$sender_host_address}}}}",
        )


@condition("ratelimit", argument=limited, judges=("sender_rate", "sender_rate_limit", "sender_rate_period"))
def _ratelimit(tx: Transaction, placed: Placed) -> bool:
    """``LIMIT / PERIOD / option / … / key``: true when LIMIT events in PERIOD have been reached.

    The first LIMIT - 1 events of a burst pass. Each event is counted as it is
    tested, under the key (the client's address, if none is given), PERIOD and
    what is counted:

    * ``per_conn`` connections, ``per_mail`` messages (the default), ``per_rcpt``
      recipients, ``per_addr`` different recipients, ``per_byte`` octets,
      ``per_cmd`` each test; ``count=N`` counts N instead of one;
      ``unique=TEXT`` counts each TEXT once in a period.
    * ``leaky`` (the default) counts only what passes, so that a sender who keeps
      trying gets through at the rate of the limit; ``strict`` counts everything,
      so that only slowing down helps; ``readonly`` looks and counts nothing.

    A rate is computed once per connection (``per_conn``), message (``per_mail``,
    ``per_byte``) or command (the others, and what is only read); a second test of
    the same key holds its own limit against the same rate.

    Without a key, a client of a trusted relay is counted at DATA, when it is known.

    Where the statement writes a line into the log, that has ``rate=RATE/LIMIT``
    and ``limit=FILE:LINE`` in it.
    """
    limit, facts = placed.limit, tx.facts
    facts["sender_rate_limit"], facts["sender_rate_period"] = limit.limit_text, limit.period_text
    counting, memo = _asked(tx, placed)
    if limit.key is None and awaited(tx, "ratelimit"):
        return False
    key = limit.bucket_key(tx.connection.client.text)
    value = memo.get(key)
    if value is None:
        value = memo[key] = _rate(tx, key, counting, placed)
    rate = facts["sender_rate"] = f"{value:.1f}"
    tx.frame.remarks += (f"rate={rate}/{limit.limit_text} limit={placed.place}",)
    over = value >= limit.limit
    _count(tx, placed.place, "over" if over else "under")
    if over:
        tx.happened(RATELIMIT, f"{rate} {limit.limit_text} {key}")
    return over


@variable("sender_rate")
def _sender_rate(tx: Transaction) -> str:
    """The rate that the last ``ratelimit`` computed, with one decimal: events in a period."""
    return str(tx.facts.get("sender_rate", ""))


@variable("sender_rate_limit")
def _sender_rate_limit(tx: Transaction) -> str:
    """The limit of the last ``ratelimit``, as it was written."""
    return str(tx.facts.get("sender_rate_limit", ""))


@variable("sender_rate_period")
def _sender_rate_period(tx: Transaction) -> str:
    """The period of the last ``ratelimit``, as it was written."""
    return str(tx.facts.get("sender_rate_period", ""))


def _asked(tx: Transaction, placed: Placed) -> tuple[Counting, Rates]:
    """What the store is asked at this phase, and where the rate is remembered."""
    limit = placed.limit
    use = USES[limit.option].get(tx.phase)
    if use is None and (limit.update is LEAKY or limit.update is STRICT):
        raise ExpansionError(
            f'error in arguments to "ratelimit" condition: "{KEY_WORDS[limit.option]}" must not have '
            f"/leaky or /strict option, or cannot be used in {tx.phase.title} ACL"
        )
    if use is None or limit.update is READONLY:
        return placed.reading, tx.command_rates
    counting = placed.counting
    if use.count and not limit.counted:
        counting = Counting(replace(counting.event, count=use.count(tx)))
    elif limit.option == "per_addr" and limit.unique is None:
        counting = Counting(replace(counting.event, unique=_recipient(tx)))
    return counting, use.memo(tx)


def _recipient(tx: Transaction) -> str:
    """``local_part@domain`` of the recipient being judged, as its variables show it."""
    recipient = tx.recipient
    assert recipient is not None  # per_addr counts at RCPT only
    local_part = recipient.local_part if tx.caseful_local_part else lower(recipient.local_part)
    return f"{local_part}@{lower(recipient.domain)}"


def _rate(tx: Transaction, key: str, counting: Counting, placed: Placed) -> float:
    """The rate of *key*, as the store has it once it has counted. Raises `Defer`."""
    store, stored_under = tx.store, f"ratelimit/{key}".encode("latin-1")
    start = time.perf_counter()
    try:
        if counting is placed.reading:
            return store.read(stored_under, counting)
        return store.update(stored_under, counting, placed.lifetime)
    except Defer as error:
        _count(tx, placed.place, "store_error")
        tx.complain(f"ratelimit: {error}")
        raise Defer("ratelimit database not available") from error
    finally:
        tx.services.metrics.observe("ratelimit_store_duration_seconds", time.perf_counter() - start)


def _count(tx: Transaction, place: str, result: str) -> None:
    enforced = "false" if tx.dry_run else "true"
    tx.services.metrics.count("ratelimit_checks_total", place, result, enforced)
