"""DMARC and a live Exim. Debian builds Exim without it, so there is no verdict of Exim's to compare with.

What there is an answer to is how Exim reads the list of ``dmarc_status``: as any
list of words, ``dkim_status``'s too. That one is asked about the statuses of DMARC.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from itertools import product

import pytest

from policyd import words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.metrics import NoMetrics
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

ZONE = """\
accept.test            TXT "v=spf1 +all"
_dmarc.accept.test     TXT "v=DMARC1; p=reject"
_dmarc.reject.test     TXT "v=DMARC1; p=reject"
_dmarc.quarantine.test TXT "v=DMARC1; p=quarantine"
_dmarc.none.test       TXT "v=DMARC1; p=none"
"""
AUTHORS = {  # and the status of their mail
    "a@accept.test": "accept",
    "a@reject.test": "reject",
    "a@quarantine.test": "quarantine",
    "a@none.test": "none",
    "a@norecord.test": "norecord",
    "nobody": "nofrom",
    "a@temperror.test": "temperror",
}
LISTS = [
    "accept",
    "accept : none : off",
    "!accept",
    "!accept : !none",
    "reject : !quarantine",
    "!quarantine : *",
    "*",
    "!*",
    ":",
    "",
    "REJECT",
    "<, reject, quarantine",
    "<; reject ; quarantine",
    "no*",
    "*record",
    "n*e",
    "^rej",
    "^(accept|none)",
    "!^rej",
    "${if eq{1}{1}{reject}{none}}",
    "reject : reject",
    "rej",
    "reject accept",
    "\\Nreject\\N",
    "re::ject",
]


DIALOGUE = "EHLO h\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<x@y.test>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"


def test_debians_exim_has_no_dmarc(exim) -> None:
    assert "DKIM" in exim.run("", "-bV").stdout
    assert "DMARC" not in exim.run("", "-bV").stdout
    assert "unknown" in exim.refusal("dmarc_tld_file = /dev/null\n")
    assert exim.expand(["$dmarc_status", "$dkim_verify_status"]) == [
        'Failed: unknown variable name "dmarc_status"',
        "",
    ]


Matches = set[tuple[int, str]]
"""The numbers of lists, and the statuses that are in them."""


@pytest.fixture(scope="module")
def of_exim(exim) -> Matches:
    """One run of its DKIM ACL, in which each status is set in turn."""
    policy = "acl_smtp_rcpt = accept\nacl_smtp_dkim = d\ndkim_verify_signers = x.test\nbegin acl\nd:\n" + "".join(
        f"  warn set dkim_verify_status = {status}\n"
        f"       dkim_status            = {LISTS[number]}\n"
        f"       logwrite               = match {number} {status}\n"
        for status, number in product(AUTHORS.values(), range(len(LISTS)))
    )
    log = exim.session(policy + "  accept\n", "192.0.2.1", DIALOGUE).log
    assert not [line for line in log if "failed" in line or "Warning" in line]
    found = [re.search(r" match ([0-9]+) ([a-z]+)$", line) for line in log]
    return {(int(one[1]), one[2]) for one in found if one}


class Log(list[str]):
    """The lines of the main log."""

    def write(self, target: str, text: str) -> None:
        if target == "main":
            self.append(text)


@pytest.fixture(scope="module")
def of_policyd(tmp_path_factory: pytest.TempPathFactory) -> Matches:
    """A message of each author."""
    words.load()
    directory, log = tmp_path_factory.mktemp("dmarc"), Log()
    (directory / "zone").write_text(ZONE)
    (directory / "policy").write_text(
        "begin acl\nacl_check_data:\n"
        + "".join(
            f"  warn dmarc_status = {text}\n       logwrite = {number} $dmarc_status\n"
            for number, text in enumerate(LISTS)
        )
        + "  accept\n"
    )
    resolver = ZoneResolver([directory / "zone"], failing=["_dmarc.temperror.test"])
    for author in AUTHORS:
        talk = Conversation(load(directory / "policy"), Services(resolver, MemoryStore(), NoMetrics(), log))
        talk.connect(Client(ip_address("192.0.2.1")))
        talk.helo("h")
        talk.mail("<x@accept.test>")
        talk.rcpt("<x@y.test>")
        talk.predata()
        talk.header("From", author.encode())
        talk.end_of_headers()
        assert talk.end_of_message().code == 0
    return {(int(number), status) for number, status in map(str.split, log)}


@pytest.mark.parametrize("number", range(len(LISTS)), ids=LISTS)
def test_a_list_means_the_same(of_exim: Matches, of_policyd: Matches, number: int) -> None:
    ours, theirs = ({status for at, status in found if at == number} for found in (of_policyd, of_exim))
    assert ours == theirs


def test_every_status_is_met(of_exim: Matches, of_policyd: Matches) -> None:
    everything = {(LISTS.index("*"), status) for status in AUTHORS.values()}
    assert everything <= of_exim
    assert everything <= of_policyd
