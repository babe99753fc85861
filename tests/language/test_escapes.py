"""Backslashes."""

from __future__ import annotations

import pytest

from policyd.language.escapes import unescape


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("plain", "plain"),
        (r"\n\t\r\b\f\v", "\n\t\r\b\f\v"),
        (r"\\\"\q\$", '\\"q$'),
        (r"\101\1234\8", "AS48"),
        (r"\x41\x4g\xg\x414", "A\x04g\0gA4"),
        (r"\400", "\0"),
        ("\\\n", "\n"),
        ("end\\", "end\\"),
    ],
)
def test_unescape(text, want):
    assert unescape(text) == want
