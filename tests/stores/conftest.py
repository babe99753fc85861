"""Real servers, and metrics and lines to look at."""

from __future__ import annotations

import pytest
from parts.redis_server import RedisServer
from parts.redis_sets import RedisCluster

from policyd.links.places import place
from policyd.stores.redis import RedisStore


@pytest.fixture(scope="session")
def redis_server():
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def one_cluster():
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(one_cluster):
    """A cluster that is empty."""
    for node in one_cluster.nodes:
        node.ask("FLUSHALL")
    return one_cluster


@pytest.fixture
def shared():
    """Make a `RedisStore` for a URL; it is closed in the end."""
    made = []

    def make(url, **details):
        made.append(RedisStore(place(url), **details))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def redis(redis_server, shared):
    redis_server.ask("FLUSHALL")
    return shared(f"redis://127.0.0.1:{redis_server.port}")
