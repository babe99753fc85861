"""Authentication-Results: what is written can be read back and no more; what is read cannot hide whose it is."""

from __future__ import annotations

import re
import time

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.mail import authres as written
from policyd.mail.authres import AuthResult, authentication_results, claimed_ids

A_LOT = 10_000_000  # characters


@pytest.mark.parametrize(
    ("authserv_id", "results", "field"),
    [
        ("mx.test", [], "Authentication-Results: mx.test; none"),
        (
            "mx.test",
            [AuthResult("spf", "pass", (("smtp.mailfrom", "example.com"),))],
            "Authentication-Results: mx.test;\n\tspf=pass smtp.mailfrom=example.com",
        ),
        (
            "mx.test",
            [
                AuthResult("iprev", "pass", (("smtp.remote-ip", "192.0.2.1"),), "mail.example.com"),
                AuthResult("dkim", "pass", (("header.d", "example.com"), ("header.i", "@example.com"))),
                AuthResult("dkim", "fail", (("header.d", "a.test"),), "the body (all of it) has changed"),
            ],
            "Authentication-Results: mx.test;\n\tiprev=pass (mail.example.com) smtp.remote-ip=192.0.2.1"
            ";\n\tdkim=pass header.d=example.com header.i=@example.com"
            ";\n\tdkim=fail (the body [all of it] has changed) header.d=a.test",
        ),
        ("a b", [], 'Authentication-Results: "a b"; none'),
        ('a"b\\', [], 'Authentication-Results: "a\\"b\\\\"; none'),
        ("mx", [AuthResult("m", "r", (("smtp.remote-ip", "2001:db8::1"),))],
         'Authentication-Results: mx;\n\tm=r smtp.remote-ip="2001:db8::1"'),
        ("mx", [AuthResult("m", "r", (("a.b", "user@example.com"),))],
         "Authentication-Results: mx;\n\tm=r a.b=user@example.com"),
        ("mx", [AuthResult("m", "r", (("a.b", "a..b@x.test"),))],  # no dot-atom
         'Authentication-Results: mx;\n\tm=r a.b="a..b@x.test"'),
        ("mx", [AuthResult("m", "r", (("a.b", "@x..test"),))], 'Authentication-Results: mx;\n\tm=r a.b="@x..test"'),
        ("mx", [AuthResult("m", "r", (("a.b", "x; dmarc=pass"),))],
         'Authentication-Results: mx;\n\tm=r a.b="x; dmarc=pass"'),
        ("mx", [AuthResult("m", "r", (("a.b", "x\r\nBcc: y\0\xfc"),))],
         'Authentication-Results: mx;\n\tm=r a.b="x??Bcc: y??"'),
        ("mx", [AuthResult("m", "r", (("a.b", ""),))], "Authentication-Results: mx;\n\tm=r"),
        ("mx", [AuthResult("m", "r", comment=")\\(\n; x=y")], "Authentication-Results: mx;\n\tm=r (]/[?; x=y)"),
    ],
)  # fmt: skip
def test_writing(authserv_id, results, field):
    assert authentication_results(authserv_id, results) == field


def test_a_long_result_takes_several_lines():
    properties = tuple((f"header.{name}", name * 300) for name in "abcd")
    field = authentication_results("mx.test", [AuthResult("dkim", "fail", properties)])
    values = " ".join(f"header.{name}={name * 255}" for name in "abc")
    assert field == f"Authentication-Results: mx.test;\n\tdkim=fail {values}\n\t\theader.d={'d' * 255}"


def test_each_result_is_written_as_what_it_is_again_and_again():
    one = ("dkim", "pass", (("header.d", "a.test"),), "good")
    others = (("arc", *one[1:]), (one[0], "fail", *one[2:]), (*one[:2], (("header.d", "b.test"),), "good"), one[:3])
    texts = [authentication_results("mx", [AuthResult(*this)]) for this in (one, *others) * 2]
    assert len(set(texts)) == 5
    assert texts[:5] == texts[5:]


def test_few_results_are_remembered_and_no_long_ones(monkeypatch):
    monkeypatch.setattr(written, "_KNOWN", known := {})
    monkeypatch.setattr(written, "MOST", 3)
    for number in range(10):
        authentication_results("mx", [AuthResult("iprev", "pass", (), f"{number}.test")])
        assert 0 < len(known) <= 3
    before = dict(known)
    long = "x" * (written.LONGEST + 1)
    authentication_results(
        "mx", [AuthResult("dkim", "fail", (("header.i", long),)), AuthResult("dkim", "fail", (), long)]
    )
    assert known == before


LATIN1 = st.text(st.characters(max_codepoint=255), max_size=400)
RESULTS = st.builds(
    AuthResult,
    st.sampled_from(["spf", "dkim", "dmarc", "iprev", "auth"]),
    st.sampled_from(["pass", "fail", "none", "temperror"]),
    st.lists(st.tuples(st.sampled_from(["header.d", "smtp.mailfrom", "policy.x"]), LATIN1), max_size=3).map(tuple),
    LATIN1,
)


TOKEN = r"[^\x00-\x20\x7f-\xff()<>@,;:\\\"/\[\]?=]+"  # RFC 2045 5.1
VALUE = rf'(?:{TOKEN}|"(?:[^\x00-\x1f\x7f-\xff"\\]|\\[ -~])*")'
PVALUE = rf"(?:(?:{TOKEN})?@[A-Za-z0-9.-]+|{VALUE})"
COMMENT = r"(?:[ \n\t]+\([^\x00-\x1f\x7f-\xff()\\]*\))?"
PROPERTY = rf"[ \n\t]+([a-z]+\.[a-z]+)=({PVALUE})"
RESULT = rf";\n\t([a-z]+)=([a-z]+){COMMENT}((?:{PROPERTY})*)"


@given(LATIN1, st.lists(RESULTS, max_size=4))
def test_nothing_breaks_out(authserv_id, results):
    """By the grammar of RFC 8601 2.2, a reader finds what was written, as far as ASCII has it, and no more."""
    field = authentication_results(authserv_id, results)
    assert max(map(len, field.split("\n"))) <= 998
    found = re.fullmatch(rf"Authentication-Results: ({VALUE})(; none|(?:{RESULT})*)", field)
    assert read(found[1]) == ascii_part(authserv_id)
    assert (found[2] == "; none") is (not results)
    back = [
        (one[1], one[2], [(name, read(value)) for name, value in re.findall(PROPERTY, one[3])])
        for one in re.finditer(RESULT, found[2])
    ]
    assert back == [
        (one.method, one.result, [(name, ascii_part(value)) for name, value in one.properties if value])
        for one in results
    ]


@given(st.lists(RESULTS, max_size=4))
def test_another_reader_finds_the_same_results(results):
    """The library reads properties behind a quoted one in its own way, but nothing may look like another result."""
    field = authentication_results("mx.test", results).replace("\n", "")
    found = authres.AuthenticationResultsHeader.parse(field)
    assert found.authserv_id == "mx.test"
    assert [(one.method, one.result) for one in found.results] == [(one.method, one.result) for one in results]


def read(value):
    """What a value means."""
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def ascii_part(text):
    return "".join(c if " " <= c <= "~" else "?" for c in text[:255])


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("mx.test; spf=pass", ["mx.test"]),
        (" mx.test;spf=pass", ["mx.test"]),
        ("\r\n\tmx.test\r\n\t; none", ["mx.test"]),
        ("MX.Test; none", ["MX.Test"]),
        ("mx.test", ["mx.test"]),
        ("mx.test 1; none", ["mx.test"]),  # RFC 8601 2.2: a version
        ("mx.test (comment) 1 (comment); none", ["mx.test"]),
        ("(comment) mx.test; none", ["mx.test"]),
        ("(a (nested) \\) comment)mx.test; none", ["mx.test"]),
        ("mx.test(comment); none", ["mx.test"]),
        ('"mx.test"; none', ["mx.test"]),
        ('"mx\\.test" 1; none', ["mx.test"]),
        ('"mx.test; none"; none', ["mx.test"]),
        ("mx.test none", ["mx.test", "mx.testnone"]),
        ("mx(a).test; none", ["mx", "mx.test"]),
        ("mx . test; none", ["mx", "mx.test"]),
        ('"mx"."test"; none', ["mx", "mx.test"]),
        ("mx.test/1; none", ["mx.test"]),
        ("mx.test=1; none", ["mx.test"]),
        ("mx.test@x; none", ["mx.test"]),
        ("mx.test(never closed; none", ["mx.test"]),
        ('mx.test "never closed; none', ["mx.test"]),
        ("b\xc3\xbccher.test; none", ["b\xc3\xbccher.test"]),
        ("mx.test.; none", ["mx.test."]),
        ("", []),
        ("; spf=pass", []),
        ("(only a comment); spf=pass", []),
        ("(never closed mx.test; spf=pass", []),
        ('"never closed mx.test; spf=pass', []),
        ("=?utf-8?q?mx.test?=; spf=pass", []),
        ("\0mx.test; spf=pass", []),
        ("[mx.test]; spf=pass", []),
        ('""; spf=pass', []),
        (" " * 65_500 + "mx.test; none", ["mx.test"]),
        (" " * 65_536 + "mx.test; none", []),  # too far away
    ],
)
def test_reading(value, ids):
    assert list(claimed_ids(value)) == ids


@given(st.text(st.characters(max_codepoint=255)) | st.text('"();=\\ m.1\r\n', max_size=40))
def test_any_field_can_be_read(value):
    assert all(claimed_ids(value))


@given(LATIN1.filter(bool), st.lists(RESULTS, max_size=2))
def test_what_was_written_is_found_again(authserv_id, results):
    _, _, value = authentication_results(authserv_id, results).partition(":")
    ours = claimed_ids(value)
    assert not ours or ascii_part(authserv_id).startswith(ours[0])


@pytest.mark.parametrize("unit", [*'"(); \\a', "((", "()", '"\\', "a ", "a(b)"])
def test_the_time_is_linear(unit):
    start = time.process_time()
    claimed_ids(unit * (A_LOT // len(unit)))
    assert time.process_time() - start < 5
