"""What has to be true after a soak, each with its figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from soak.faults import EXPECTED
from soak.post import Post
from soak.samples import Held, Samples, held
from soak.tally import BUSY, Tally
from soak.traffic import PATIENCE
from soak.world import WORKERS, World

PHASE_TIMEOUT = 25.0  # the shipped one
SLACK = 3.0  # seconds that a machine with other work may add
GROWTH, OCTETS = 0.05, 2.0  # of memory, from the second third to the last: a share, or so many MB
MORE_DESCRIPTORS = 4  # connections that a pool may keep
RECIPIENTS = 5  # of one message, at most: what may be counted twice or not at all where a worker is killed
SHOWN = 5
MESSAGES = ("accept", "quarantine", "reject", "defer", "abort")


def _labelled(name: str, **labels: str) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inside}}}"


UNHEARD = [_labelled("messages_total", action=end) for end in ("accept", "defer", "abort")]
"""What may have become of messages whose senders did not wait for the answer."""


@dataclass(frozen=True)
class Claim:
    """*holds*, or not; *figures*: why."""

    text: str
    holds: bool
    figures: str


@dataclass(frozen=True)
class Evidence:
    """All that was counted. *before* and *after*: metrics; *rested*: what the elder worker held before the traffic."""

    world: World
    tally: Tally
    post: Post
    samples: Samples
    before: Mapping[str, float]
    after: Mapping[str, float]
    rested: Held
    kills: int

    def grown(self, name: str) -> float:
        """By how much a metric has."""
        return self.after.get(name, 0.0) - self.before.get(name, 0.0)


def claims(seen: Evidence) -> Iterator[Claim]:
    """All of them."""
    for judge in (
        _verdicts,
        _right,
        _called,
        _prompt,
        _waits,
        _limited,
        _counts,
        _memory,
        _descriptors,
        _alive,
        _panics,
        _mail,
    ):
        yield judge(seen)


def _verdicts(seen: Evidence) -> Claim:
    tally = seen.tally
    total, cut, hung = tally.count(), tally.count("cut"), tally.count("hung")
    ended = tally.count("accept", "quarantine", "reject", "defer", "discard")
    ours = tally.count("abort", "nothing", "unknown")
    figures = f"{total:,}: {ended:,} verdicts, {ours:,} given up by the client, {cut} cut by a kill, {hung} hung"
    return Claim("every transaction has one end", ended + ours + cut == total and (cut == 0 or seen.kills > 0), figures)


def _right(seen: Evidence) -> Claim:
    wrong = seen.tally.wrong
    return Claim("nothing is accepted or refused that must not be", not wrong, _some(wrong))


def _called(seen: Evidence) -> Claim:
    uncalled = seen.tally.uncalled
    return Claim("nothing is deferred while all is well", not uncalled, _some(uncalled))


def _prompt(seen: Evidence) -> Claim:
    overdue, generation = seen.tally.overdue, seen.tally.generation
    holds = not overdue and generation == seen.world.generation
    figures = f"generation {generation} of {seen.world.generation}; overdue: {_some(overdue)}"
    return Claim("policies and workers are replaced in time", holds, figures)


def _waits(seen: Evidence) -> Claim:
    phase, longest = max(seen.tally.longest.items(), key=lambda item: item[1])
    limit = min(PHASE_TIMEOUT + SLACK, PATIENCE)
    return Claim(f"no answer takes longer than {limit:g} s", longest < limit, f"at most {longest:.1f} s, at {phase}")


def _limited(seen: Evidence) -> Claim:
    accepted, deferred = (seen.tally.ends[BUSY, *end] for end in (("accept", "eom"), ("defer", "connect")))
    # After a store has forgotten everything, or is away, counting begins anew: then some more get in.
    return Claim(
        "the busy client is held back", deferred > accepted, f"{deferred:,} of {deferred + accepted:,} deferred"
    )


def _counts(seen: Evidence) -> Claim:
    """Both sides have counted the same, but for what was cut; and who did not wait may have been told either."""
    tally = seen.tally
    cut, unknown = tally.count("cut"), tally.count("unknown")
    told, holds = [], True
    for name, number in _pairs(tally).items():
        grown = sum(seen.grown(each) for each in name.split(" + "))
        unheard = unknown if name in UNHEARD else 0
        unsure = cut * (RECIPIENTS if name.startswith("recipients") else 1)
        holds = holds and number - unsure <= grown <= number + unheard + unsure
        told.append(f"{name} {grown:,.0f} : {number:,}" + (f" … {number + unheard:,}" if unheard else ""))
    return Claim(
        f"policyd has counted what the clients have, but for {cut} that were cut", holds, "\n      ".join(told)
    )


def _pairs(tally: Tally) -> dict[str, int]:
    """Metrics, or sums of them, and what we have counted."""
    ends = {end: tally.count(end, phase="eom") for end in MESSAGES[:-1]} | {"abort": _aborted(tally)}
    return {
        "connections_total": tally.connections,
        **{_labelled("recipients_total", action=action): number for action, number in tally.recipients.items()},
        **{_labelled("messages_total", action=end): number for end, number in ends.items()},
        " + ".join(_labelled("messages_total", action=end) for end in MESSAGES): sum(ends.values())
        + tally.count("unknown"),
        **{
            _labelled("decisions_total", action=action, enforced="true", phase=phase): tally.count(action, phase=phase)
            for action, phase in (("reject", "mail"), ("defer", "mail"), ("defer", "connect"))
        },
    }


def _aborted(tally: Tally) -> int:
    """Messages whose sender was accepted, and that had no verdict."""
    refused = sum(tally.count("reject", "defer", phase=phase) for phase in ("rcpt", "predata"))
    return tally.count("abort") + refused


def _memory(seen: Evidence) -> Claim:
    told, holds = [], True
    for pid, name in _lasting(seen).items():
        middle, last = (seen.samples.memory(pid, part) for part in (1, 2))
        holds = holds and last - middle <= max(GROWTH * middle, OCTETS)
        told.append(f"{name} {middle:.1f} → {last:.1f} MB")
    return Claim("memory does not grow from the second third to the last", holds, ", ".join(told))


def _descriptors(seen: Evidence) -> Claim:
    told, holds = [], True
    for pid, name in _lasting(seen).items():
        (middle, least), (last, least_last) = (seen.samples.descriptors(pid, part) for part in (1, 2))
        holds = holds and least_last <= least + MORE_DESCRIPTORS
        told.append(f"{name} mean {middle:.0f} → {last:.0f}, fewest {least} → {least_last}")
    now = held(seen.rested.pid, "worker").descriptors
    told.append(f"at rest {seen.rested.descriptors} → {now}")
    return Claim(
        "descriptors do not grow", holds and now <= seen.rested.descriptors + MORE_DESCRIPTORS, ", ".join(told)
    )


def _lasting(seen: Evidence) -> dict[int, str]:
    """The processes that have lived all the time."""
    found = {pid: name for pid, name in seen.world.processes().items() if name != "worker"}
    return found | {seen.rested.pid: "worker"}


def _alive(seen: Evidence) -> Claim:
    workers, restarts = len(seen.world.workers()), seen.grown(_labelled("worker_restarts_total", reason="crash"))
    holds = workers == WORKERS and restarts == seen.kills and seen.rested.pid in seen.world.workers()
    return Claim("only those workers ended that were killed, and none is missing", holds,
                 f"{workers} workers; {restarts:.0f} replaced, {seen.kills} killed")  # fmt: skip


def _panics(seen: Evidence) -> Claim:
    lines = seen.world.panics()
    strange = [line for line in lines if not any(re.fullmatch(each, line) for each in EXPECTED)]
    return Claim(
        "the panic log tells of the faults, and of nothing else", not strange, f"{len(lines)}; {_some(strange)}"
    )


def _mail(seen: Evidence) -> Claim:
    post = seen.post
    lost, twice = post.promised - post.arrived.keys(), [token for token, number in post.arrived.items() if number > 1]
    leaked = post.refused & post.arrived.keys()
    figures = f"{len(post.promised):,} promised, {len(lost)} lost, {len(twice)} twice; " + (
        f"{len(post.refused):,} refused, {len(leaked)} of them delivered"
    )
    return Claim(
        "what Postfix promised has arrived once, what it refused has not", not (lost or twice or leaked), figures
    )


def _some(lines: list[str]) -> str:
    """How many, and the commonest of them, numbers apart."""
    alike = Counter(re.sub(r"\d+", "N", line) for line in lines)
    shown = "; ".join(f"{number} × {line}" for line, number in alike.most_common(SHOWN))
    return f"{len(lines)}" + (f": {shown}" if shown else "")
