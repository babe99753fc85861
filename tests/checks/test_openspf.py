"""The openspf test suite for RFC 7208, case by case."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from parts.openspf import Case, Scenario, scenarios

from policyd.checks.spf import DEFAULT_EXPLANATION, check_host
from policyd.checks.spf_identity import Identity
from policyd.resolver.zone import ZoneResolver

CASES = [pytest.param(scenario, case, id=case.name) for scenario in scenarios() for case in scenario.cases]


def test_the_suite_is_complete() -> None:
    assert len(CASES) == 203


@pytest.mark.parametrize(("scenario", "case"), CASES)
def test_openspf(tmp_path: Path, scenario: Scenario, case: Case) -> None:
    zone = tmp_path / "zone"
    zone.write_text(scenario.master_file)
    identity = Identity(ip_address(case.address), case.helo, case.sender)
    got = check_host(ZoneResolver([zone], scenario.failing), identity, "mx.here.test")
    assert got.result in case.results
    if case.explanation is not None:
        expected = DEFAULT_EXPLANATION.format(domain=got.domain)
        assert got.explanation == (expected if case.explanation == "DEFAULT" else case.explanation)
