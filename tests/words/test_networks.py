"""IP addresses: what is one, and other ways to write them."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

expand = Expander()

CASES = [
    ("${if isip{1.2.3.4}{y}{n}}", "y"),
    ("${if isip{::}{y}{n}}", "y"),
    ("${if isip{fe80::1%eth0}{y}{n}}", "y"),
    ("${if isip{1:2:3:4:5:6:1.2.3.4}{y}{n}}", "y"),
    ("${if isip{}{y}{n}}", "n"),
    ("${if isip{1.2.3}{y}{n}}", "n"),
    ("${if isip{1.2.3.256}{y}{n}}", "n"),
    ("${if isip{01.2.3.4}{y}{n}}", "n"),
    ("${if isip{1.2.3.4/24}{y}{n}}", "n"),
    ("${if isip{1.2.3.4%x}{y}{n}}", "n"),
    ("${if isip{ 1.2.3.4}{y}{n}}", "n"),
    ("${if isip{1::2::3}{y}{n}}", "n"),
    ("${if isip{[::1]}{y}{n}}", "n"),
    ("${if isip4{1.2.3.4}{y}{n}}", "y"),
    ("${if isip4{::1}{y}{n}}", "n"),
    ("${if isip6{::1}{y}{n}}", "y"),
    ("${if isip6{1.2.3.4}{y}{n}}", "n"),
    ("${mask:1.2.3.4/24}", "1.2.3.0/24"),
    ("${mask:1.2.3.4/0}", "0.0.0.0/0"),
    ("${mask:1.2.3.4/}", "0.0.0.0/0"),
    ("${mask:1.2.3.4/32}", "1.2.3.4/32"),
    ("${mask:2001:db8::1/33}", "2001.0db8.0000.0000.0000.0000.0000.0000/33"),
    ("${mask_n:2001:db8::1/33}", "2001:db8::/33"),
    ("${mask_n:1.2.3.4/30}", "1.2.3.4/30"),
    ("${mask:1.2.3.4}", 'Failed: missing mask value in "1.2.3.4"'),
    ("${mask:1.2.3.4/33}", 'Failed: mask value too big in "1.2.3.4/33"'),
    ("${mask:1.2.3.4/-1}", 'Failed: "1.2.3.4/-1" is not an IP address'),
    ("${mask:x/3}", 'Failed: "x/3" is not an IP address'),
    ("${mask:1.2.3.4/8 }", 'Failed: "1.2.3.4/8 " is not an IP address'),
    ("${mask:fe80::1%e/10}", 'Failed: "fe80::1%e/10" is not an IP address'),
    ("${reverse_ip:1.2.3.4}", "4.3.2.1"),
    ("${reverse_ip:1.2.3.4/24}", "4.3.2.1"),
    ("${reverse_ip:2001:db8::1}", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"),
    ("${reverse_ip:::ffff:1.2.3.4}", "4.3.2.1"),
    ("${reverse_ip:x}", "Failed: reverse_ip() not given an IP address [x]"),
    ("${reverse_ip:}", "Failed: reverse_ip() not given an IP address []"),
    ("${ipv6denorm:2001:db8::1}", "2001:0db8:0000:0000:0000:0000:0000:0001"),
    ("${ipv6denorm:1.2.3.4}", "0000:0000:0000:0000:0000:ffff:0102:0304"),
    ("${ipv6denorm:x}", 'Failed: "x" is not an IP address'),
    ("${ipv6norm:2001:db8:0:0::1}", "2001:db8::1"),
    ("${ipv6norm:1:0:0:2:0:0:0:3}", "1:0:0:2::3"),
    ("${ipv6norm:1:0:2:0:3:0:4:5}", "1::2:0:3:0:4:5"),
    ("${ipv6norm:1:2:3:4:5:6:7:8}", "1:2:3:4:5:6:7:8"),
    ("${ipv6norm:1::}", "1::"),
    ("${ipv6norm:::}", "::"),
    ("${ipv6norm:::1}", "::1"),
    ("${ipv6norm:1.2.3.4}", "::ffff:102:304"),
    ("${ipv6norm:x}", 'Failed: "x" is not an IP address'),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_networks(string, want):
    assert expand(string) == want
