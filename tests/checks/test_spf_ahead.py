"""What an SPF check is expected to ask: never more than it may, and nothing for a record that nobody can read."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from policyd.checks.spf_ahead import questions
from policyd.checks.spf_identity import Identity
from policyd.resolver import Answer, Question

V4, V6 = "192.0.2.1", "2001:db8::1"


def asked(records: dict[str, list[str]], client: str = V4, domain: str = "a.test") -> list[str]:
    """Every question, as if each were answered at once; ``TYPE name``."""
    waiting = list(questions(Identity(ip_address(client), "helo.test", f"u@{domain}")))
    found: list[str] = []
    while waiting:
        question = waiting.pop(0)
        found.append(f"{question.rtype} {question.name}")
        if question.then is not None and len(found) < 100:
            waiting += question.then(answer(question, records))
    return found


def answer(question: Question, records: dict[str, list[str]]) -> Answer:
    texts = records.get(f"{question.rtype} {question.name}", [])
    if question.rtype == "MX":
        return Answer(tuple((10, text) for text in texts))
    return Answer(tuple((text[:9].encode("latin-1"), text[9:].encode("latin-1")) for text in texts))


@pytest.mark.parametrize(
    ("record", "client", "more"),
    [
        ("v=spf1 -all", V4, []),
        ("v=spf1", V4, []),
        ("V=SPF1 A -ALL", V4, ["A a.test"]),
        ("v=spf1 a mx ~all", V4, ["A a.test", "MX a.test"]),
        ("v=spf1 a mx ~all", V6, ["AAAA a.test", "MX a.test"]),
        ("v=spf1 a/24 mx/24//64 -all", V4, ["A a.test", "MX a.test"]),
        ("v=spf1 a:b.test/24 mx:c.test//64", V4, ["A b.test", "MX c.test"]),
        ("v=spf1 +include:b.test ?include:c.test -exists:d.test", V6, ["TXT b.test", "TXT c.test", "A d.test"]),
        ("v=spf1 redirect=b.test", V4, ["TXT b.test"]),
        ("v=spf1 ip4:192.0.2.0/24 include:b.test", V4, []),  # decided before
        ("v=spf1 a ip4:192.0.2.1 include:b.test", V4, ["A a.test"]),
        ("v=spf1 ip6:2001:db8::/32 include:b.test", V6, []),
        ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db9::/32 include:b.test", V6, ["TXT b.test"]),
        ("v=spf1 ip4:nonsense ip4:1.2.3.4/99 include:b.test", V4, ["TXT b.test"]),
        ("v=spf1 all include:b.test", V4, []),
        ("v=spf1 include:%{d}.b.test exists:%{i}.c.test ptr exp=d.test x=y a", V4, ["A a.test"]),
        ("v=spf1  a   a:b.test", V4, ["A a.test", "A b.test"]),
        ("v=spf1 " + "".join(f"a:h{number}.test " for number in range(20)), V4,
         [f"A h{number}.test" for number in range(10)]),
        ("v=spf10 a", V4, []),
        ("v=spf1 " + "a " * 3000, V4, []),
        ("\xff\0 a", V4, []),
    ],
)  # fmt: skip
def test_terms(record: str, client: str, more: list[str]) -> None:
    assert asked({"TXT a.test": [record]}, client) == ["TXT a.test", *more]


def test_what_answers_lead_to() -> None:
    records = {
        "TXT a.test": ["other", "v=spf1 include:b.test mx -all"],
        "TXT b.test": ["v=spf1 include:c.test a"],
        "TXT c.test": ["v=spf1 ip4:192.0.2.1"],
        "MX a.test": ["mx1.test", "mx2.test"],
    }
    levels = ["TXT a.test", "TXT b.test", "MX a.test", "TXT c.test", "A b.test", "A mx1.test", "A mx2.test"]
    assert asked(records) == levels


def test_a_loop_ends() -> None:
    assert asked({"TXT a.test": ["v=spf1 include:a.test include:a.test"]}) == ["TXT a.test"] * 11


def test_many_exchangers() -> None:
    records = {"TXT a.test": ["v=spf1 mx"], "MX a.test": [f"mx{number}.test" for number in range(50)]}
    assert len(asked(records)) == 1 + 1 + 10


@pytest.mark.parametrize("domain", ["", "localhost", "[192.0.2.1]", "x" * 300])
def test_nothing_is_asked_for_what_is_no_domain(domain: str) -> None:
    assert list(questions(Identity(ip_address(V4), domain, f"u@{domain}"))) == []
    assert list(questions(Identity(None, "a.test"))) == []
