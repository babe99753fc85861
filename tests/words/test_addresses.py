"""Mailboxes as header fields have them."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    ("${address:a@b}", "a@b"),
    (f"${{strlen:${{address:{'a' * 254}@b}}}}", "256"),
    (f"${{address:{'a' * 255}@b}}", ""),
    (f"${{addresses:{'a' * 255}@b, c@d}}", "c@d"),
    ("${address:A. B <a@b>}", "a@b"),
    ('${address:"A" (c) <a@b> (d)}', "a@b"),
    ('${address:"x y"@b}', '"x y"@b'),
    ("${address:foo}", "foo"),
    ("${address:@r:a@b}", "a@b"),
    ("${address:a@[1.2.3.4]}", "a@[1.2.3.4]"),
    ("${address:}", ""),
    ("${address:a@b, c@d}", ""),
    ("${address:g: a@b;}", ""),
    ("${address:a@b_c}", ""),
    ("${address:<>}", ""),
    ("${domain:a@B.c}", "B.c"),
    ("${domain:X <a@b>}", "b"),
    ("${domain:foo}", ""),
    ('${domain:"a@b"}', ""),
    ('${domain:"a@b"@c}', "c"),
    ("${local_part:a@b}", "a"),
    ('${local_part:"a b"@c}', '"a b"'),
    ("${local_part:foo}", "foo"),
    ("${local_part:a@b,c@d}", ""),
    ("${addresses:a@b, A <c@d>}", "a@b:c@d"),
    ("${addresses:g: a@b, c@d;, e@f}", "a@b:c@d:e@f"),
    ('${addresses:bad@, "x:y"@d}', '"x::y"@d'),
    ("${addresses:}", ""),
    ("${addresses:>, a@b, c@d}", "a@b,c@d"),
    ("${addresses: >+ a+x@b, c@d}", "a++x@b+c@d"),
    ("${addresses:>}", "Failed: output separator missing in expanding ${addresses:>}"),
    ("${addresses:a, :b}", "a:b"),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_addresses(string, want):
    assert expand(string) == want
