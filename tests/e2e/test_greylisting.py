"""Greylisting and rate limits of the shipped files, through a real Postfix, and what one sees of them meanwhile."""

from __future__ import annotations

import subprocess
import time

import pytest
from e2e.test_shipped_policy import SHIPPED, ZONE
from parts.daemon import POLICYD, Policyd
from parts.nsd import Nsd
from parts.postfix import Postfix
from parts.sink import Sink

MACROS = {
    "GREYLISTING": "yes",
    "GREYLIST_DELAY": "2s",
    "CONNECTION_LIMIT": "5.5",
    "CONNECTION_PERIOD": "1h",
    "TRUSTED_CLIENTS": "192.0.2.99",
}


@pytest.fixture(scope="module")
def world():
    with Sink() as sink, Postfix(sink.port) as postfix, Nsd({"test.": ZONE}) as nsd:
        dns = {"DNS_SERVERS": "127.0.0.1", "DNS_PORT": str(nsd.port)}
        with Policyd(SHIPPED, postfix.socket, macros=MACROS | dns) as policyd:
            yield postfix, policyd, sink


def rcpt(postfix, client, sender="x@ns.test"):
    """The reply to RCPT, or to MAIL if that is refused."""
    with postfix.client(client) as smtp:
        smtp.ehlo("client.test")
        code, text = smtp.mail(sender)
        if code == 250:
            code, text = smtp.rcpt("bob@here.test")
        return code, text.decode()


def ratelimit(policyd, *arguments):
    """What ``policyd ratelimit`` prints, while the daemon runs."""
    command = [POLICYD, "ratelimit", *arguments, "-c", policyd.configuration]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_who_comes_again_is_let_in(world):
    postfix, _, sink = world
    assert rcpt(postfix, "192.0.2.7") == (451, "4.7.1 Greylisted: please come again in 2s")
    assert rcpt(postfix, "192.0.2.1", "a@reject.test")[0] == 250  # as SPF allows
    assert rcpt(postfix, "192.0.2.99")[0] == 250
    time.sleep(3)
    with postfix.client("192.0.2.7") as smtp:
        smtp.sendmail("x@ns.test", ["bob@here.test"], b"From: x@ns.test\r\nSubject: greylisted\r\n\r\nA body.\r\n")
    assert sink.next().message["Subject"] == "greylisted"
    assert rcpt(postfix, "192.0.2.8", "other@ns.test")[0] == 250  # its network is known


def test_who_fills_a_limit_can_be_seen_and_forgotten(world):
    postfix, policyd, _ = world
    codes = [rcpt(postfix, "198.51.100.1", f"{number}@ns.test")[0] for number in range(5)]
    assert codes == [451] * 5  # greylisted: none of them comes again
    assert "Too many connections" in rcpt(postfix, "198.51.100.1")[1]
    code, rows = ratelimit(policyd, "show", "198.51.100.1")
    fill, rate, *_, place = rows[1].split()
    assert (code, fill, rate, place) == (0, "109%", "6.0", "30-ratelimit.conf:25")
    assert "[198.51.100.1] rate=6.0/5.5 limit=30-ratelimit.conf:25 temporarily rejected connection" in policyd.log()
    assert rows[1] in ratelimit(policyd, "top")[1]  # and 127.0.0.1, which each of them was before its XCLIENT
    assert ratelimit(policyd, "reset", "198.51.100.1")[0] == 0
    assert "Greylisted" in rcpt(postfix, "198.51.100.1", "other@ns.test")[1]
    name = 'policyd_ratelimit_checks_total{enforced="true",limit="30-ratelimit.conf:25",result="over"} '
    (count,) = [line for line in policyd.page("/metrics").splitlines() if line.startswith(name)]
    assert float(count.removeprefix(name)) >= 1
