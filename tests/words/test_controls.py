"""``control =``: what it switches, and what it cannot."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from parts.exchange import World, exchange, load, problems

from policyd.conversation import Conversation
from policyd.edits import Quarantine
from policyd.errors import Severity
from policyd.transaction import Checks, Client

PASS = "a milter cannot refuse a message to the client and let it pass: use deny, or accept with control = freeze"
LATER = "451 Temporary local problem - please try later"


def control(text, phase="mail"):
    return f"begin acl\nacl_check_{phase}:\n  accept control = {text}\n"


def started(policy):
    talk = Conversation(load(policy), World().services)
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.helo("h")
    return talk


@pytest.mark.parametrize(
    "phase, frozen_by", [("mail", "MAIL"), ("rcpt", "RCPT"), ("predata", "PREDATA"), ("data", "DATA")]
)
@pytest.mark.parametrize("text", ["freeze", "freeze/no_tell", "${lc:FREEZE}", "${if def:sender_helo_name{freeze}}"])
def test_freeze(text, phase, frozen_by):
    talk = started(control(text, phase))
    talk.mail("<a@x>")
    talk.rcpt("<b@y>")
    talk.predata()
    talk.end_of_message()
    assert talk.edits == (Quarantine(f"frozen by the {frozen_by} ACL"),)


def test_the_case_of_a_local_part():
    policy = "begin acl\nacl_check_rcpt:\n  warn control = caseful_local_part\n    logwrite = $local_part\n"
    policy += "  accept control = caselower_local_part\n    logwrite = $local_part\n"
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<AbC@y>")
    assert session.log == ["AbC", "abc"]


def test_the_case_is_for_one_recipient():
    policy = "begin acl\nacl_check_rcpt:\n  warn local_parts = one\n    control = caseful_local_part\n"
    policy += "  accept logwrite = $local_part\n"
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<ONE@y>", "RCPT TO:<TWO@y>")
    assert session.log == ["ONE", "two"]


def test_no_multiline_responses():
    policy = control("no_multiline_responses", "helo") + "acl_check_mail:\n  deny message = one\\ntwo\n"
    assert exchange(policy, "MAIL FROM:<a@x>").replies[-2:] == ["550-one", "550 two"]
    assert exchange(policy, "EHLO h", "MAIL FROM:<a@x>", "MAIL FROM:<b@x>").replies[-2:] == ["550 one", "550 one"]


@pytest.mark.parametrize(
    "text, checks",
    [
        ("dkim_disable_verify", Checks(dkim=False, dmarc=False, forensic=False)),
        ("dmarc_disable_verify", Checks(dkim=True, dmarc=False, forensic=False)),
        ("dmarc_enable_forensic", Checks(dkim=True, dmarc=True, forensic=True)),
        ("dmarc_forensic_enable", Checks(dkim=True, dmarc=True, forensic=True)),
    ],
)
def test_checks(text, checks):
    talk = started(control(text))
    talk.mail("<a@x>")
    assert talk.tx.checks == checks
    talk.abort()
    assert talk.tx.checks == Checks()  # it was about that message
    for phase in ("connect", "helo"):
        talk = started(control(text, phase))
        for _ in range(2):
            talk.mail("<a@x>")
            assert talk.tx.checks == checks
            talk.abort()


@pytest.mark.parametrize("name", ["dkim_disable_verify", "dmarc_disable_verify", "dmarc_enable_forensic"])
def test_it_is_too_late_after_the_message(name):
    assert problems(control(name, "data")) == [
        f'3:20: control "{name}" cannot be used in the data ACL | allowed in: connect, helo, mail, rcpt, predata'
    ]


@pytest.mark.parametrize(
    "text, phase",
    [
        ("no_delay_flush", "connect"),
        ("no_callout_flush", "connect"),
        ("enforce_sync", "connect"),
        ("no_enforce_sync", "mail"),
        ("no_pipelining", "helo"),
        ("allow_auth_unadvertised", "helo"),
        ("no_mbox_unspool", "data"),
        ("suppress_local_fixups", "rcpt"),
        ("submission/sender_retain", "mail"),
        ("submission/domain=x/name=A B", "predata"),
        ("queue", "mail"),
        ("queue/only", "data"),
        ("queue_only", "rcpt"),
        ("queue_only/first_pass_route", "mail"),
        ("cutthrough_delivery", "mail"),
        ("cutthrough_delivery/defer=pass", "rcpt"),
        ("utf8_downconvert", "rcpt"),
        ("utf8_downconvert/-1", "rcpt"),
        ("dscp/ef", "connect"),
    ],
)
def test_what_is_the_mtas_business_has_no_effect(text, phase):
    name = text.partition("/")[0]
    policy = control(text, phase)
    assert problems(policy) == []
    warnings = [said for said in problems(policy, Severity.WARNING) if "has no effect" in said]
    silent = name in ("no_delay_flush", "no_callout_flush")
    assert [said.partition(": the ")[0] for said in warnings] == (
        []
        if silent
        else [f'3:20: control "{name}" has no effect' + (": policyd leaves no files behind" if "mbox" in name else "")]
    )


@pytest.mark.parametrize(
    "text, phase, allowed",
    [
        ("allow_auth_unadvertised", "mail", "connect, helo"),
        ("queue_only", "helo", "mail, rcpt, predata, dkim, data"),
        ("queue/only", "connect", "mail, rcpt, predata, dkim, data"),
        ("no_mbox_unspool", "quit", "mail, rcpt, predata, dkim, data"),
        ("submission", "data", "mail, rcpt, predata"),
        ("suppress_local_fixups", "helo", "mail, rcpt, predata"),
        ("utf8_downconvert", "mail", "rcpt"),
    ],
)
def test_without_effect_is_not_everywhere(text, phase, allowed):
    name = text.partition("/")[0]
    assert problems(control(text, phase)) == [
        f'3:20: control "{name}" cannot be used in the {phase} ACL | allowed in: {allowed}'
    ]


@pytest.mark.parametrize(
    "text, problem",
    [
        ("fakereject", f'control "fakereject" is not offered | {PASS}'),
        ("fakedefer/text", f'control "fakedefer" is not offered | {PASS}'),
        ("wellknown", 'control "wellknown" is not offered | a milter is not asked about WELLKNOWN'),
        ("freez", 'unknown control "freez" | did you mean "freeze"?'),
        ("freeze/x", 'unknown option "x" | there is no_tell'),
        ("freeze=x", 'unknown option "=x" | there is no_tell'),
        ("FREEZE", 'unknown control "FREEZE"'),
        ("queue=x", 'syntax error in the options "=x"'),
        ("submission/bogus", 'syntax error in the options "/bogus"'),
        ("utf8_downconvert/2", 'syntax error in the options "/2"'),
        ("dscp", 'syntax error in the options ""'),
        ("caseful_local_part/x", 'control "caseful_local_part" has no options: "/x"'),
        ("", 'unknown control ""'),
        ("no such thing", 'unknown control "no such thing"'),
    ],
)  # fmt: skip
def test_problems(text, problem):
    [found] = problems(control(text, "rcpt"))
    assert found.partition(": ")[2] == problem


def test_each_has_its_acls():
    assert problems(control("freeze", "helo")) == [
        '3:20: control "freeze" cannot be used in the helo ACL | allowed in: mail, rcpt, predata, dkim, data'
    ]


@pytest.mark.parametrize(
    "text, log",
    [
        ("${if def:sender_helo_name{nonsense}}", 'unknown control "nonsense"'),
        ("${if def:sender_helo_name{fakereject}}", f'control "fakereject" is not offered {PASS}'),
        ("${if def:sender_helo_name{caseful_local_part}}", 'cannot use "control=caseful_local_part" in MAIL ACL'),
        ("${if def:sender_helo_name{freeze/x}}", 'unknown option "x" there is no_tell'),
    ],
)  # fmt: skip
def test_a_computed_control_is_checked_then(text, log):
    session = exchange(control(text), "EHLO h", "MAIL FROM:<a@x>")
    assert session.replies[-1] == LATER
    assert session.log == [f"H=(h) [192.0.2.1] temporarily rejected MAIL <a@x>: {log}"]


# -- debug

DEBUG = """\
begin acl
acl_check_mail:
  warn senders = debug@x
    control = debug/tag=.one/opts=+acl
  warn senders = stop@x
    control = debug/stop
  accept
acl_check_rcpt:
  accept domains = y
"""


def debugged(*commands):
    session = exchange(DEBUG, "EHLO h", *commands, traced=False)
    return [line for line in session.log if line.startswith("debug")]


def test_debug_shows_the_rest_of_the_session():
    mark = "debug.one [192.0.2.1] policy"
    assert debugged("MAIL FROM:<a@x>", "RCPT TO:<b@y>") == []
    assert debugged("MAIL FROM:<debug@x>", "RCPT TO:<b@y>", "RSET", "MAIL FROM:<stop@x>", "RCPT TO:<b@y>") == [
        f"{mark}:4   control = debug/tag=.one/opts=+acl",
        f"{mark}:3 warn: ok",
        f"{mark}:5   senders = stop@x: fail",
        f"{mark}:5 warn: fail",
        f"{mark}:7 accept: ok",
        f"{mark}:9   domains = y: ok",
        f"{mark}:9 accept: ok",
        f"{mark}:3   senders = debug@x: fail",
        f"{mark}:3 warn: fail",
        f"{mark}:5   senders = stop@x: ok",
    ]


@pytest.mark.parametrize("text", ["debug", "debug/kill", "debug/stop", "debug/tag=x/trigger=now/pretrigger=100"])
def test_debug_options(text):
    assert problems(control(text)) == []


@pytest.mark.parametrize("option", ["foo", "tag", "kill=1", "opts"])
def test_debug_options_that_are_none(option):
    assert problems(control(f"debug/{option}")) == [
        f'3:20: unknown option "{option}" | /tag=TEXT, or /kill or /stop to end it'
    ]
