"""The history file: the lines that ``opendmarc-import`` takes apart at single blanks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.checks.dmarc import DmarcOutcome, DmarcResult, DmarcStatus
from policyd.checks.dmarc_history import Reception, Seal, Signed, history_record
from policyd.checks.dmarc_record import parse_record


def outcome(status="reject", tags="p=reject", **details):
    details = {"author": "a.example.com", "used": "example.com", "record": parse_record(f"v=DMARC1; {tags}")} | details
    return DmarcOutcome(DmarcStatus(status), DmarcResult.FAIL, **details)


def reception(**details):
    return Reception(**({"job": "4Xyz", "reporter": "mx.test", "received": 1700000000.9, "address": "192.0.2.1",
                         "sender_domain": "b.test"} | details))  # fmt: skip


def lines(record):
    return dict(line.split(" ", 1) for line in record.splitlines())


def test_a_record():
    tags = "p=reject; sp=quarantine; aspf=s; rua=mailto:a@example.com,mailto:b@example.com!5m; pct=50"
    signatures = [Signed("c.test", "s1", "pass"), Signed("d.test", "s2", "temperror"), Signed("", "", "permerror")]
    seals = [Seal(1, "e.test", "s3", "192.0.2.9")]
    found = reception(spf="softfail", signatures=signatures, arc="pass", seals=seals)
    assert history_record(outcome(tags=tags, dkim_aligned=True), found) == (
        "job 4Xyz\n"
        "reporter mx.test\n"
        "received 1700000000\n"
        "ipaddr 192.0.2.1\n"
        "from a.example.com\n"
        "mfrom b.test\n"
        "spf 2\n"
        "dkim c.test s1 0\n"
        "dkim d.test s2 4\n"
        "pdomain example.com\n"
        "policy 16\n"
        "rua mailto:a@example.com\n"
        "rua mailto:b@example.com\n"
        "pct 50\n"
        "adkim 114\n"
        "aspf 115\n"
        "p 114\n"
        "sp 113\n"
        "align_dkim 4\n"
        "align_spf 5\n"
        "action 0\n"
        "arc 0\n"
        'arc_policy 0 json:[{"i":1,"d":"e.test","s":"s3","ip":"192.0.2.9"}]\n'
    )


@pytest.mark.parametrize(
    ("status", "policy", "action"),
    [("accept", "15", "2"), ("reject", "16", "0"), ("quarantine", "17", "4"), ("none", "18", "2")],
)
def test_what_was_decided(status, policy, action):
    found = lines(history_record(outcome(status), reception()))
    assert (found["policy"], found["action"]) == (policy, action)


@pytest.mark.parametrize("status", ["norecord", "nofrom", "temperror", "permerror"])
def test_nothing_to_report(status):
    assert history_record(outcome(status), reception()) == ""


def test_nothing_without_a_record():
    assert history_record(outcome("none", record=None), reception()) == ""


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("pass", 0),
        ("softfail", 2),
        ("neutral", 3),
        ("temperror", 4),
        ("permerror", 5),
        ("none", 6),
        ("fail", 7),
        ("policy", 8),
        ("invalid", 11),
    ],
)
def test_codes(word, code):
    found = lines(history_record(outcome(), reception(spf=word, signatures=[Signed("c.test", "s", word)])))
    assert (found["spf"], found["dkim"]) == (str(code), f"c.test s {code}")


@pytest.mark.parametrize(
    ("tags", "p", "sp"),
    [
        ("p=none", "110", "0"),
        ("p=quarantine; sp=none", "113", "110"),
        ("p=reject; sp=reject", "114", "114"),
        ("sp=reject", "110", "114"),
    ],
)
def test_policies(tags, p, sp):
    found = lines(history_record(outcome(tags=tags), reception()))
    assert (found["p"], found["sp"]) == (p, sp)


@pytest.mark.parametrize(
    ("arc", "code", "policy"), [("", "11", "1 json:[]"), ("none", "6", "1 json:[]"), ("fail", "7", "2 json:[]")]
)
def test_arc(arc, code, policy):
    found = lines(history_record(outcome(), reception(arc=arc)))
    assert (found["arc"], found["arc_policy"]) == (code, policy)


def test_the_null_sender_has_no_domain():
    assert "\nmfrom \n" in history_record(outcome(), reception(sender_domain=""))


def test_without_spf_or_reports():
    found = lines(history_record(outcome(), reception()))
    assert "spf" not in found
    assert found["rua"] == "-"


KEYS = """job reporter received ipaddr from mfrom spf dkim pdomain policy rua pct adkim aspf p sp
align_dkim align_spf action arc arc_policy"""
TEXT = st.text(st.characters(max_codepoint=255), max_size=20)


@given(TEXT, TEXT, TEXT, TEXT)
def test_nothing_breaks_the_lines(job, sender_domain, selector, sealer):
    record = history_record(
        outcome(),
        reception(job=job, sender_domain=sender_domain, spf="pass", arc="pass",
                  signatures=[Signed("c.test", selector or "s", "pass")], seals=[Seal(1, sealer, "s")]),
    )  # fmt: skip
    keys = KEYS.split()
    assert [line.partition(" ")[0] for line in record.split("\n")] == [*keys, ""]
    assert [line.count(" ") for line in record.splitlines()[:-1]] == [3 if key == "dkim" else 1 for key in keys[:-1]]
    data = record.splitlines()[-1].split(" ", 2)[2]
    assert json.loads(data.removeprefix("json:"))[0]["d"] == sealer
