"""``passwd``: accounts of this host."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name, want", [("root", "*:0:0:root:/root:/bin/bash"), ("no-such-user", ""), ("a\\0b", "")])
def test_account(look, name, want):
    assert look(f"${{lookup passwd{{{name}}}}}") == want
