"""``verify = sender``."""

from __future__ import annotations

import pytest
from parts.exchange import World, exchange, problems

ZONE = """\
mx.test.        MX 10 host.test.
host.test.      A 192.0.2.25
six.test.       AAAA 2001:db8::25
null.test.      MX 0 .
dead.test.      MX 10 nowhere.test.
half.test.      MX 10 nowhere.test.
half.test.      MX 20 host.test.
text.test.      TXT "only"
"""
FAILING = ["failing.test", "broken-mx.test"]
YES, LATER = "250 OK", "451 Temporary local problem - please try later"


def judged(sender, verify="sender"):
    policy = f"begin acl\nacl_check_mail:\n  require verify = {verify}\n  accept logwrite = <$sender_verify_failure>\n"
    session = exchange(policy, "EHLO h", f"MAIL FROM:<{sender}>", world=World(ZONE, FAILING))
    return session.replies[2:], session.log


NEITHER = "its domain has neither MX nor address records"


@pytest.mark.parametrize(
    "sender, trouble",
    [
        ("a@mx.test", None),
        ("a@MX.Test", None),
        ("a@host.test", None),
        ("a@six.test", None),
        ("a@half.test", None),
        ("", None),
        ("a@[192.0.2.1]", None),
        ("a@[IPv6:2001:db8::1]", None),
        ("a@null.test", "its domain accepts no mail"),
        ("a@dead.test", "its mail exchangers have no address"),
        ("a@text.test", NEITHER),
        ("a@nowhere.test", NEITHER),
        ("a@[192.0.2]", "malformed domain literal"),
        ("a@", NEITHER),
    ],
)
def test_sender(sender, trouble):
    said, log = judged(sender)
    if trouble is None:
        assert (said, log) == ([YES], ["<>"])
    else:
        assert said == [f"550-Verification failed for <{sender}>", f"550-{trouble}", "550 Sender verify failed"]
        assert log == [
            f"H=(h) [192.0.2.1] sender verify fail for <{sender}>: {trouble}",
            f"H=(h) [192.0.2.1] rejected MAIL <{sender}>: Sender verify failed",
        ]


@pytest.mark.parametrize(
    "sender, verify, answer",
    [
        ("a@failing.test", "sender", LATER),
        ("a@failing.test", "sender/defer_ok", YES),
        ("a@failing.test", "sender / no_details / defer_ok", YES),
        ("a@nowhere.test", "sender=b@host.test", YES),
        ("a@host.test", "sender=b@failing.test", LATER),
        ("a@nowhere.test", "sender = b@failing.test/defer_ok", YES),
        ("a@nowhere.test", "sender=", YES),  # the null sender
        ("a@nowhere.test", "sender=${lc:B@HOST.test}", YES),
    ],
)
def test_options(sender, verify, answer):
    assert judged(sender, verify)[0] == [answer]


def test_a_failure_is_logged_once_and_remembered():
    policy = "begin acl\nacl_check_rcpt:\n  deny !verify = sender\n    message = $sender_verify_failure\n"
    commands = ("EHLO h", "MAIL FROM:<a@nowhere.test>", "RCPT TO:<b@y>", "RCPT TO:<c@y>")
    session = exchange(policy, *commands, world=World(ZONE))
    assert session.replies[3:] == ["550 route", "550 route"]
    assert [line for line in session.log if "verify fail for" in line] == [
        f"H=(h) [192.0.2.1] sender verify fail for <a@nowhere.test>: {NEITHER}"
    ]


RECIPIENTS = (
    "a milter knows no routes: let the MTA verify recipients (Postfix: reject_unlisted_recipient, "
    "reject_unverified_recipient), or test domains and local_parts against lists or lookups"
)
MTA = "a milter knows no routes: let the MTA verify it (Postfix: reject_unverified_sender), or use a lookup"


@pytest.mark.parametrize(
    "verify, problem",
    [
        ("sender/callout", f'"verify = sender" has no option "callout" | {MTA}'),
        ("sender/callout=10s,defer_ok", f'"verify = sender" has no option "callout=10s,defer_ok" | {MTA}'),
        ("sender/foo", 'unknown option "foo" | there is defer_ok'),
        ("recipient", f'verification "recipient" is not offered | {RECIPIENTS}'),
        ("recipient/callout", f'verification "recipient" is not offered | {RECIPIENTS}'),
        ("header_sender", 'verification "header_sender" is not offered | '
                          "a milter knows no routes: header_syntax and DMARC are about the header's sender"),
        ("csa", 'verification "csa" is not offered | nobody publishes CSA records: use spf or helo'),
    ],
)  # fmt: skip
def test_what_needs_routes_is_refused(verify, problem):
    assert problems(f"begin acl\nacl_check_rcpt:\n  require verify = {verify}\n") == [f"3:20: {problem}"]
