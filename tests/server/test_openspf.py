"""The openspf test suite for RFC 7208 through the whole daemon, which asks a real name server."""

from __future__ import annotations

import tempfile

import pytest
from milter_client import MilterClient
from parts.daemon import Policyd
from parts.nsd import Nsd
from parts.openspf import Case, Scenario, scenarios

POLICY = """\
acl_smtp_mail = mail
begin acl
mail:
  warn spf = pass
  deny message = $spf_result
"""


@pytest.mark.parametrize("scenario", [pytest.param(scenario, id=scenario.name) for scenario in scenarios()])
def test_openspf(scenario: Scenario) -> None:
    with Nsd(scenario.zones) as dns, tempfile.TemporaryDirectory(prefix="policyd-openspf-") as directory:
        options = {"dns_servers": "127.0.0.1", "dns_port": str(dns.port), "workers": "1"}
        with Policyd(POLICY, f"unix:{directory}/socket", options) as daemon:
            got = {case.name: verdict(daemon, case) for case in scenario.cases}
    assert {case.name: got[case.name] for case in scenario.cases if got[case.name] not in case.results} == {}


def verdict(daemon: Policyd, case: Case) -> str:
    """The SPF result of one session."""
    with MilterClient(daemon.socket.removeprefix("unix:")) as mta:
        mta.connect(case.address)
        mta.helo(case.helo.encode())
        return mta.mail(f"<{case.sender}>".encode()).removeprefix("550 5.7.1 ")
