"""Every target holds for its seeds, among them whatever once broke it; with or without atheris."""

from __future__ import annotations

import pytest
from fuzz.targets import TARGETS

CASES = [(name, seed) for name, target in TARGETS.items() for seed in (b"", *target.seeds)]


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_seeds(name: str, seed: bytes) -> None:
    TARGETS[name].run(seed)
