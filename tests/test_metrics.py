"""The catalogue, and counting: each test in a process of its own, for the library keeps its files for ever."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from policyd.metrics import CATALOGUE, FAMILIES, Kind, NoMetrics, named

PACKAGE = Path(__file__).parents[1] / "policyd"


# -- the catalogue


def test_names_are_unique():
    assert len(FAMILIES) == len(CATALOGUE)


@pytest.mark.parametrize("family", CATALOGUE, ids=lambda family: family.name)
def test_conventions(family):
    assert re.fullmatch("[a-z]+(_[a-z]+)*", family.name)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert family.help.endswith(".")
    assert bool(family.buckets) == (family.kind is Kind.HISTOGRAM)
    assert list(family.buckets) == sorted(set(family.buckets))
    if "_duration" in family.name:
        assert family.name.endswith("_seconds")


@pytest.mark.parametrize(
    "name, labels, error",
    [
        ("no_such_metric", (), KeyError),
        ("messages_total", (), ValueError),
        ("messages_total", ("accept", "data"), ValueError),
        ("messages_total", ("eaten",), ValueError),
        ("decisions_total", ("accept", "data", "true"), ValueError),
    ],
)
def test_mistakes(name, labels, error):
    with pytest.raises(error):
        named(name, labels)


def test_values_that_come_from_the_configuration():
    labels = {"limit": "per host", "result": "over", "enforced": "true"}
    assert named("ratelimit_checks_total", ("per host", "over", "true")) == labels


CALL = re.compile(r"metrics\.(?:count|observe)\(")


def calls() -> Iterator[tuple[str, str, int]]:
    """Every place in the package that counts: where, what, with how many labels."""
    for module in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and CALL.search(ast.unparse(node)[: len(ast.unparse(node.func)) + 1]):
                before = 2 if ast.unparse(node.func).endswith("observe") else 1
                where = f"{module.relative_to(PACKAGE)}:{node.lineno}"
                yield where, ast.literal_eval(node.args[0]), len(node.args) - before


@pytest.mark.parametrize("where, name, labels", list(calls()))
def test_what_is_counted_is_in_the_catalogue(where, name, labels):
    assert len(FAMILIES[name].labels) == labels


def test_no_metrics():
    metrics = NoMetrics()
    metrics.count("anything", "x", amount=2)
    metrics.observe("anything", 0.5)


# -- counting


def run(directory: Path, program: str) -> str:
    """The output of *program*, which has `metrics` open in *directory* and `lines(PREFIX)` to read them."""
    begin = f"""
        import sys, time
        from pathlib import Path
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector
        from policyd.server.counts import PrometheusMetrics
        directory = {str(directory)!r}
        def lines(prefix):
            registry = CollectorRegistry()
            MultiProcessCollector(registry, directory)
            text = generate_latest(registry).decode()
            return [line for line in text.splitlines() if line.startswith("policyd_" + prefix)]
        metrics = PrometheusMetrics(directory, "worker-0")
        metrics.open()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(begin) + textwrap.dedent(program)],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent), "PROMETHEUS_MULTIPROC_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


def test_known_series_begin_at_zero(tmp_path):
    output = run(tmp_path, "print(*lines('messages_total'), *lines('spf_lookups_count'), sep='\\n')")
    assert output.splitlines() == [
        'policyd_messages_total{action="accept"} 0.0',
        'policyd_messages_total{action="reject"} 0.0',
        'policyd_messages_total{action="defer"} 0.0',
        'policyd_messages_total{action="discard"} 0.0',
        'policyd_messages_total{action="quarantine"} 0.0',
        'policyd_messages_total{action="abort"} 0.0',
        "policyd_spf_lookups_count 0.0",
    ]


def test_threads_count_exactly(tmp_path):
    program = """
        from threading import Thread
        sys.setswitchinterval(1e-6)
        def work():
            for _ in range(20000):
                metrics.count("connections_total")
                metrics.observe("spf_lookups", 2)
        threads = [Thread(target=work) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(*lines("connections_total"), *lines("spf_lookups_sum"), *lines("spf_lookups_count"), sep="\\n")
    """
    assert run(tmp_path, program).splitlines() == [
        "policyd_connections_total 160000.0",
        "policyd_spf_lookups_sum 320000.0",
        "policyd_spf_lookups_count 160000.0",
    ]


def test_counters_gauges_and_histograms(tmp_path):
    program = """
        metrics.count("messages_total", "defer")
        metrics.count("messages_total", "defer", amount=2)
        metrics.count("ratelimit_checks_total", "x", "over", "true")
        metrics.count("connections", amount=3)
        metrics.count("connections", amount=-1)
        metrics.observe("check_duration_seconds", 0.02, "spf")
        print(*lines('messages_total{action="defer"'), *lines("ratelimit_checks"), sep="\\n")
        print(*lines("check_duration_seconds_bucket")[3:6], *lines("check_duration_seconds_sum"), sep="\\n")
        gauges = MultiProcessCollector.merge([f"{directory}/gauge_livesum_worker-0.db"])
        print(*[gauge.samples[0].value for gauge in gauges if gauge.name == "policyd_connections"])
    """
    assert run(tmp_path, program).splitlines() == [
        'policyd_messages_total{action="defer"} 3.0',
        'policyd_ratelimit_checks_total{enforced="true",limit="x",result="over"} 1.0',
        'policyd_check_duration_seconds_bucket{check="spf",le="0.01"} 0.0',
        'policyd_check_duration_seconds_bucket{check="spf",le="0.025"} 1.0',
        'policyd_check_duration_seconds_bucket{check="spf",le="0.05"} 1.0',
        'policyd_check_duration_seconds_sum{check="spf"} 0.02',
        "2.0",
    ]


def test_a_successor_goes_on_counting(tmp_path):
    """It takes over the file, so that a worker that dies often does not fill the directory."""
    program = """
        metrics.count("messages_total", "defer")
        metrics.count("connections", amount=5)
    """
    run(tmp_path, program)
    run(tmp_path, program)
    assert len(list(tmp_path.iterdir())) == 3
    assert (
        run(tmp_path, "print(*lines('messages_total{action=\"defer\"'))")
        == 'policyd_messages_total{action="defer"} 2.0\n'
    )


def test_series_of_long_policies_are_bounded(tmp_path):
    """Beyond 500 rules there is one series for the rest of a phase."""
    program = """
        for number in range(600):
            metrics.count("rule_hits_total", "rcpt", f"10.conf:{number}")
            metrics.count("rule_hits_total", "rcpt", f"10.conf:{number}")
        metrics.observe("check_duration_seconds", 0.5, "spf")
        print(len(lines("rule_hits_total")), lines('rule_hits_total{phase="rcpt",rule="10.conf:499"}'))
        print(lines('rule_hits_total{phase="rcpt",rule="10.conf:500"}'))
        print(*lines('rule_hits_total{phase="rcpt",rule="other'))
        print(*lines('check_duration_seconds_count{check="spf"}'))
    """
    assert run(tmp_path, program).splitlines() == [
        """501 ['policyd_rule_hits_total{phase="rcpt",rule="10.conf:499"} 2.0']""",
        "[]",
        'policyd_rule_hits_total{phase="rcpt",rule="other"} 200.0',
        'policyd_check_duration_seconds_count{check="spf"} 1.0',
    ]


def test_mistakes_are_told(tmp_path):
    program = """
        for name, labels in [("no_such", ()), ("messages_total", ("eaten",)), ("config_files", ())]:
            try:
                metrics.count(name, *labels)
            except (KeyError, ValueError) as error:
                print(type(error).__name__, error)
    """
    assert run(tmp_path, program).splitlines() == [
        "KeyError 'no_such'",
        "ValueError messages_total: 'eaten' is no action",
        "KeyError 'config_files'",
    ]


def test_counting_costs_microseconds(tmp_path):
    program = """
        begun = time.process_time()
        for _ in range(10000):
            metrics.count("decisions_total", "mail", "accept", "true")
        print(time.process_time() - begun)
    """
    assert float(run(tmp_path, program)) / 10000 < 20e-6  # about 1 µs on a quiet machine
