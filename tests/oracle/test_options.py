"""The types of Exim's main options, as its own program knows them."""

from __future__ import annotations

import pytest

from policyd.config.exim_options import WITHOUT_EFFECT
from policyd.config.values import PARSERS
from policyd.errors import PolicyError
from policyd.language.source import Source
from policyd.settings import OPTIONS, Kind

SAMPLES = {
    Kind.BOOLEAN: "prdr_enable",
    Kind.INTEGER: "recipients_max",
    Kind.FIXED: "queue_only_load",
    Kind.TIME: "auto_thaw",
    Kind.STRING: "qualify_domain",
}
VALUES = [
    "", "true", "YES", "no", "False", "y", "1", "0", "true x", "500", "-5", "+5", "0x1F", "010", "08", "10k", "3M",
    "5 K", "1.5", ".5", "1.", "1.5K", "1d2h", "90s", "1w2d3h4m5s", "5s1h", "1h 30m", "1D", "-1s", '"5"', '"a" b', '"a',
    '"a\\\\"', "xyzzy", "a : b",
]  # fmt: skip


def accepts(kind, text):
    try:
        PARSERS[kind](Source.of(text))
    except PolicyError:
        return False
    return True


@pytest.mark.parametrize("kind", list(SAMPLES), ids=lambda kind: kind.value)
@pytest.mark.parametrize("text", VALUES, ids=repr)
def test_a_value_of_this_type(kind, text, exim):
    assert accepts(kind, text) is (exim.refusal(f"{SAMPLES[kind]} = {text}\n") == "")


def test_every_option_of_exim_is_known(exim):
    printed = [line.split()[0] for line in exim.run("", "-bP").stdout.splitlines()]
    names = {name.removeprefix("no_") for name in printed} - {"local_scan_path"}

    assert len(names) > 250
    assert names <= {*OPTIONS, *WITHOUT_EFFECT}
