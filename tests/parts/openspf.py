"""The openspf test suite for RFC 7208: its cases, and its DNS as master files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SUITE = Path(__file__).parents[1] / "corpora" / "openspf" / "rfc7208-tests.yml"
APEX = "{name} 60 SOA ns.test. hostmaster.test. 1 3600 600 86400 60\n{name} 60 NS ns.test.\n"
BROKEN = "; no SOA: a server answers SERVFAIL\n"
TIMEOUT = "TIMEOUT"


@dataclass(frozen=True, slots=True)
class Case:
    """One client, and what may come of it: *results*, the preferred one first."""

    name: str
    address: str
    helo: str
    sender: str
    results: tuple[str, ...]
    explanation: str | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Cases that share a DNS: *records* in master format by owner, which may be none; *failing* names time out."""

    name: str
    cases: tuple[Case, ...]
    records: dict[str, str]
    failing: frozenset[str]

    @property
    def master_file(self) -> str:
        """All records; their names are absolute."""
        return "".join(self.records.values())

    @property
    def zones(self) -> dict[str, str]:
        """The same for a server. A failing name is a broken zone, and each name below it one of its own."""
        apart = {name for name in self.records if any(name.endswith(f".{above}") for above in self.failing)}
        rest = "".join(text for name, text in self.records.items() if name not in apart)
        own = {name: APEX.format(name=_owner(name)) + self.records[name] for name in apart}
        return {".": APEX.format(name=".") + rest, **own, **dict.fromkeys(self.failing, BROKEN)}


def scenarios() -> Iterator[Scenario]:
    """All of the suite."""
    for scenario in yaml.safe_load_all(SUITE.read_text("utf-8")):
        cases = tuple(_case(name, case) for name, case in scenario["tests"].items())
        zone = {name.lower(): list(_records(entries)) for name, entries in scenario["zonedata"].items()}
        failing = frozenset(name.lower() for name, entries in scenario["zonedata"].items() if _fails(entries))
        records = {name: _master(name, zone[name]) for name in zone if name not in failing}
        yield Scenario(scenario["description"], cases, records, failing)


def _case(name: str, case: dict[str, Any]) -> Case:
    results = case["result"] if isinstance(case["result"], list) else [case["result"]]
    return Case(name, case["host"], case["helo"], case["mailfrom"], tuple(results), case.get("explanation"))


def _records(entries: list[Any]) -> Iterator[tuple[str, Any]]:
    """Type and data. Where a name has no TXT of its own, its SPF records are TXT records, too (the suite says so).

    The one record without any string is left out: it is illegal (RFC 1035 3.3.14), no master file can have it.
    """
    found = [pair for entry in entries if entry != TIMEOUT for pair in entry.items()]
    if not any(rtype == "TXT" for rtype, _ in found):
        found += [("TXT", data) for rtype, data in found if rtype == "SPF"]
    return (pair for pair in found if pair[1] not in ("NONE", []))


def _fails(entries: list[Any]) -> bool:
    """What is not there times out: TXT records that are there can be had."""
    return TIMEOUT in entries and not any(rtype == "TXT" for rtype, _ in _records(entries))


# -- master format, RFC 1035 section 5


def _master(name: str, records: list[tuple[str, Any]]) -> str:
    return "".join(f"{_owner(name)} 60 {rtype} {_data(rtype, data)}\n" for rtype, data in records)


def _data(rtype: str, data: Any) -> str:
    if rtype in ("TXT", "SPF"):
        return " ".join(f'"{_escaped(string)}"' for string in ([data] if isinstance(data, str) else data))
    if rtype == "MX":
        return f"{data[0]} {_owner(data[1])}"
    return _owner(data) if rtype in ("CNAME", "PTR") else str(data)


def _owner(name: str) -> str:
    return _escaped(name.rstrip(".")) + "."


def _escaped(text: str) -> str:
    """Every octet but the plainest in decimal."""
    octets = text.encode().decode("latin-1")
    return re.sub(r"[^\w.-]", lambda found: f"\\{ord(found[0]):03}", octets, flags=re.ASCII)
