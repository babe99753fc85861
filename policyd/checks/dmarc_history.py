"""The history of DMARC outcomes that ``opendmarc-import`` reads: raw material of aggregate reports.

One record is lines of ``key value``. The numbers are those of libopendmarc.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policyd.checks.dmarc import DmarcOutcome, DmarcStatus
from policyd.checks.dmarc_record import DmarcPolicy

RESULTS: Mapping[str, int] = {
    "pass": 0,
    "softfail": 2,
    "neutral": 3,
    "temperror": 4,
    "permerror": 5,
    "none": 6,
    "fail": 7,
    "policy": 8,
}
UNKNOWN = 11
POLICIES = {DmarcStatus.ACCEPT: 15, DmarcStatus.REJECT: 16, DmarcStatus.QUARANTINE: 17, DmarcStatus.NONE: 18}
ACTIONS = {DmarcStatus.ACCEPT: 2, DmarcStatus.REJECT: 0, DmarcStatus.QUARANTINE: 4, DmarcStatus.NONE: 2}
ALIGNMENTS = {True: 4, False: 5}
ARC_POLICIES: Mapping[str, int] = {"pass": 0, "fail": 2}
ARC_UNUSED = 1


@dataclass(frozen=True, slots=True)
class Signed:
    """One DKIM signature: who signed with which key, RFC 8601's word for what came of it, and ``i=``."""

    domain: str
    selector: str
    result: str
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Seal:
    """One set of ARC fields: its instance, and who sealed it with which key; *address* is the client's of that time."""

    instance: int
    domain: str
    selector: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Reception:
    """What a report says of a message besides its outcome.

    *job*: the queue id. *received*: seconds since 1970. *spf*, *arc*: RFC 8601's
    words; empty where nobody looked.
    """

    job: str
    reporter: str
    received: float
    address: str
    sender_domain: str
    spf: str = ""
    signatures: Sequence[Signed] = ()
    arc: str = ""
    seals: Sequence[Seal] = ()


def history_record(outcome: DmarcOutcome, reception: Reception) -> str:
    """The record of a message; empty when there is nothing to report: without a policy, or without an answer."""
    if outcome.record is None or outcome.status not in POLICIES:
        return ""
    return "".join(f"{key} {value}\n" for key, value in _lines(outcome, reception))


def _lines(outcome: DmarcOutcome, reception: Reception) -> Iterator[tuple[str, object]]:
    record = outcome.record
    assert record is not None
    yield "job", _word(reception.job) or "-"
    yield "reporter", _word(reception.reporter)
    yield "received", int(reception.received)
    yield "ipaddr", reception.address
    yield "from", outcome.author
    yield "mfrom", _word(reception.sender_domain)
    if reception.spf:
        yield "spf", RESULTS.get(reception.spf, UNKNOWN)
    for signed in reception.signatures:
        if signed.domain and signed.selector:
            result = RESULTS.get(signed.result, UNKNOWN)
            yield "dkim", f"{_word(signed.domain)} {_word(signed.selector)} {result}"
    yield "pdomain", outcome.used
    yield "policy", POLICIES[outcome.status]
    for uri in record.rua or ("-",):
        yield "rua", uri
    yield "pct", record.pct
    yield "adkim", ord("s" if record.strict_dkim else "r")
    yield "aspf", ord("s" if record.strict_spf else "r")
    yield "p", ord(record.for_domain[0])
    yield "sp", _ordinal(record.sp)
    yield "align_dkim", ALIGNMENTS[outcome.dkim_aligned]
    yield "align_spf", ALIGNMENTS[outcome.spf_aligned]
    yield "action", ACTIONS[outcome.status]
    yield "arc", RESULTS.get(reception.arc, UNKNOWN)
    seals = [{"i": seal.instance, "d": seal.domain, "s": seal.selector, "ip": seal.address} for seal in reception.seals]
    arc_policy = ARC_POLICIES.get(reception.arc, ARC_UNUSED)
    yield "arc_policy", f"{arc_policy} json:{json.dumps(seals, separators=(',', ':'))}"


def _ordinal(policy: DmarcPolicy | None) -> int:
    return ord(policy[0]) if policy else 0


def _word(text: str) -> str:
    """*text* without what would end a word or a line of the record."""
    return "".join(c if "!" <= c <= "~" else "?" for c in text)
