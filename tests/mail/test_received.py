"""Received: as mail servers write it, and as somebody may forge it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from policyd.mail.received import Hop, Unreadable, origin, parse

A, B = "192.0.2.9", "198.51.100.9"

READABLE = {
    "Postfix": (
        " from mx.example (mx.example [192.0.2.9])\n\tby relay.test (Postfix) with ESMTP id 4XyZ\n\tfor <a@b>; Sat",
        A, "mx.example",
    ),
    "Postfix, no name": (" from h (unknown [192.0.2.9]) by relay.test (Postfix) with SMTP id 4; d", A, "h"),
    "Postfix, TLS": (
        " from h (mx.example [192.0.2.9])\n\t(using TLSv1.3 with cipher X (256/256 bits)\n\t key-exchange X25519)"
        '\n\t(Client CN "mx (dev)", Issuer "I" (not verified))\n\tby relay.test (Postfix) with ESMTPS id 4; d',
        A, "h",
    ),
    "Postfix, IPv6": (" from h (m.example [IPv6:2001:db8::9]) by r (Postfix) with ESMTP id 4; d", "2001:db8::9", "h"),
    "Postfix, a literal as HELO": (" from [10.0.0.5] (unknown [192.0.2.9]) by r (Postfix) with E id 4; d", A,
                                   "[10.0.0.5]"),
    "Sendmail": (
        " from h (mx.example [192.0.2.9])\n\tby relay.test (8.17.1.9/8.17.1.9) with ESMTPS id 3A\n"
        "\t(version=TLSv1.3 cipher=X bits=256 verify=NO)\n\tfor <a@b>; Sat",
        A, "h",
    ),
    "Sendmail, no name": (" from h ([192.0.2.9])\n\tby relay.test (8.17/8.17) with ESMTP id 3A; d", A, "h"),
    "Sendmail, forged": (" from h (mx.example [192.0.2.9] (may be forged)) by r (8.17/8.17) with S id 3; d", A, "h"),
    "Sendmail, ident": (" from h (joe@mx.example [192.0.2.9]) by r (8.17/8.17) with ESMTP id 3A; d", A, "h"),
    "Exim": (" from mx.example ([192.0.2.9])\n\tby r with esmtps (TLS1.3) tls X\n\t(Exim 4.96)\n\tid 1q; d", A,
             "mx.example"),
    "Exim, another HELO": (" from mx.example ([192.0.2.9] helo=h)\n\tby r with esmtp (Exim 4.96) id 1q; d", A, "h"),
    "Exim, port": (" from mx.example ([192.0.2.9]:4242 helo=h) by r with esmtp (Exim 4.96) id 1q; d", A, "h"),
    "Exim, ident": (" from mx.example ([192.0.2.9] helo=h ident=joe) by r with esmtp (Exim 4) id 1q; d", A, "h"),
    "Exim, no name": (" from [192.0.2.9] (helo=h)\n\tby r with esmtp (Exim 4.96) id 1q; d", A, "h"),
    "Exim, no name, port": (" from [192.0.2.9] (port=4242 helo=h) by r with esmtp (Exim 4.96) id 1q; d", A, "h"),
    "Exim, no name, no HELO": (" from [192.0.2.9]\n\tby r with smtp (Exim 4.96) id 1q; d", A, ""),
    "Exim, IPv6": (" from [2001:db8::9] (helo=h) by r with esmtp (Exim 4.96) id 1q; d", "2001:db8::9", "h"),
    "Exchange": (
        " from h.example (192.0.2.9) by ex.corp.test (10.0.0.1) with Microsoft SMTP\n"
        " Server (version=TLS1_2, cipher=X) id 15.1.2507.39 via Frontend Transport; d",
        A, "h.example",
    ),
    "Exchange, IPv6": (" from ex (2001:db8::9) by ey (2001:db8::1) with Microsoft SMTP Server id 15.2; d",
                       "2001:db8::9", "ex"),
    "Exchange, inside": (" from ex ([fe80::9%4]) by ex ([fe80::9%4]) with mapi id 15.01; d", "fe80::9", "ex"),
    "a date with a zone": (
        " from h (m [192.0.2.9]) by r (Postfix) with E id 4;\n\tSat, 21 Nov 2026 04:11:12 +0100 (CET)", A, "h",
    ),
    "IPv4 as IPv6": (" from h (m [IPv6:::ffff:192.0.2.9]) by r (Postfix) with ESMTP id 4; d", A, "h"),
    "submitted to Postfix": (" by r.test (Postfix, from userid 1000)\n\tid 4Xy; d", None, ""),
    "submitted to Exim": (" from joe by r.test with local (Exim 4.96)\n\t(envelope-from <j@r>)\n\tid 1q; d", None, ""),
    "submitted to Sendmail": (" (from joe@localhost)\n\tby r.test (8.17.1.9/8.17.1.9/Submit) id 3A; d", None, ""),
}  # fmt: skip


@pytest.mark.parametrize("field, address, helo", READABLE.values(), ids=READABLE)
def test_known_forms(field, address, helo):
    assert parse(field) == Hop(address and ip_address(address), helo)


@pytest.mark.parametrize(
    "field",
    [
        "",
        " ",
        " ; d",
        " from",
        " from h",
        " from h by r; d",
        " from h (unknown) by r; d",
        " from h (m [192.0.2.9])",  # nobody received it
        " from h (m [192.0.2.9]) with ESMTP id 1; d",
        " from h (m [192.0.2.999]) by r; d",
        " from h (m [192.0.2.9) by r; d",
        " from h (m [192.0.2.9] by r; d",
        " from h m [192.0.2.9]) by r; d",
        " from h \\(m [192.0.2.9]) by r; d",
        ' from h "(m [192.0.2.9]) by r; d',
        " by 2001:db8::1 with SMTP id 7; d",
        " by r (Postfix) with ESMTP id 4; d",
        " from localhost by r with LMTP id 4; d",
        " from h (m [192.0.2.9]); by r; d",
        " from h (m [192.0.2.9]) by r by s; d",
        " from h (m [192.0.2.9]) from i (m [198.51.100.9]) by r; d",
        " from h (m [192.0.2.9]) x by r; d",
        # what a client could say, if a relay let it: each has the client's own [192.0.2.9] in it
        " from a (x [10.0.0.1]) by z (m [192.0.2.9]) by r (Postfix) with ESMTP id 4; d",
        " from a (x [10.0.0.1]) (m [192.0.2.9]) by r (Postfix) with ESMTP id 4; d",
        " from h (x [10.0.0.1]) by y (@m [192.0.2.9]) by r (8.17/8.17) with ESMTP id 3A; d",
        " from h (x [10.0.0.1]) (@m [192.0.2.9]) by r (8.17/8.17) with ESMTP id 3A; d",
        " from h (x [10.0.0.1]@m [192.0.2.9]) by r (8.17/8.17) with ESMTP id 3A; d",
        " from a (x [10.0.0.1]) by z; (m [192.0.2.9]) by r (Postfix) with ESMTP id 4; d",
        " from h (m [192.0.2.9]) by r; d; d",
        " from h" + " (c)" * 2000 + " by r; d",
        " from h " + "(" * 4000 + " by r; d",
    ],
)
def test_anything_else_is_not_guessed(field):
    with pytest.raises(Unreadable):
        parse(field)


@pytest.mark.parametrize(
    "field, address, helo",
    [
        (" from [192.0.2.9] (ident=x [10.0.0.1]) by r with smtp (Exim 4.96) id 1q; d", A, ""),
        (" from [192.0.2.9] (helo=h ident=x [10.0.0.1]) by r with smtp (Exim 4.96) id 1q; d", A, "h"),
        (" from m ([192.0.2.9] helo=h ident=[10.0.0.1]) by r with smtp (Exim 4.96) id 1q; d", A, "h"),
        (" from [10.0.0.1] (m [192.0.2.9]) by r (Postfix) with ESMTP id 4; d", A, "[10.0.0.1]"),
        (" from 10.0.0.1 (192.0.2.9) by r (10.0.0.2) with Microsoft SMTP Server id 15; d", A, "10.0.0.1"),
    ],
)
def test_a_client_cannot_be_somebody_else_by_what_it_says(field, address, helo):
    assert parse(field) == Hop(ip_address(address), helo)


def by(address, helo="h"):
    return f" from {helo} (unknown [{address}]) by r (Postfix) with ESMTP id 4; d"


LOCAL = " by r.test (Postfix, from userid 1000) id 4Xy; d"


@pytest.mark.parametrize(
    "fields, found",
    [
        ([], None),
        ([LOCAL], None),
        ([by(A)], A),
        ([by(A), by(B)], A),  # whatever A has written
        ([by(A), "garbage"], A),
        ([by("10.0.0.2"), by(A), by("10.0.0.3")], A),
        ([by("10.0.0.2"), by("10.0.0.3"), by(B), by(A)], B),
        ([by("10.0.0.2")], "10.0.0.2"),  # made there
        ([by("10.0.0.2"), LOCAL, by(A)], "10.0.0.2"),
        ([LOCAL, by(A)], None),
    ],
)
def test_the_first_that_is_not_trusted(fields, found):
    hop = origin(fields, lambda address: str(address).startswith("10."))
    assert (hop and str(hop.address)) == found


@pytest.mark.parametrize("fields", [["garbage", by(A)], [by("10.0.0.2"), "garbage", by(A)]])
def test_what_a_trusted_relay_has_written_has_to_be_readable(fields):
    with pytest.raises(Unreadable):
        origin(fields, lambda address: str(address).startswith("10."))
