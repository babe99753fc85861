"""The cases of tests/config/cases.toml, put to a live Exim: what policyd takes, Exim takes, and with the same value."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from parts.differences import explained

CASES = tomllib.loads((Path(__file__).parent.parent / "config" / "cases.toml").read_text())["case"]


@pytest.mark.parametrize("case", [case for case in CASES if "unasked" not in case], ids=lambda case: case["note"])
def test_case(case, exim):
    beside = exim.directory / "sub"
    beside.mkdir()
    try:
        for name, text in case.get("files", {}).items():
            (exim.directory / name).write_text(text, encoding="latin-1", newline="")
        given = [f"-D{name}={text}" for name, text in case.get("given", {}).items()]
        if "exim" in case:
            assert explained("Configuration", case["exim"])
            assert exim.refusal(case["text"], *given) == ""
        elif "refused" in case:
            assert exim.refusal(case["text"], *given)
        else:
            assert exim.refusal(case["text"], *given) == ""
            unset = "qualify_domain = mx.example.org"
            want = unset if case["want"] == "(unset)" else f"qualify_domain = {case['want']}"
            assert exim.option(case["text"], "qualify_domain", *given) == want
    finally:
        shutil.rmtree(beside)
