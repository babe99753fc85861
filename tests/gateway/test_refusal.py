"""The session of a peer that owes a header, line by line."""

from __future__ import annotations

import pytest

from policyd.gateway.refusal import LONGEST, Refusal

NO = "503 Command refused, required Proxy negotiation failed"
NUL = "501 NUL characters are not allowed in SMTP commands"
LONG = "500 unrecognized command"
BYE = "221 mx.example.net closing connection"


@pytest.mark.parametrize(
    ("said", "replies"),
    [
        (b"EHLO localhost\r\n", [NO]),
        (b"EHLO localhost\n", [NO]),
        (b"\r\n", [NO]),
        (b"NOOP\r\nHELP\r\nRSET\r\n", [NO] * 3),
        (b"QUIT\r\n", [BYE]),
        (b"quit\n", [BYE]),
        (b"QUIT  \r\n", [BYE]),
        (b"QUIT\r\nNOOP\r\n", [BYE]),
        (b"QUIT now\r\n", ["501 unexpected argument data"]),
        (b" QUIT\r\n", [NO]),
        (b"QUITX\r\n", [NO]),
        (b"QU\0IT\r\n", [NUL]),
        (b"\0\r\nQUIT\r\n", [NUL, BYE]),
        (b"N\xe4\r\n", [NO]),
        (b"A" * LONGEST, [LONG]),
        (b"A" * LONGEST + b"\r\n", [LONG, NO]),
        (b"A" * (2 * LONGEST + 9) + b"\r\n", [LONG, LONG, NO]),
        (b"NOOP", []),
        (b"", []),
    ],
)
@pytest.mark.parametrize("pieces", [1, 3, 10**6])
def test_replies(said, replies, pieces):
    refusal = Refusal("mx.example.net")
    found = [reply for at in range(0, len(said), pieces) for reply in refusal.hear(said[at : at + pieces])]
    assert found == replies
    assert refusal.over == (BYE in replies)


def test_the_banner():
    assert Refusal("mx.example.net").banner() == "220 mx.example.net ESMTP policyd"
