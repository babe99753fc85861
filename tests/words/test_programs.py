"""``run``."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from parts.expanding import Expander
from parts.ports import wait_until

from policyd.errors import ExpansionError
from policyd.words import programs

expand = Expander("allow_run\n")
expand.tx.acl_variables["acl_m_x"] = "two words; $(id) 'q'"

CASES = [
    ("${run{/bin/echo x}}", "x\n"),
    ("${run{/bin/echo x}{[$value]}{n}}", "[x\n]"),
    ("${run{/bin/false}{y}{n}}$runrc", "n1"),
    ("${run{/bin/sh -c 'echo x; exit 3'}{y}{$value$runrc}}", "x\n3"),
    ("${run{/bin/sh -c 'echo x >&2'}}", "x\n"),
    ("${run{/bin/sh -c 'exec >&- 2>&-; sleep 0.1'}{y}}", "y"),
    ("${run{/nosuch}{y}{$runrc}}", "127"),
    ("${run{/bin/cat}{[$value]}}", "[]"),
    ("${run{/usr/bin/env}{${sg{$value}{\\n}{ }}}}", f"PATH={programs.ENVIRONMENT['PATH']} LC_ALL=C "),
    ('${run{/bin/echo $acl_m_x \'a  b\' "c\\"d"}}', "two words; $(id) 'q' a  b c\"d\n"),
    ("${run,preexpand{/bin/echo $acl_m_x}}", "two words; $(id) q\n"),
    ("${run{/bin/false}{y} fail}", 'Failed: "run" failed and "fail" requested'),
    ("${run{/bin/sh -c 'kill -9 \\$\\$'}}", "Failed: command killed by signal 9"),
    ("${run{}{y}{n $runrc}}", "n 127"),
    ("${run{$acl_m_none}{y}{n $runrc}}", "n 127"),
    ("${run{echo a}{y}{n $runrc}}", "n 127"),
    ("${run{/bin/echo \\0}{y}{n}}", "n"),
    ("$runrc", "0"),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_run(string, want):
    assert expand(string) == want


def test_nothing_runs_unless_an_option_permits_it():
    assert Expander()("${run{/bin/echo x}}") == "Failed: ${run} is not permitted: the main option allow_run is not set"


def test_a_program_that_does_not_end_is_ended_with_its_children(tmp_path):
    children = tmp_path / "children"
    script = f"sleep 60 & echo $! > {children}; wait".replace("$", "\\$")
    started = time.monotonic()
    with pytest.raises(ExpansionError, match="command timed out"):
        expand.run("${run{/bin/sh -c '%s'}}".replace("%s", script), seconds=2)
    assert time.monotonic() - started < 20
    wait_until(lambda: not Path("/proc", children.read_text().strip()).exists(), "the end of its child")


def test_a_program_that_has_closed_its_output_is_waited_for_and_ended():
    with pytest.raises(ExpansionError, match="timed out"):
        expand.run("${run{/bin/sh -c 'exec >&- 2>&-; sleep 60'}}", seconds=0.3)


def test_a_child_that_goes_on_is_not_waited_for():
    started = time.monotonic()
    assert expand.run("${run{/bin/sh -c 'sleep 15 & echo x'}}") == "x\n"
    assert time.monotonic() - started < 12


def test_an_endless_output_ends(monkeypatch):
    monkeypatch.setattr(programs, "MAX_TEXT", 100_000)
    with pytest.raises(ExpansionError, match="the command writes more than 100000 octets"):
        expand.run("${run{/usr/bin/yes}}")


def test_nothing_is_run_when_the_time_is_over():
    with pytest.raises(ExpansionError, match="timed out"):
        expand.run("${run{/bin/sleep 1}}", seconds=-1)
