"""Records are read once, as long as they are of a reasonable size."""

from __future__ import annotations

import pytest

from policyd.checks.dkim_key import public_key
from policyd.checks.dkim_tags import Unverifiable
from policyd.checks.dmarc_record import parse_record
from policyd.checks.remembered import LONGEST, remembered


def test_remembered() -> None:
    asked: list[str] = []

    @remembered
    def read(text: str, strict: bool = False) -> int:
        asked.append(text)
        return len(text) + strict

    assert [read("ab"), read("ab"), read("ab", strict=True), read("abc")] == [2, 2, 3, 3]
    assert asked == ["ab", "ab", "abc"]
    for _ in range(2):
        assert read("x" * LONGEST) == LONGEST
        assert read("x" * (LONGEST + 1)) == LONGEST + 1
    assert len(asked) == 3 + 1 + 2


def test_what_is_wrong_is_wrong_each_time() -> None:
    for _ in range(2):
        with pytest.raises(Unverifiable):
            public_key("v=DKIM1; p=")
        assert parse_record("v=spf1 -all") is None


def test_a_flag_makes_another_reading() -> None:
    text = "v=DMARC1; sp=reject"
    assert [record.usable for flag in (False, True, False) if (record := parse_record(text, flag))] == [
        True,
        False,
        True,
    ]
