"""Which DMARC records are foreseen: those of every level, and of those who may be aligned."""

from __future__ import annotations

import pytest

from policyd.checks.dmarc import Rules, SeveralAuthors
from policyd.checks.dmarc_ahead import questions
from policyd.checks.dmarc_discovery import Method


def registered(domain: str) -> str:
    return ".".join(domain.split(".")[-2:]) if "." in domain else ""


WALK, LIST = Rules(), Rules(Method.RFC7489, registered=registered)
EXIM = Rules(several=SeveralAuthors.EXIM)


@pytest.mark.parametrize(
    ("fields", "identifiers", "rules", "names"),
    [
        (["a@x.test"], [], WALK, "x.test test"),
        (["a@news.x.test"], [], WALK, "news.x.test x.test test"),
        (["a@news.x.test"], [], LIST, "news.x.test x.test"),
        (["a@news.x.test"], ["x.test", "bounce.x.test"], WALK, "news.x.test x.test test bounce.x.test"),
        (["a@x.test"], ["y.test", "[192.0.2.1]", "", "a\xff.x.test"], WALK, "x.test test"),  # cannot be aligned
        (["a@x.test, b@y.test"], [], WALK, "x.test test y.test"),
        ([", ".join(f"a@{name}.test" for name in "vwxyz")], [], WALK, "v.test test w.test x.test y.test z.test"),
        (["a@x.test, b@y.test"], [], EXIM, "x.test test"),
        ([], ["x.test"], WALK, ""),
        (["nobody"], [], WALK, ""),
        ([", ".join(f"a@x{number}.test" for number in range(9))], [], WALK, ""),  # too many to be evaluated
        (["a@" + "b." * 20 + "test"], [], WALK,
         " ".join(["b." * 20 + "test", *("b." * count + "test" for count in range(6, -1, -1))])),
    ],
)  # fmt: skip
def test_questions(fields: list[str], identifiers: list[str], rules: Rules, names: str) -> None:
    found = questions(fields, identifiers, rules)
    assert [(question.rtype, question.name) for question in found] == [("TXT", f"_dmarc.{n}") for n in names.split()]
