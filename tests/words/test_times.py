"""Durations."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    ("${time_eval:1h}", "3600"),
    ("${time_eval:1w2d3h4m5s}", "788645"),
    ("${time_eval:1s1h}", "3601"),
    ("${time_eval:1h1h}", "7200"),
    ("${time_eval:0s}", "0"),
    ("${time_eval:}", 'Failed: string "" is not an Exim time interval in "time_eval" operator'),
    ("${time_eval:1}", 'Failed: string "1" is not an Exim time interval in "time_eval" operator'),
    ("${time_eval:1.5s}", 'Failed: string "1.5s" is not an Exim time interval in "time_eval" operator'),
    ("${time_eval:1h 1m}", 'Failed: string "1h 1m" is not an Exim time interval in "time_eval" operator'),
    ("${time_eval:1H}", 'Failed: string "1H" is not an Exim time interval in "time_eval" operator'),
    ("${time_interval:300000}", "3d11h20m"),
    ("${time_interval:604800}", "1w"),
    ("${time_interval:0}", "0s"),
    ("${time_interval:}", "0s"),
    ("${time_interval:59}", "59s"),
    ("${time_interval:99999999999}", "165343w6d9h46m39s"),
    ("${time_interval:-1}", 'Failed: string "-1" is not a positive number in "time_interval" operator'),
    ("${time_interval:1w}", 'Failed: string "1w" is not a positive number in "time_interval" operator'),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_times(string, want):
    assert expand(string) == want
