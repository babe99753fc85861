"""policyd and the milters it replaces, side by side: one Postfix asks all of them about the same messages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dkim
import pytest
from parts.comparison_cases import KEYS, ZONE, Case, cases
from parts.comparison_table import EXPLAINED, page
from parts.daemon import Policyd
from parts.nsd import ROOT, Nsd
from parts.peers import AUTHSERV_ID, MissingError, Peers
from parts.postfix import Postfix
from parts.sink import Sink
from parts.unbound import Unbound

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"
POLICY = """\
begin acl
acl_check_mail:
  warn   spf = *
  accept
acl_check_data:
  warn   dmarc_status = *
  warn   verify = arc
  warn   authresults = policyd.test
  accept
"""
METHODS = ("spf", "dkim", "dmarc", "arc")
RESULT = re.compile(r"(?<![\w.-])(spf|dkim|dmarc|arc)=(\w+)")

Verdicts = dict[str, str]


def verdicts(fields: list[str], authserv_id: str) -> Verdicts:
    """The results of each method in all fields of one host, comments left out; order means nothing."""
    found = defaultdict(list)
    for field in fields:
        text = re.sub(r"\([^()]*\)", "", " ".join(field.split()))
        if text.startswith(f"{authserv_id};"):
            for method, result in RESULT.findall(text):
                found[method].append(result)
    return {method: ", ".join(sorted(found[method])) or "-" for method in METHODS}


def arc_by_dkimpy(message: bytes) -> str:
    """None of the three verifies ARC."""

    def txt(name: bytes, timeout: float = 5) -> bytes:
        return KEYS["s"].encode() if name.startswith(b"s._domainkey.") else b""

    status = dkim.arc_verify(message, dnsfunc=txt)[0]
    return str(status.decode())


@pytest.fixture(scope="module")
def measured() -> Iterator[dict[str, tuple[Verdicts, Verdicts]]]:
    """By message: what they say, and what policyd says."""
    with ExitStack() as running:
        try:
            peers = running.enter_context(Peers(ZONE))
        except MissingError as missing:
            pytest.skip(str(missing))
        sink = running.enter_context(Sink())
        postfix = Postfix(sink.port, main_cf={"local_header_rewrite_clients": ""})
        postfix.milter = f"{peers.milters}, {postfix.socket}"
        running.enter_context(postfix)
        dns = running.enter_context(Nsd({".": ROOT + ZONE}))
        cache = running.enter_context(Unbound(dns.port))
        options = {"dns_servers": "127.0.0.1", "dns_port": str(cache.port)}
        running.enter_context(Policyd(POLICY, postfix.socket, options))
        yield {case.name: judged(postfix, sink, case) for case in cases()}


def judged(postfix: Postfix, sink: Sink, case: Case) -> tuple[Verdicts, Verdicts]:
    """One message through Postfix."""
    with postfix.client(case.client, NAME="host.client.test") as smtp:
        smtp.ehlo(case.helo)
        replies = [smtp.mail(case.sender), smtp.rcpt("x@here.test")]
        assert [code for code, _ in replies] == [250, 250], (case.name, replies, postfix.log())
        smtp.data(case.message)
    fields = [str(field) for field in sink.next().message.get_all("Authentication-Results", [])]
    theirs = verdicts(fields, AUTHSERV_ID) | {"arc": arc_by_dkimpy(case.message)}
    return theirs, verdicts(fields, "policyd.test")


def test_every_difference_is_explained(measured: dict[str, tuple[Verdicts, Verdicts]]) -> None:
    different = {
        (name, method): (theirs[method], ours[method])
        for name, (theirs, ours) in measured.items()
        for method in METHODS
        if theirs[method] != ours[method]
    }
    assert different == {key: (theirs, ours) for key, (theirs, ours, _) in EXPLAINED.items()}


def test_the_page_shows_what_was_measured(measured: dict[str, tuple[Verdicts, Verdicts]]) -> None:
    text = page(measured)
    assert PAGE.exists() and PAGE.read_text() == text, text
