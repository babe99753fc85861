"""``spf``: results for any address and sender."""

from __future__ import annotations

import pytest

from policyd.resolver.zone import ZoneResolver

ZONE = """\
$TTL 60
good.example. TXT "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"
broken.example. TXT "v=spf1 nonsense"
"""


@pytest.mark.parametrize(
    "sender, address, want",
    [
        ("a@good.example", "192.0.2.7", "pass"),
        ("a@good.example", "2001:db8::1", "pass"),
        ("a@good.example", "198.51.100.1", "fail"),
        ("a@none.example", "192.0.2.7", "none"),
        ("a@broken.example", "192.0.2.7", "permerror"),
        ("a@failing.example", "192.0.2.7", "temperror"),
    ],
)
def test_result(looking, tmp_path, sender, address, want):
    (tmp_path / "zone").write_text(ZONE)
    look = looking(resolver=ZoneResolver([tmp_path / "zone"], failing=["failing.example"]))
    assert look(f"${{lookup{{{sender}}}spf{{{address}}}}}") == want


def test_no_address(look):
    assert look("${lookup{a@b}spf{x}{yes}{no}}") == "no"
