"""DMARC failure reports: who wants one, who may get it, and what is in it."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.checks.dmarc import DmarcOutcome, DmarcResult, DmarcStatus, Rules, organization
from policyd.checks.dmarc_history import Reception, Signed
from policyd.checks.dmarc_record import DmarcPolicy, parse_record
from policyd.checks.dmarc_report import (
    MAX_HEADER,
    MAX_RECIPIENTS,
    FailureReport,
    addresses,
    is_wanted,
    recipients,
    related,
)
from policyd.resolver.zone import ZoneResolver

RUF = "ruf=mailto:a@example.com"


def outcome(tags=RUF, result="fail", **details):
    record = parse_record(f"v=DMARC1; p=reject; {tags}")
    known = {"author": "mail.example.com", "used": "example.com", "record": record, "published": DmarcPolicy.REJECT}
    return DmarcOutcome(DmarcStatus.REJECT, DmarcResult(result), **(known | details))


@pytest.mark.parametrize(
    ("tags", "result", "spf", "dkim", "wanted"),
    [
        (RUF, "fail", False, False, True),
        (RUF, "pass", True, False, False),
        (RUF, "temperror", False, False, False),
        ("", "fail", False, False, False),
        ("fo=1", "fail", False, False, False),
        (f"fo=0; {RUF}", "fail", False, False, True),
        (f"fo=1; {RUF}", "fail", False, False, True),
        (f"fo=1; {RUF}", "pass", True, False, True),
        (f"fo=1; {RUF}", "pass", False, True, True),
        (f"fo=1; {RUF}", "pass", True, True, False),
        (f"fo=1; {RUF}", "temperror", False, True, False),
        (f"fo=d; {RUF}", "fail", False, False, False),
        (f"fo=0:s; {RUF}", "fail", False, False, True),
        (f"psd=y; {RUF}", "fail", False, False, False),  # RFC 9991 section 2
        (f"psd=n; {RUF}", "fail", False, False, True),
        (f"t=y; {RUF}", "fail", False, False, True),  # RFC 9989 4.7: no matter to reports
    ],
)
def test_who_wants_one(tags, result, spf, dkim, wanted):
    assert is_wanted(outcome(tags, result, spf_aligned=spf, dkim_aligned=dkim)) is wanted


def test_nobody_wants_one_without_a_record():
    assert not is_wanted(outcome(record=None))


@pytest.mark.parametrize(
    ("uris", "found"),
    [
        (["mailto:a@b.test"], ["a@b.test"]),
        (["MAILTO:A@B.test"], ["A@B.test"]),
        (["mailto:a@b.test", "mailto:a@b.test"], ["a@b.test"]),
        (["mailto:a%2Bb@b.test"], ["a+b@b.test"]),
        (["mailto:a@b.test?subject=x"], ["a@b.test"]),
        (["https://b.test/"], []),
        (["mailto:a@b.test%0d%0aRCPT TO:c@d.test"], []),
        (["mailto:a@b.test%3e"], []),
        (["mailto:a%20b@b.test"], []),
        (['mailto:"a"@b.test'], []),
        (["mailto:a@[192.0.2.1]"], []),
        (["mailto:a@b..test"], []),
    ],
)
def test_addresses(uris, found):
    assert addresses(uris) == found


@pytest.mark.parametrize(
    ("ruf", "zone", "found"),
    [
        ("a@example.com", "", ["a@example.com"]),
        ("a@EXAMPLE.com", "", ["a@EXAMPLE.com"]),
        ("a@reports.example.com", "_dmarc.example.com TXT \"v=DMARC1; p=none\"", ["a@reports.example.com"]),
        ("a@reports.example.com", "", []),  # without records, another organization
        ("a@other.test", "", []),
        ("a@other.test", 'example.com._report._dmarc.other.test TXT "v=DMARC1"', ["a@other.test"]),
        ("a@other.test", 'example.com._report._dmarc.other.test TXT "v=DMARC1;"', ["a@other.test"]),
        ("a@other.test", '*._report._dmarc.other.test TXT "v=DMARC1"', ["a@other.test"]),
        ("a@other.test", 'example.com._report._dmarc.other.test TXT "yes"', []),
        ("a@other.test", 'mail.example.com._report._dmarc.other.test TXT "v=DMARC1"', []),
        ("a@other.test", 'example.com._report._dmarc.other.test TXT "v=DMARC1; ruf=mailto:b@other.test"',
         ["b@other.test"]),
        ("a@other.test", 'example.com._report._dmarc.other.test TXT "v=DMARC1; ruf=mailto:b@third.test"',
         ["a@other.test"]),
        ("a@failing.test", 'example.com._report._dmarc.failing.test TXT "v=DMARC1"', []),
        ("a@failing.test,mailto:b@example.com", "", ["b@example.com"]),
    ],
)  # fmt: skip
def test_who_has_agreed(tmp_path, ruf, zone, found):
    """RFC 9990 section 4, by RFC 9991 section 5."""
    file = tmp_path / "zone"
    file.write_text(zone + "\n")
    resolver = ZoneResolver([file], failing=["example.com._report._dmarc.failing.test"])
    record = parse_record(f"v=DMARC1; p=none; ruf=mailto:{ruf}")
    got = recipients(resolver, record, "example.com", lambda name: organization(resolver, name, Rules()))
    assert got == found


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ("a.test", "a.test", True),
        ("b.a.test", "a.test", True),
        ("a.test", "b.a.test", True),
        ("ba.test", "a.test", False),
        ("", "a.test", False),
        ("a.test", "", False),
        ("[1]", "a.test", False),
    ],
)
def test_related(one, other, answer):
    assert related(one, other) is answer


def test_no_more_than_five_get_one(tmp_path):
    (tmp_path / "zone").write_text("")
    record = parse_record("v=DMARC1; p=none; ruf=" + ",".join(f"mailto:{n}@example.com" for n in range(9)))
    got = recipients(ZoneResolver([tmp_path / "zone"]), record, "example.com", lambda name: name)
    assert got == [f"{n}@example.com" for n in range(MAX_RECIPIENTS)]


SIGNED = [Signed("evil.test", "s", "fail"), Signed("example.com", "s1", "fail", "@mail.example.com")]
RECEPTION = Reception("4Xyz", "mx.here.test", 1700000000.0, "192.0.2.1", "example.com", "fail", SIGNED)
RESULTS = "Authentication-Results: mx.here.test;\n\tdmarc=fail header.from=mail.example.com"


def report(**details):
    known = {"outcome": outcome(), "reception": RECEPTION, "mail_from": "x@example.com", "results": RESULTS,
             "header": "From: x@mail.example.com\nSubject: hi\n there\n"}  # fmt: skip
    return FailureReport(**(known | details))


def parts(found):
    octets = found.message("Reports <dmarc@here.test>", "a@example.com", "0123")
    assert octets.replace(b"\r\n", b"").find(b"\n") == octets.replace(b"\r\n", b"").find(b"\r") == -1
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(octets, policy=email.policy.SMTP)
    assert not message.defects
    return message, [part.get_payload(decode=True) for part in message.iter_parts()]


def fields(found):
    message, _ = parts(found)
    return dict(next(iter(list(message.iter_parts())[1].get_payload())).items())


def test_the_message():
    """RFC 6591 section 3."""
    message, (text, _, header) = parts(report())
    assert (message["From"], message["To"]) == ("Reports <dmarc@here.test>", "a@example.com")
    assert message["Subject"] == "DMARC Forensic Report for mail.example.com from IP 192.0.2.1"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == "<0123@mx.here.test>"
    assert message["Date"] == "Tue, 14 Nov 2023 22:13:20 -0000"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "feedback-report"
    types = [part.get_content_type() for part in message.iter_parts()]
    assert types == ["text/plain", "message/feedback-report", "text/rfc822-headers"]
    assert b"Author domain: mail.example.com\r\nDMARC: fail (policy reject)" in text
    assert header == b"From: x@mail.example.com\r\nSubject: hi\r\n there\r\n"


def test_the_fields():
    """RFC 6591 3.1 and 3.2, RFC 9991 section 4."""
    assert fields(report(spf_record='v=spf1 "-all', port=25)) == {
        "Feedback-Type": "auth-failure",
        "User-Agent": "policyd",
        "Version": "1",
        "Auth-Failure": "dmarc",
        "Authentication-Results": "mx.here.test;\tdmarc=fail header.from=mail.example.com",
        "Identity-Alignment": "dkim, spf",
        "Original-Envelope-Id": "4Xyz",
        "Original-Mail-From": "<x@example.com>",
        "Arrival-Date": "Tue, 14 Nov 2023 22:13:20 -0000",
        "Source-IP": "192.0.2.1",
        "Source-Port": "25",
        "Reported-Domain": "mail.example.com",
        "DKIM-Domain": "example.com",
        "DKIM-Identity": "@mail.example.com",
        "DKIM-Selector": "s1",
        "SPF-DNS": 'txt : example.com : "v=spf1 \\"-all"',
    }


@pytest.mark.parametrize(
    ("details", "alignment"),
    [
        ({}, "dkim, spf"),
        ({"spf_aligned": True}, "dkim"),
        ({"dkim_aligned": True}, "spf"),
        ({"spf_aligned": True, "dkim_aligned": True}, "none"),
    ],
)
def test_what_failed(details, alignment):
    found = fields(report(outcome=outcome(**details)))
    assert found["Identity-Alignment"] == alignment
    assert ("DKIM-Domain" in found) is ("dkim" in alignment)


def test_signatures_of_others_are_not_mentioned():
    reception = replace(RECEPTION, signatures=[Signed("evil.test", "s", "fail"), Signed("example.com", "s", "pass")])
    assert "DKIM-Domain" not in fields(report(reception=reception))


def test_a_long_header_is_cut_off():
    _, (_, _, header) = parts(report(header="X: x\n" * MAX_HEADER))
    assert len(header.replace(b"\r\n", b"\n")) == MAX_HEADER


@pytest.mark.parametrize("header", ["Subject: \xfc\n", f"X: {'a' * 1000}\n", "X: a\rb\n", "X: \0\n"])
def test_what_cannot_travel_is_encoded(header):
    _, (_, _, got) = parts(report(header=header))
    assert got == header.replace("\n", "\r\n").encode("latin-1")


TEXT = st.text(st.characters(max_codepoint=255))


@given(TEXT, TEXT, TEXT, TEXT)
def test_nothing_breaks_out(mail_from, header, identity, record):
    reception = replace(RECEPTION, signatures=[Signed("example.com", "s1", "fail", identity)])
    found = report(mail_from=mail_from, header=header, reception=reception, spf_record=record)
    message, (_, _, got) = parts(found)
    assert len(list(message.iter_parts())) == 3
    assert got.rstrip(b"\r\n") == header.replace("\n", "\r\n").encode("latin-1").rstrip(b"\r\n")
    assert len(fields(found)) == 14 + bool(record)
