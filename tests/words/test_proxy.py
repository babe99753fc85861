"""The variables about the balancer, by what the client's record says of it."""

from __future__ import annotations

import pytest
from parts.exchange import exchange

from policyd.transaction import Proxy

NAMES = ("session", "local_address", "local_port", "external_address", "external_port")
FORMER = ("session", "host_address", "host_port", "target_address", "target_port")


@pytest.mark.parametrize("names", [NAMES, FORMER], ids=["names", "former names"])
@pytest.mark.parametrize(
    ("proxy", "values"),
    [
        (None, "no||0||0"),
        (Proxy(), "yes||0||0"),
        (Proxy("10.0.0.5", 5000, "198.51.100.2", 25), "yes|10.0.0.5|5000|198.51.100.2|25"),
        (Proxy("fd00::5", 5000, "2001:db8::2", 70000), "yes|fd00::5|5000|2001:db8::2|70000"),
    ],
    ids=["no balancer", "no addresses", "IPv4", "IPv6"],
)
def test_variables(names, proxy, values):
    text = "|".join(f"$proxy_{name}" for name in names)
    policy = f"begin acl\nacl_check_connect:\n  accept logwrite = {text}\n"
    assert exchange(policy, "QUIT", proxy=proxy).log == [values]


@pytest.mark.parametrize(("proxy", "truth"), [(None, "false"), (Proxy(), "true")])
def test_the_session_is_a_truth(proxy, truth):
    policy = "begin acl\nacl_check_connect:\n  accept logwrite = ${if bool{$proxy_session}{true}{false}}\n"
    assert exchange(policy, "QUIT", proxy=proxy).log == [truth]
