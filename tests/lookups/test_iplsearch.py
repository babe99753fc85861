"""``iplsearch``: the first network that holds an address, however many there are."""

from __future__ import annotations

import time

import pytest

from tests.lookups.conftest import little_work

FILE = """\
192.0.2.1: exact
192.0.2.0/24: net24
192.0.0.0/8: net8
192.0.2.9: too late
"2001:db8::1": v6
"2001:db8::/32": v6net
*: star
*: second star
1.2.3.4
  continued
10.1/16: short
10.2.0.0/99: long mask
10.3.4.5/16: host bits
10.6.0.0/x: no mask
10.7.0.0/-8: no mask
10.8.0.0/: no mask
010.4.0.1: leading zero
host.name: name
"::ffff:1.2.3.9": mapped
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    "key, want",
    [
        ("192.0.2.1", "exact"),
        ("192.0.2.2", "net24"),
        ("192.0.2.9", "net24"),
        ("192.9.2.2", "net8"),
        ("2001:db8::1", "v6"),
        ("2001:0DB8:0:0::2", "v6net"),
        ("::ffff:192.0.2.1", "exact"),
        ("1.2.3.4", " continued"),
        ("10.2.0.0", "long mask"),
        ("10.3.9.9", "host bits"),
        ("*", "star"),
        ("10.1.2.3", None),
        ("10.2.0.1", None),
        ("10.4.0.1", None),
        ("10.6.0.0", None),
        ("10.7.0.0", None),
        ("10.8.0.0", None),
        ("1.2.3.9", None),
        ("9.9.9.9", None),
    ],
)
def test_key(look, file, key, want):
    found = look(f"${{lookup{{{key}}}iplsearch{{{file}}}{{[$value]}}{{none}}}}")
    assert found == ("none" if want is None else f"[{want}]")


def test_options(look, file):
    assert look(f"${{lookup{{2001:db8::2}}iplsearch,ret=full{{{file}}}}}") == "2001:db8::/32: v6net"
    assert look(f"${{lookup{{192.0.2.77}}iplsearch,ret=key{{{file}}}}}") == "192.0.2.77"
    assert look(f"${{lookup{{9.9.9.9}}iplsearch*{{{file}}}}}") == "star"


@pytest.mark.parametrize("key", ["192.0.2.0/24", "notip", "192.0.2", "[192.0.2.1]", "192.0.2.1 "])
def test_a_key_that_is_no_address(look, file, key):
    assert look.failure(f"${{lookup{{{key}}}iplsearch{{{file}}}}}") == (
        f'Defer: lookup of "{key}" gave DEFER: "{key}" is not a valid iplsearch key (an IP address, with optional '
        "CIDR mask, is wanted): in a host list, use net-iplsearch as the search type"
    )


def test_many_networks_take_no_longer_than_few(look, tmp_path):
    networks = (f"10.{number >> 8}.{number & 255}.0/24: net{number}\n" for number in range(65536))
    (tmp_path / "large").write_text("".join(networks) + "10.0.0.0/8: rest\n")
    time.sleep(0.2)  # until it counts as settled
    text = f"${{lookup{{10.255.255.7}}iplsearch{{{tmp_path}/large}}}}"
    assert look(text) == "net65535"
    with little_work(0.5):
        for _ in range(100):
            look(text)
