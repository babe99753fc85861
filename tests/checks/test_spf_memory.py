"""A remembered result is the one that the check would have now, whatever DNS says in the meantime, and whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from policyd.checks import spf_engine, spf_memory
from policyd.checks.spf import check_host
from policyd.checks.spf_identity import Identity
from policyd.resolver import Answer, DnsTemporary


@dataclass
class World:
    """DNS whose records change."""

    records: dict[str, list[str] | None]
    asked: list[str] = field(default_factory=list)

    def lookup(self, rtype: str, name: str) -> Answer:
        question = f"{rtype} {name}"
        self.asked.append(question)
        found = self.records.get(question, [])
        if found is None:
            raise DnsTemporary("no")
        records = tuple((text.encode(),) for text in found) if rtype == "TXT" else tuple(found)
        return Answer(records, exists=bool(found), ttl=60)

    def until(self, deadline: float) -> World:
        return self


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The domain of each check that was really made."""
    made: list[str] = []
    evaluate = spf_engine.evaluate

    def counted(resolver: object, identity: Identity, *more: str) -> object:
        made.append(identity.mailbox[1])
        return evaluate(resolver, identity, *more)  # type: ignore[arg-type]

    spf_memory._memory.cache_clear()
    monkeypatch.setattr(spf_engine, "evaluate", counted)
    return made


def result(
    world: World, sender: str = "u@a.test", client: str = "192.0.2.1", guess: str = "", template: str = ""
) -> str:
    """The result, and what was asked for it."""
    world.asked.clear()
    identity = Identity(ip_address(client), "h.test", sender)
    return str(check_host(world, identity, "mx.test", guess, template).result)


SIMPLE: dict[str, list[str] | None] = {"TXT a.test": ["v=spf1 ip4:192.0.2.1 -all"]}
CHAIN: dict[str, list[str] | None] = {
    "TXT a.test": ["v=spf1 include:b.test mx -all"],
    "TXT b.test": ["v=spf1 ip4:198.51.100.1 -all"],
    "MX a.test": [(10, "m.test")],  # type: ignore[list-item]
    "A m.test": ["192.0.2.1"],
}


def test_a_second_check_only_asks(evaluated: list[str]) -> None:
    world = World(CHAIN)
    for sender in ("u@a.test", "v@a.test", "v@A.test"):
        assert result(world, sender) == "pass"
        assert world.asked == list(CHAIN)
    assert evaluated == ["a.test"]


@pytest.mark.parametrize(
    ("changed", "to", "then"),
    [
        ("TXT a.test", ["v=spf1 ip4:192.0.2.1 ~all"], "pass"),
        ("TXT a.test", ["v=spf1 -all"], "fail"),
        ("TXT a.test", [], "none"),
        ("TXT a.test", None, "temperror"),
        ("TXT b.test", ["v=spf1 ip4:192.0.2.1"], "pass"),
        ("TXT b.test", [], "permerror"),
        ("TXT b.test", None, "temperror"),
        ("MX a.test", [], "fail"),
        ("A m.test", ["192.0.2.2"], "fail"),
        ("A m.test", None, "temperror"),
    ],
)
def test_what_changes_in_dns_counts_at_once(
    evaluated: list[str], changed: str, to: list[str] | None, then: str
) -> None:
    world = World(dict(CHAIN))
    assert result(world) == "pass"
    world.records[changed] = to
    assert result(world) == then
    assert len(world.asked) == len(set(world.asked))  # nothing twice, a failure neither
    assert len(evaluated) == 2
    world.records = dict(CHAIN)
    assert result(world) == "pass"


def test_who_it_is_about(evaluated: list[str]) -> None:
    world = World(SIMPLE)
    assert [result(world, client=client) for client in ("192.0.2.1", "192.0.2.2", "2001:db8::1") * 2] == [
        "pass",
        "fail",
        "fail",
    ] * 2
    assert len(evaluated) == 3


@pytest.mark.parametrize(
    "records",
    [
        {"TXT a.test": ["v=spf1 exists:%{l}.b.test -all"], "A u.b.test": ["127.0.0.2"]},
        {"TXT a.test": ["v=spf1 include:b.test -all"], "TXT b.test": ["v=spf1 exists:%{s}.b.test"]},
        {"TXT a.test": ["v=spf1 -all exp=e.test"], "TXT e.test": ["%{l} is not one of us"]},
        {"TXT a.test": ["v=spf1 -all exp=e.test"], "TXT e.test": ["%{t}"]},
        {"TXT a.test": ["v=spf1 exists:%{i}.%{h}.b.test"]},
        {"TXT a.test": ["v=spf1 exists:%{S}.b.test"]},
        {"TXT a.test": ["v=spf1 exists:%%{d}.b.test"]},
    ],
)
def test_what_may_be_about_a_person_is_not_remembered(
    evaluated: list[str], records: dict[str, list[str] | None]
) -> None:
    world = World(records)
    for sender in ("u@a.test", "v@a.test") * 2:
        result(world, sender)
    assert len(evaluated) == 4


@pytest.mark.parametrize(
    ("records", "results"),
    [
        (
            {"TXT a.test": ["v=spf1 exists:%{i}._ok.%{d} -all"], "A 192.0.2.1._ok.a.test": ["127.0.0.2"]},
            ["pass", "fail", "pass", "fail"],
        ),
        (
            {"TXT a.test": ["v=spf1 include:%{ir}.%{v}.%{o} -all"], "TXT 2.2.0.192.in-addr.a.test": ["v=spf1 all"]},
            ["permerror", "pass"] * 2,
        ),
        ({"TXT a.test": ["v=spf1 -all exp=e.test"], "TXT e.test": ["%{I} is not of %{D}"]}, ["fail", "fail"] * 2),
    ],
)
def test_what_a_client_may_is_remembered(
    evaluated: list[str], records: dict[str, list[str] | None], results: list[str]
) -> None:
    world = World(records)
    asked = [(sender, client) for sender in ("u@a.test", "v@a.test") for client in ("192.0.2.1", "192.0.2.2")]
    assert [result(world, *each) for each in asked] == results
    assert len(evaluated) == 2


def test_a_macro_in_two_strings(evaluated: list[str]) -> None:
    class Split(World):
        def lookup(self, rtype: str, name: str) -> Answer:
            answer = super().lookup(rtype, name)
            return Answer(((b"v=spf1 exists:%", b"{l}.b.test -all"),), ttl=60) if rtype == "TXT" else answer

    world = Split({"A u.b.test": ["127.0.0.2"]})
    assert [result(world, sender) for sender in ("u@a.test", "v@a.test", "u@a.test")] == ["pass", "fail", "pass"]


def test_explanations_of_ours(evaluated: list[str]) -> None:
    world = World({"TXT a.test": ["v=spf1 -all"]})
    texts = []
    for sender in ("u@a.test", "v@a.test"):
        identity = Identity(ip_address("192.0.2.1"), "h.test", sender)
        texts.append(check_host(world, identity, "mx.test", template="not %{s}").explanation)
    assert texts == ["not u@a.test", "not v@a.test"]


def test_a_guess_is_another_check(evaluated: list[str]) -> None:
    world = World({})
    assert [result(world), result(world, guess="v=spf1 +all"), result(world), result(world, guess="v=spf1 -all")] == [
        "none",
        "pass",
        "none",
        "fail",
    ]


class Defective(World):
    """A resolver with a defect."""

    def lookup(self, rtype: str, name: str) -> Answer:
        raise RuntimeError("defect")


def test_a_defect_is_not_remembered(evaluated: list[str]) -> None:
    assert [result(Defective({})), result(World(SIMPLE)), result(Defective({})), result(World(SIMPLE))] == [
        "permerror",
        "pass",
    ] * 2


def test_what_is_too_long_is_evaluated_each_time(evaluated: list[str]) -> None:
    world = World({"TXT a.test": ["v=spf1 " + "ip4:198.51.100.1 " * 150 + "-all"]})
    assert [result(world), result(world)] == ["fail", "fail"]
    assert len(evaluated) == 2
