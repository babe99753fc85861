"""Asking ahead in a worker, behind libmilter: what a message that nothing is known of waits for."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator

import pytest
from milter_client import MilterClient
from parts.cold_message import MESSAGE, POLICY, twice_signed, zone
from parts.daemon import Policyd
from parts.distant_dns import DistantDns
from parts.signing import parted, rsa, signed

DELAY = 0.4  # so much longer than the Internet's that what else takes time does not count


@pytest.fixture
def dns() -> Iterator[DistantDns]:
    with DistantDns(zone(), 0) as server:
        yield server


def seconds(daemon: Policyd, sender: bytes, message: bytes) -> float:
    """From MAIL to the verdict, which is good."""
    fields, body = parted(message)
    with MilterClient(daemon.socket.removeprefix("unix:")) as mta:
        mta.connect()
        mta.helo(b"helo.test")
        start = time.perf_counter()
        assert mta.mail(b"<" + sender + b">") == "continue"
        assert mta.rcpt(b"<b@b.test>") == "continue"
        answer = mta.message([(name.encode(), value.encode()) for name, value in fields], body)
        assert answer == "continue"
        return time.perf_counter() - start


@pytest.mark.parametrize(("most", "least", "longest"), [(32, 3, 3.9), (0, 7, 13)])
def test_round_trips(dns: DistantDns, most: int, least: float, longest: float) -> None:
    options = {"dns_servers": "127.0.0.1", "dns_port": str(dns.port), "workers": "1", "dns_prefetch": str(most)}
    first = signed(MESSAGE.replace(b"news.a.test", b"other.test"), rsa(), d="other.test", s="rsa")
    with tempfile.TemporaryDirectory() as socket, Policyd(POLICY, f"unix:{socket}/socket", options) as daemon:
        seconds(daemon, b"a@other.test", first)  # loads what a worker loads when it judges its first message
        dns.asked.clear()
        dns.delay = DELAY
        took = seconds(daemon, b"a@bounce.a.test", twice_signed())
        asked = dns.asked[:]
        page = daemon.page("/metrics")
        assert "unexpected" not in daemon.log()
    assert len(asked) == len(set(asked))
    assert least * DELAY < took < longest * DELAY
    counted = {line.split('"')[1]: float(line.split()[-1]) for line in page.splitlines() if "prefetches_total{" in line}
    assert (counted["asked"] > counted["used"] >= 9) is (most > 0)
