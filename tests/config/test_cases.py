"""The cases of cases.toml, as policyd reads them. tests/oracle/test_config.py puts the same ones to Exim."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from policyd import config, words
from policyd.errors import PolicyError

CASES = tomllib.loads((Path(__file__).parent / "cases.toml").read_text())["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["note"])
def test_case(case, tmp_path):
    words.load()
    (tmp_path / "sub").mkdir()
    for name, text in {**case.get("files", {}), "policy": case["text"]}.items():
        (tmp_path / name).write_text(text, encoding="latin-1", newline="")

    try:
        settings = config.load(tmp_path / "policy", case.get("given")).settings
    except PolicyError as error:
        problems = [str(problem).removeprefix(f"{tmp_path}/").removeprefix("policy:") for problem in error.problems]
        assert [text for text in problems if text.startswith(case["refused"])]
    else:
        unset = settings.qualify_domain == settings.primary_hostname
        assert ("(unset)" if unset else settings.qualify_domain) == case.get("want_octets", case["want"])
