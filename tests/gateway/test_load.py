"""Many connections at once, and large messages: nothing is lost, nothing grows, and it is no bottleneck."""

from __future__ import annotations

import asyncio

import pytest
from benchmark.gateway import crowd, rates, site
from parts.ports import wait_until


@pytest.fixture(scope="module")
def running():
    with site() as running:
        yield running


def test_500_connections_at_once_with_slow_ones_among_them(running):
    assert asyncio.run(crowd(running.gateway, 500, 50)) == (500, 50)
    before = running.memory
    assert asyncio.run(crowd(running.gateway, 500, 50)) == (500, 50)
    assert running.memory < before * 1.2
    relayed = 'policyd_gateway_connections_total{result="relayed"} 1000.0'
    wait_until(lambda: relayed in running.policyd.page("/metrics"), "all to be counted")


def test_half_as_fast_as_haproxy_at_least(running):
    """Where something else takes the processor from one of the two, they are compared again."""

    def compares() -> bool:
        gateway, haproxy = rates(running, 9)
        return gateway > haproxy / 2

    wait_until(compares, "half of HAProxy's rate")
