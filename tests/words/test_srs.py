"""``srs_encode`` and ``inbound_srs``. The addresses were made by a live Exim."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

DAY = 86400.0
MADE = 20778 * DAY  # when Exim made them


def at(days):
    return Expander(now=lambda: MADE + days * DAY)


def inbound(local_part, secret="secret"):
    return f"${{if inbound_srs{{{local_part}}}{{{secret}}}{{$srs_recipient}}{{n}}}}"


CASES = [
    ("${srs_encode{secret}{user@example.com}{org.example}}", "SRS0=b3d4=jk=example.com=user@org.example"),
    ("${srs_encode{secret}{User@Example.COM}{Org.Example}}", "SRS0=b3d4=jk=Example.COM=User@Org.Example"),
    ("${srs_encode{secret}{user}{org.example}}", "SRS0=0cf4=jk==user@org.example"),
    ("${srs_encode{secret}{a+b=c@example.com}{org.example}}", "SRS0=74dc=jk=example.com=a+b=c@org.example"),
    ('${srs_encode{secret}{"a b"@example.com}{org.example}}', '"SRS0=e74c=jk=example.com=a b"@org.example'),
    ("${srs_encode{}{user@example.com}{org.example}}", "SRS0=dce8=jk=example.com=user@org.example"),
    ("${srs_encode{s}{<user@example.com>}{x}}", "SRS0=65a6=jk=example.com=user@x"),
    (
        "${srs_encode{secret}{SRS0=b3d4=jk=example.com=user@org.example}{y.org}}",
        "SRS0=7c48=jk=org.example=SRS0=b3d4=jk=example.com=user@y.org",
    ),
    ("${srs_encode{secret}{}{org.example}}", ""),
    ("${srs_encode{secret}{a b@c}{org.example}}", 'Failed: missing or malformed local part (expected word or "<")'),
    (inbound("SRS0=b3d4=jk=example.com=user"), "user@example.com"),
    (inbound("srs0=b3d4=jk=Example.com=User"), "user@example.com"),
    (inbound("SRS0=e74c=jk=example.com=a b"), '"a b"@example.com'),
    (inbound("SRS0=B3D4=jk=example.com=user"), "n"),
    (inbound("SRS0=b3d4=JK=example.com=user"), "n"),
    (inbound("SRS0=b3d4=jk=example.com=user", "other"), "n"),
    (inbound("SRS0=b3d4=jk=example.org=user"), "n"),
    (inbound("SRS0=b3d4=j1=example.com=user"), "n"),
    (inbound("SRS0=b3d=jk=example.com=user"), "n"),
    (inbound("SRS1=b3d4=jk=example.com=user"), "n"),
    (inbound("user"), "n"),
    (inbound("SRS0=x=BB=D=U", ""), "u@d"),
    (inbound("SRS0=x=bb=d=u@o", ""), '"u@o"@d'),
    (inbound("SRS0=x=bb=d=u=", ""), "u=@d"),
    (inbound("SRS0=x=b=d=u", ""), "n"),
]


@pytest.mark.parametrize(("string", "want"), CASES)
def test_srs(string, want):
    assert at(0)(string) == want


@pytest.mark.parametrize(("days", "good"), [(-1, False), (0, True), (10, True), (11, False), (1024, True)])
def test_an_address_is_good_for_ten_days(days, good):
    answer = at(days)(inbound("SRS0=b3d4=jk=example.com=user"))
    assert answer == ("user@example.com" if good else "n")


def test_what_was_found_stays_known():
    srs = at(0)
    assert srs("$srs_recipient") == ""
    assert srs(inbound("SRS0=x=bb=d=u", "")) == "u@d"
    assert srs("$srs_recipient") == "u@d"
