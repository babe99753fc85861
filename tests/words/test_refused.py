"""What Exim's expansions have and policyd refuses, each with a sentence."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

from policyd import words
from policyd.language.registry import Kind
from policyd.words.refused import REFUSED

VOCABULARY = words.load()
USES = {Kind.ITEM: "${NAME{a}{b}}", Kind.TEST: "${if NAME{a}{b}}", Kind.VARIABLE: "$NAME"}
NAMES = [(kind, name, reason) for kind, reason, names in REFUSED for name in names.split()]


@pytest.mark.parametrize(("kind", "name", "reason"), NAMES, ids=[name for _, name, _ in NAMES])
def test_refused(kind, name, reason):
    assert VOCABULARY.find(kind, name) is None
    expand, string = Expander(), USES[kind].replace("NAME", name)
    assert expand(string).startswith("Failed: ")
    assert expand.hint(string) == reason


def test_every_name_once():
    assert len({(kind, name) for kind, name, _ in NAMES}) == len(NAMES)
