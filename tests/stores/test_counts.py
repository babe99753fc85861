"""Two processes with eight threads each count in one store: nothing is lost, and nothing counted twice.

``tests/benchmark/stores.py`` does the same with 80,000 checks.
"""

from __future__ import annotations

import pytest

from tests.benchmark.stores import counted, together

PROCESSES, THREADS, CHECKS = 2, 8, 300


@pytest.mark.parametrize("keys", [1, 1000])
@pytest.mark.parametrize("kind", ["LMDB", "Redis", "cluster"])
def test_every_check_is_counted(request, redis_server, tmp_path, kind, keys):
    where = str(tmp_path)
    if kind == "Redis":
        redis_server.ask("FLUSHALL")
        where = f"redis://127.0.0.1:{redis_server.port}"
    if kind == "cluster":
        where = request.getfixturevalue("cluster").url
    together(where, PROCESSES, THREADS, CHECKS, keys)
    assert counted(where) == pytest.approx(PROCESSES * THREADS * CHECKS, abs=1e-6)
