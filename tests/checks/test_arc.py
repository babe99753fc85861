"""ARC chains sealed by dkimpy: RFC 8617 5.2, step by step, and all ways to break one that we could think of."""

from __future__ import annotations

import random
import re
import time
from functools import cache

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parts.signing import Records, parted, rsa

from policyd.checks.arc import ArcOutcome, examine, verify
from policyd.checks.canonical import BodyHashes, Fields
from policyd.checks.dkim_proof import Rules

MESSAGE = (
    b"From: A <a@a.test>\r\nTo: list@b.test\r\nSubject:  hello \t there\r\n"
    b"Date: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nHello  there. \r\n\r\nBye\r\n"
)
KEY = rsa(2048)
DOMAINS = ["b.test", "c.test", "d.test", "e.test"]
RECORDS = {f"s._domainkey.{domain}": f"v=DKIM1; p={KEY.public}" for domain in DOMAINS}


def sealed(message: bytes, domain: str, found: str = "pass") -> bytes:
    """*message* as *domain* passes it on, having *found* this state of the chain so far."""
    seen = f"Authentication-Results: {domain}; spf=pass smtp.mailfrom=a.test; arc={found}\r\n".encode()
    name = domain.encode()
    return b"".join(dkim.arc_sign(seen + message, b"s", name, KEY.private, name)) + message


@cache
def chain(length: int) -> bytes:
    """The message after so many hops."""
    if length == 0:
        return MESSAGE
    return sealed(chain(length - 1), DOMAINS[(length - 1) % 4], "pass" if length > 1 else "none")


def outcome(
    message: bytes, records: Records | None = None, rules: Rules | None = None, now: float | None = None
) -> ArcOutcome:
    fields, body = parted(message)
    header, bodies, rules = Fields(fields), BodyHashes(), rules or Rules()
    found = examine(header, rules, time.time() if now is None else now, bodies)
    for start in range(0, len(body), 5):
        bodies.feed(body[start : start + 5])
    return verify(found, header, bodies, records or Records(RECORDS), rules)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7])
def test_chains(length: int) -> None:
    found = outcome(chain(length))
    assert found.result == ("pass" if length else "none")
    assert found.reason == ""
    assert [one.seal.domain for one in found.sets] == [DOMAINS[number % 4] for number in range(length)]
    assert [one.instance for one in found.sets] == list(range(1, length + 1))
    assert found.oldest_pass == (1 if length else 0)


def test_what_they_saw() -> None:
    first, second = outcome(chain(2)).sets
    assert first.results == "b.test;\n spf=pass smtp.mailfrom=a.test;\n arc=none"
    assert second.results == "c.test;\n spf=pass smtp.mailfrom=a.test;\n arc=pass"
    assert (first.validity, second.validity) == ("none", "pass")


@pytest.mark.parametrize("start", ["(by; me) i=1;", " (a) i (b) = (c) 1 (d) ;", "\r\n\ti=1;"])
def test_comments_before_the_number(start: str) -> None:
    """RFC 8617 4.2.1: CFWS. What the seal signs is not read first."""
    field = b"ARC-Authentication-Results: "
    (only,) = outcome(chain(1).replace(field + b"i=1;", field + start.encode())).sets
    assert (only.instance, only.results) == (1, "b.test;\n spf=pass smtp.mailfrom=a.test;\n arc=none")


def test_the_oldest_that_passes() -> None:
    """RFC 8617 5.2 step 5: a list in the middle changed the message, and sealed it again."""
    changed = chain(1).replace(b"Subject:  hello", b"Subject: [list] hello")
    found = outcome(sealed(sealed(changed, "c.test"), "d.test"))
    assert (found.result, found.oldest_pass) == ("pass", 2)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Hello  there", b"Hello there", ""),
        (b"Date:", b"X-New: y\r\nDate:", ""),
        (b"Hello", b"hello", "message signature 2: the body has changed"),
        (
            b"Subject:  hello",
            b"Subject: [x] hello",
            "message signature 2: the signature is wrong: signed header fields",
        ),
        (b"From: A", b"From: x@x.test\r\nFrom: A", "message signature 2: the signature is wrong"),
        (b"i=2; c.test", b"i=2; x.test", "seal 2: the signature is wrong"),  # what c.test saw
        (b"i=1; b.test", b"i=1; x.test", "seal 2: the signature is wrong"),
        (b"cv=pass", b"cv=fail", "seal 2: the chain had failed"),  # step 2
        (b"cv=pass", b"cv=none", "seal 2: wrong cv="),  # step 3
        (b"cv=pass", b"cv=", "seal 2: wrong cv="),
        (b"cv=pass", b"cv=PASS", "seal 2: the signature is wrong"),
        (b"cv=none", b"cv=pass", "seal 1: wrong cv="),
        (b"cv=none", b"cv=fail", "seal 1: wrong cv="),
        (b"cv=pass; ", b"", "seal 2: cv= is missing"),
        (b"cv=pass; a=rsa-sha256", b"cv=pass; a=rsa-sha1", "seal 2: rsa-sha1 is not accepted here"),
        (b"cv=pass; a=rsa-sha256", b"cv=pass; a=rsa-md5", "seal 2: algorithm rsa-md5 is not known"),
        (b"cv=pass; a=rsa-sha256", b"cv=pass", "seal 2: a= is missing"),
        (b"cv=pass;", b"cv=pass; h=from;", "seal 2: h= in a seal"),  # RFC 8617 4.1.3
        (b"cv=pass;", b"cv=pass; x=y; x=z;", "not a tag, or the second of its name"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=3", "set 2 is not complete"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=1", "two arc-seal fields of instance 1"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=0", "set 2 is not complete"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=-2", "arc-seal without an instance number"),
        (b"ARC-Seal: i=2; ", b"ARC-Seal: ", "arc-seal without an instance number"),
        (b"ARC-Seal: i=2", b"X-Seal: i=2", "set 2 is not complete"),
        (b"ARC-Message-Signature: i=2", b"ARC-Message-Signature: i=2000", "arc-message-signature without an instance"),
        (b"ARC-Message-Signature: i=2", b"X: i=2", "set 2 is not complete"),
        (b"ARC-Authentication-Results: i=1", b"X: i=1", "set 1 is not complete"),
        (b"Results: i=1;", b"Results:", "arc-authentication-results without an instance number"),
        (b"Results: i=1;", b"Results: i=2;", "two arc-authentication-results fields of instance 2"),
        (b"Results: i=1;", b"Results: i = \t01 ;", "seal 2: the signature is wrong"),
        (b"h=from : to", b"h=arc-seal : from : to", "message signature 2: a seal is signed"),  # RFC 8617 4.1.2
        (b"h=from : to", b"h=to", "message signature 2: the signature is wrong"),
        (b"c=relaxed/relaxed", b"c=relaxed/x", "message signature 2: canonicalization relaxed/x is not known"),
        (b"c=relaxed/relaxed", b"c=relaxed/relaxed; l=3", "message signature 2: the body has changed"),
        (b"From: A <a@a.test>\r\n", b"", "message signature 2: the signature is wrong"),
    ],
)
def test_broken_chains(old: bytes, new: bytes, reason: str) -> None:
    message = chain(2)
    assert old in message
    found = outcome(message.replace(old, new, 1))
    assert found.reason.startswith(reason)
    assert found.result == ("fail" if reason else "pass")
    assert found.oldest_pass == (0 if reason else 1)


def test_the_clock_counts() -> None:
    assert outcome(chain(2), now=time.time() - 3600).reason == "seal 1: signed in the future"


@pytest.mark.parametrize(
    ("records", "result", "reason"),
    [
        (
            {"s._domainkey.c.test": None},
            "temperror",
            "message signature 2: no key for now: s._domainkey.c.test: no reply",
        ),
        ({"s._domainkey.b.test": None}, "temperror", "seal 1: no key for now"),
        ({"s._domainkey.c.test": []}, "fail", "message signature 2: there is no key"),
        ({"s._domainkey.b.test": []}, "fail", "seal 1: there is no key"),
        ({"s._domainkey.b.test": "p="}, "fail", "seal 1: the key has been revoked"),
        ({"s._domainkey.b.test": f"p={rsa(2048, 1).public}"}, "fail", "seal 1: the signature is wrong"),
        ({"s._domainkey.b.test": f"p={rsa(1024).public}"}, "fail", "seal 1: the signature is wrong"),
    ],
)
def test_keys(records: dict[str, str | list[str] | None], result: str, reason: str) -> None:
    found = outcome(chain(2), Records(RECORDS | records))
    assert found.result == result
    assert found.reason.startswith(reason)


def test_a_key_that_is_too_short() -> None:
    assert outcome(chain(1), rules=Rules(min_bits={"rsa": 4096})).reason.endswith("a key of 2048 bits is too short")


def test_too_many_sets() -> None:
    fields = [(name, f" i={number}; x") for number in range(1, 52) for name in ("ARC-Seal", "ARC-Message-Signature")]
    bodies = BodyHashes()
    found = examine(Fields(fields), Rules(), 0, bodies)
    assert (found.sets, found.trouble) == ((), "more than 50 sets")


def test_a_broken_chain_costs_no_question() -> None:
    records = Records(RECORDS)
    outcome(chain(2).replace(b"cv=pass", b"cv=fail"), records)
    outcome(chain(2) + b"footer\r\n", records)
    assert records.asked == []


def test_verdicts_of_dkimpy() -> None:
    chance, records = random.Random(20261120), Records(RECORDS)
    originals = [chain(length) for length in (1, 2, 3)]
    verdicts = {"pass": 0, "fail": 0}
    for number in range(400):
        message = originals[number % 3]
        at = chance.randrange(len(message))
        match chance.randrange(4):
            case 0:
                message = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
            case 1:
                message = message.replace(b" ", b"  ", chance.randrange(40))
            case 2:
                message = b"X-New: field\r\n" + message
            case _:
                message = message[:at] + message[at + 1 :]
        theirs, ours = by_their_rules(message, records), outcome(message)
        verdicts[str(ours.result)] += 1
        if theirs is not (ours.result == "pass"):
            assert explained(message, ours), message
    assert min(verdicts.values()) > 100


def by_their_rules(message: bytes, records: Records) -> bool:
    try:
        return bool(dkim.arc_verify(message, dnsfunc=records.txt)[0] == b"pass")
    except Exception:  # dkimpy raises what it likes
        return False


def explained(message: bytes, ours: ArcOutcome) -> str:
    """Why dkimpy thinks otherwise; empty when nobody knows."""
    header = message.partition(b"\r\n\r\n")[0]
    if any(c in header.replace(b"\r\n", b"") for c in b"\r\n"):
        return "RFC 6376 3.4: only CRLF ends a line; dkimpy takes LF, too"
    if not re.fullmatch(rb"(?:[!-9;-~]+:.*(?:\r\n[ \t].*)*\r\n)*", header + b"\r\n"):
        return "RFC 5322 2.2: a line that is no field; dkimpy refuses the whole message"
    if ours.result == "pass" and ours.oldest_pass > 1:
        return "RFC 8617 5.2: an older message signature may be wrong; dkimpy refuses one that it cannot read"
    return ""


NAMES = st.sampled_from(["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"])
VALUES = st.lists(
    st.sampled_from(["i=1", "i=2", "a=rsa-sha256", "b=AAAA", "bh=", "h=from", "d=a.test", "s=s", "cv=none", "=", "é"]),
    max_size=10,
).map(";".join)


@settings(max_examples=300)
@given(
    fields=st.lists(
        st.tuples(st.sampled_from(["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]), VALUES)
    )
)
def test_any_header_gives_a_result(fields: list[tuple[str, str]]) -> None:
    header, bodies = Fields(fields), BodyHashes()
    found = examine(header, Rules(), 0, bodies)
    verdict = verify(found, header, bodies, Records({}), Rules())
    assert verdict.result == ("fail" if fields else "none")
    assert verdict.reason.isascii()


def hostile() -> dict[str, list[tuple[str, str]]]:
    fields, _ = parted(chain(2))
    return {
        "100,000 fields": [("ARC-Seal", " i=1; x")] * 100_000,
        "results of 10 MB": [("ARC-Authentication-Results", " i=1; " + " x" * 5_000_000)],
        "a seal of 10 MB": [("ARC-Seal", " i=1; " + ";" * 10_000_000)],
        "50 sets": [(name, value.replace("i=2", f"i={n}", 1)) for n in range(1, 51) for name, value in fields[:3]],
    }


@pytest.mark.parametrize(("what", "fields"), hostile().items(), ids=hostile())
def test_time_is_bounded(what: str, fields: list[tuple[str, str]]) -> None:
    start, header, bodies = time.process_time(), Fields(fields), BodyHashes()
    found = examine(header, Rules(), time.time(), bodies)
    assert verify(found, header, bodies, Records(RECORDS), Rules()).result == "fail", what
    assert time.process_time() - start < 1


def test_a_chain_of_fifty() -> None:
    """The longest there may be."""
    start = time.process_time()
    found = outcome(chain(50))
    assert (found.result, len(found.sets), found.oldest_pass) == ("pass", 50, 1)
    assert time.process_time() - start < 20
