"""The shipped conf.d through a real Postfix: DMARC, mailing lists, and a dry run of it all."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest
from parts.advised import Mail
from parts.daemon import Policyd
from parts.nsd import TEST, Nsd
from parts.ports import wait_until
from parts.postfix import Postfix
from parts.signing import ed25519, signed
from parts.sink import Sink

SHIPPED = Path(__file__).parents[2] / "conf.d"
KEY = ed25519()
ZONE = f"""\
{TEST}
reject               TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.reject        TXT "v=DMARC1; p=reject"
s._domainkey.reject  TXT "v=DKIM1; k=ed25519; p={KEY.public}"
forger               TXT "v=spf1 ip4:192.0.2.2 -all"
"""
MACROS = {"MAILING_LISTS": "friends@here.test", "TRUSTED_CLIENTS": "192.0.2.99", "CONNECTION_LIMIT": "1000"}
GENUINE = b"From: a@reject.test\r\nTo: bob@here.test\r\nSubject: hi\r\n\r\nA body.\r\n"
LIST_ID = b"List-Id: <list.elsewhere.test>\r\n"
FORGED = b"Authentication-Results: policyd.test; dmarc=pass header.from=bank.test\r\n"
FORGED_SPF = b"Received-SPF: pass (policyd.test: domain of a@bank.test designates 192.0.2.1)\r\n"
FORGER = ("192.0.2.2", "x@forger.test")


@contextmanager
def running(**macros):
    """Postfix, nsd, and policyd with the shipped files and these macros."""
    with Sink() as sink, Postfix(sink.port) as postfix, Nsd({"test.": ZONE}) as nsd:
        dns = {"DNS_SERVERS": "127.0.0.1", "DNS_PORT": str(nsd.port)}
        with Policyd(SHIPPED, postfix.socket, macros=MACROS | dns | macros) as policyd:
            yield Mail(postfix, sink, policyd)


@pytest.fixture(scope="module")
def mail():
    """With the policy enforced."""
    with running() as parts:
        yield parts


@pytest.fixture(scope="module")
def rehearsal():
    """With a dry run."""
    with running(DRY_RUN="yes") as parts:
        yield parts


def test_a_message_to_a_person_is_delivered(mail):
    assert mail.send(GENUINE)[0] == 250
    assert "dmarc=pass" in mail.sink.next().message["Authentication-Results"]


def test_the_same_to_a_list_is_refused_and_says_what_to_do(mail):
    assert mail.send(GENUINE, rcpt="friends@here.test") == (
        550,
        "5.7.1 friends@here.test is a mailing list, and reject.test has its mail refused when a list has passed it on"
        " (DMARC p=reject). Please post from an address at another provider",
    )


def test_a_forgery_is_refused(mail):
    assert mail.send(GENUINE, *FORGER) == (
        550,
        "5.7.1 DMARC: neither SPF nor DKIM shows that this message is from reject.test,"
        " which asks that such be refused",
    )


def test_a_signature_makes_it_genuine(mail):
    assert mail.send(signed(GENUINE, KEY, d="reject.test", a="ed25519-sha256"), *FORGER)[0] == 250
    assert "dkim=pass" in mail.sink.next().message["Authentication-Results"]


def test_what_comes_by_a_list_is_held(mail):
    assert mail.send(LIST_ID + GENUINE, *FORGER)[0] == 250
    assert "dmarc=fail" in mail.held()
    assert mail.sink.is_empty()
    assert "DMARC reject of reject.test overridden: mailing_list" in mail.policyd.log()


def test_our_results_are_on_top_and_forged_ones_gone(mail):
    assert mail.send(FORGED + FORGED_SPF + GENUINE)[0] == 250
    message = mail.sink.next().message
    (spf,) = message.get_all("Received-SPF")
    assert spf.startswith("pass (policyd.test: domain of a@reject.test designates 192.0.2.1 as permitted sender)")
    results = message.get_all("Authentication-Results")
    assert message.keys()[0] == "Authentication-Results"
    assert [" ".join(result.split()) for result in results] == [
        "policyd.test; spf=pass smtp.mailfrom=reject.test; dkim=none;"
        " dmarc=pass header.from=reject.test policy.dmarc=reject; arc=none"
    ]


@pytest.mark.parametrize(
    ("message", "client", "sender", "rcpt", "logged"),
    [
        (GENUINE, *FORGER, "bob@here.test", " rejected after DATA: 550 5.7.1 DMARC: neither SPF nor DKIM shows"),
        (GENUINE, "192.0.2.1", "a@reject.test", "friends@here.test", " rejected after DATA: 550 5.7.1 friends@here"),
        (LIST_ID + GENUINE, *FORGER, "bob@here.test", " would be held: frozen by the DATA ACL"),
        (GENUINE, "192.0.2.2", "a@reject.test", "bob@here.test", " rejected MAIL <a@reject.test>: 550 5.7.23 SPF: "),
    ],
)
def test_a_dry_run_delivers_and_logs(rehearsal, message, client, sender, rcpt, logged):
    before = len(rehearsal.policyd.log())
    assert rehearsal.send(message, client, sender, rcpt)[0] == 250
    assert rehearsal.sink.next().recipients == (rcpt,)
    lines = [line for line in rehearsal.policyd.log()[before:].splitlines() if "dry run: " in line]
    assert any(logged in line for line in lines), lines


def test_a_dry_run_is_counted(rehearsal):
    line = 'policyd_decisions_total{action="reject",enforced="false",phase="data"}'
    rehearsal.send(GENUINE, *FORGER)
    rehearsal.sink.next()
    wait_until(lambda: f"{line} 0.0" not in rehearsal.policyd.page("/metrics"), line)
