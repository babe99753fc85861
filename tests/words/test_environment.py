"""``env``."""

from __future__ import annotations

import pytest
from parts.expanding import Expander


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("POLICYD_A", "a value")
    monkeypatch.setenv("POLICYD_B", "\udce9")  # one octet


@pytest.mark.parametrize(
    ("config", "string", "want"),
    [
        ("", "${env{POLICYD_A}{$value}{no}}", "no"),
        ("keep_environment = *", "${env{POLICYD_A}}", "a value"),
        ("keep_environment = *", "${env{POLICYD_B}}", "\xe9"),
        ("keep_environment = *", "${env{POLICYD_NOSUCH}{y}{no}}", "no"),
        ("keep_environment = *", "${env{POLICYD_NOSUCH}{y} fail}", 'Failed: "env" failed and "fail" requested'),
        ("keep_environment = HOME : POLICYD_A", "${env{POLICYD_A}{[$value]}}", "[a value]"),
        ("keep_environment = HOME : POLICYD_A", "${env{POLICYD_B}{y}{no}}", "no"),
        ("keep_environment = *_A", "${env{POLICYD_A}}${env{POLICYD_B}}", "a value"),
        ("keep_environment = ^POL.*B", "${env{POLICYD_A}}${env{POLICYD_B}}", "\xe9"),
        ("add_environment = POLICYD_A=x=y : EMPTY=", "${env{POLICYD_A}}${env{EMPTY}{[$value]}{no}}", "x=y[]"),
        ("add_environment = POLICYD_A=x", "${env{POLICYD_B}{y}{no}}", "no"),
    ],
)
def test_env(config, string, want):
    assert Expander(f"{config}\n")(string) == want
