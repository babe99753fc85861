"""DMARC policy records, RFC 9989 4.7 and 4.8: what counts, what is ignored, and what makes a record useless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.checks.dmarc_record import DmarcPolicy, parse_record


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=DMARC",
        "v=DMARC2; p=none",
        "v=DMARC10; p=none",
        "v=dmarc1; p=none",  # the value distinguishes case
        "V=DMARC1; p=none",
        " v=DMARC1; p=none",
        "p=none; v=DMARC1",  # not first
        "v=DMARC1 p=none",
        "v=DMARC1, p=none",
        "v=spf1 -all",
        "DMARC1; p=none",
        "v=\tDMARC 1; p=none",
        '"v=DMARC1; p=none"',
    ],
)
def test_no_record(text):
    assert parse_record(text) is None


@pytest.mark.parametrize(
    ("text", "p", "sp", "np"),
    [
        ("v=DMARC1; p=none", "none", "none", "none"),
        ("v=DMARC1; p=quarantine", "quarantine", "quarantine", "quarantine"),
        ("v=DMARC1; p=reject", "reject", "reject", "reject"),
        ("v=DMARC1; p=reject;", "reject", "reject", "reject"),
        ("v=DMARC1;p=reject", "reject", "reject", "reject"),
        ("v = DMARC1 ; p = reject ", "reject", "reject", "reject"),
        ("v\t=\tDMARC1\t;\tp\t=\treject\t;\t", "reject", "reject", "reject"),
        ("v=DMARC1; p=REJECT", "reject", "reject", "reject"),  # ABNF strings do not distinguish case
        ("v=DMARC1; p=reject; sp=none", "reject", "none", "none"),
        ("v=DMARC1; p=reject; np=none", "reject", "reject", "none"),
        ("v=DMARC1; p=none; sp=quarantine; np=reject", "none", "quarantine", "reject"),
        ("v=DMARC1; np=reject; sp=quarantine; p=none", "none", "quarantine", "reject"),
        ("v=DMARC1; sp=reject", "none", "reject", "reject"),  # p acts as none when absent
        ("v=DMARC1; np=reject", "none", "none", "reject"),
        ("v=DMARC1", "none", "none", "none"),
        ("v=DMARC1;", "none", "none", "none"),
        ("v=DMARC1;;;p=reject;;", "reject", "reject", "reject"),
        ("v=DMARC1; nonsense; p=reject", "reject", "reject", "reject"),  # 4.8: what is wrong is left out
        ("v=DMARC1; =x; p=reject", "reject", "reject", "reject"),
        ("v=DMARC1; x=y; p=reject", "reject", "reject", "reject"),
        ("v=DMARC1; P=reject", "none", "none", "none"),  # an unknown tag: names distinguish case
        ("v=DMARC1; p=reject; p=none", "reject", "reject", "reject"),
        ("v=DMARC1; p=reject; v=DMARC1", "reject", "reject", "reject"),
        ("v=DMARC1; pct=0; rf=afrf; ri=3600; p=reject", "reject", "reject", "reject"),
        ("v=DMARC1; b\xfccher=x; p=reject", "reject", "reject", "reject"),
    ],
)
def test_policies(text, p, sp, np):
    record = parse_record(text)
    assert record.usable
    assert (record.for_domain, record.for_existing, record.for_nonexistent) == (p, sp, np)


@pytest.mark.parametrize(
    "wrong", ["p=rejct", "p=", "p=none!", "p=no ne", "p=reject; sp=x", "p=reject; np=x", "sp=", "np="]
)
@pytest.mark.parametrize(
    ("rua", "usable"),
    [
        ("", False),
        ("; rua=mailto:a@example.com", True),
        ("; rua=example.com", False),
        ("; rua=", False),
        ("; rua=x, mailto:a@example.com", True),
        ("; rua=mailto:a@example.com!10m", True),
        ("; ruf=mailto:a@example.com", False),
    ],
)
def test_a_wrong_policy_is_none_when_somebody_is_told(wrong, rua, usable):
    """RFC 9989 4.10.1."""
    record = parse_record(f"v=DMARC1; {wrong}{rua}")
    assert record.usable is usable
    assert record.for_domain == record.for_existing == record.for_nonexistent == "none"


def test_a_missing_policy_is_a_wrong_one_in_the_old_rfc():
    """RFC 7489 6.3: p is required."""
    assert not parse_record("v=DMARC1; sp=reject", p_required=True).usable
    assert parse_record("v=DMARC1; sp=reject; rua=mailto:a@b.test", p_required=True).for_existing == "none"
    assert parse_record("v=DMARC1; p=reject", p_required=True).for_domain == "reject"


@pytest.mark.parametrize(
    ("tag", "name", "value"),
    [
        ("", "psd", "u"),
        ("psd=y", "psd", "y"),
        ("psd=n", "psd", "n"),
        ("psd=Y", "psd", "y"),
        ("psd=u", "psd", "u"),
        ("psd=maybe", "psd", "u"),
        ("", "testing", False),
        ("t=y", "testing", True),
        ("t=n", "testing", False),
        ("t=yes", "testing", False),
        ("", "strict_dkim", False),
        ("adkim=s", "strict_dkim", True),
        ("adkim=r", "strict_dkim", False),
        ("adkim=strict", "strict_dkim", False),
        ("aspf=S", "strict_spf", True),
        ("adkim=s", "strict_spf", False),
        ("", "fo", {"0"}),
        ("fo=1", "fo", {"1"}),
        ("fo=1:d:s", "fo", {"1", "d", "s"}),
        ("fo=d", "fo", {"d"}),
        ("fo=0 : S", "fo", {"0", "s"}),
        ("fo=0:1", "fo", {"0"}),  # they exclude each other
        ("fo=1:x", "fo", {"0"}),
        ("fo=", "fo", {"0"}),
        ("", "pct", 100),
        ("pct=20", "pct", 20),
        ("pct=0", "pct", 0),
        ("pct=101", "pct", 100),
        ("pct=x", "pct", 100),
        ("pct=-1", "pct", 100),
        ("", "rua", ()),
        ("rua=mailto:a@b.test", "rua", ("mailto:a@b.test",)),
        ("rua=mailto:a@b.test,mailto:c@d.test", "rua", ("mailto:a@b.test", "mailto:c@d.test")),
        ("rua= mailto:a@b.test , https://x.test/r ", "rua", ("mailto:a@b.test", "https://x.test/r")),
        ("rua=mailto:a@b.test!10m", "rua", ("mailto:a@b.test",)),
        ("rua=MAILTO:a@b.test!5", "rua", ("MAILTO:a@b.test",)),
        ("rua=mailto:a@b.test!10m!", "rua", ("mailto:a@b.test!10m!",)),
        ("rua=mailto:nobody", "rua", ()),
        ("rua=a@b.test", "rua", ()),
        ("rua=mailto:a b@b.test", "rua", ()),
        ("rua=mailto:\xfc@b.test", "rua", ()),
        ("ruf=mailto:a@b.test", "ruf", ("mailto:a@b.test",)),
    ],
)
def test_other_tags(tag, name, value):
    assert getattr(parse_record(f"v=DMARC1; p=none; {tag}"), name) == value


@pytest.mark.parametrize(("policy", "tested"), [("none", "none"), ("quarantine", "none"), ("reject", "quarantine")])
def test_one_level_less(policy, tested):
    """RFC 9989 4.7, t."""
    assert DmarcPolicy(policy).tested == tested


LATIN1 = st.text(st.characters(max_codepoint=255))


@given(LATIN1 | LATIN1.map("v=DMARC1;{}".format) | st.text("v=DMARC1;ps nrejctquai:@,!ruaf", max_size=80))
def test_any_text_has_an_answer(text):
    record = parse_record(text)
    assert record is None or record.text == text


TAGS = {
    "p": ["none", "quarantine", "reject"],
    "psd": ["y", "n", "u"],
    "t": ["y", "n"],
    "adkim": ["r", "s"],
    "aspf": ["r", "s"],
}


@given(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in TAGS.items()}), st.randoms()
)
def test_the_order_of_tags_does_not_matter(tags, random):
    pieces = [f"{name}={value}" for name, value in tags.items()]
    random.shuffle(pieces)
    record = parse_record("; ".join(["v=DMARC1", *pieces]))
    found = (record.for_domain, record.psd, record.testing, record.strict_dkim, record.strict_spf)
    expected = (
        tags.get("p", "none"),
        tags.get("psd", "u"),
        *[tags.get(n) == v for n, v in [("t", "y"), ("adkim", "s"), ("aspf", "s")]],
    )
    assert found == expected
