"""What verbs make of conditions, and whose messages count."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from parts.exchange import World, exchange, load

from policyd.conversation import Conversation
from policyd.language.verdict import SPEAKS, VERBS, Ending, Outcome
from policyd.transaction import Client

EVERY_VERB = ("accept", "discard", "deny", "drop", "defer", "require", "warn")

CONDITIONS = {  # an outcome, and a condition that comes to it
    "ok": "condition = yes",
    "fail": "condition = no",
    "drop": "acl = dropping",
    "discard": "acl = discarding",
    "defer": "condition = maybe",
    "error": "condition = ${eval:1/0}",
}

ENDINGS = """
          ok       fail  drop  discard  defer  error
accept    ok       next  next  discard  defer  error
discard   discard  next  next  discard  defer  error
deny      fail     next  next  error    defer  error
drop      drop     next  next  error    defer  error
defer     defer    next  next  error    defer  error
require   next     fail  drop  error    defer  error
warn      next     next  next  error    next   error
"""

AFTER_ENDPASS = """
          ok       fail  drop  discard  defer  error
accept    ok       fail  drop  discard  defer  error
discard   discard  fail  drop  discard  defer  error
"""

CALLED = """
dropping:
  drop
discarding:
  discard
"""


def rows(table):
    head, *lines = (line.split() for line in table.strip().split("\n"))
    return [(verb, outcome, ending) for verb, *endings in lines for outcome, ending in zip(head, endings, strict=True)]


def rcpt(body, *called, commands=("RCPT TO:<b@y>",)):
    """A session with *body* as the ACL for RCPT; by default, of one recipient."""
    acls = "".join(f"\n{acl}" for acl in (CALLED, *called))
    return exchange(f"acl_smtp_rcpt = r\nbegin acl\nr:\n{body}\n{acls}", "EHLO x", "MAIL FROM:<a@x>", *commands)


def ending_of(body):
    """How the ACL *body* ended; ``next`` when it went on to a statement behind it."""
    policy = load(f"acl_smtp_rcpt = r\nbegin acl\nr:\n{body}\n  accept message = went on\n{CALLED}")
    talk = Conversation(policy, World().services)
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.mail("<a@x>")
    reply = talk.rcpt("<b@y>")
    if reply.lines == ("went on",):
        return "next"
    return "discard" if talk.tx.deleted_recipients else reply.outcome.value


def test_the_tables_know_every_verb_and_outcome():
    assert set(VERBS) == set(SPEAKS) == set(EVERY_VERB)
    assert all(set(endings) == set(Outcome) for endings in VERBS.values())
    assert {verb for verb, endings in VERBS.items() if Ending.PASS in endings.values()} == {"accept", "discard"}


@pytest.mark.parametrize("verb, outcome, ending", rows(ENDINGS))
def test_endings(verb, outcome, ending):
    assert ending_of(f"  {verb}\n    {CONDITIONS[outcome]}") == ending


@pytest.mark.parametrize("verb, outcome, ending", rows(AFTER_ENDPASS))
def test_endpass(verb, outcome, ending):
    assert ending_of(f"  {verb}\n    condition = yes\n    endpass\n    {CONDITIONS[outcome]}") == ending


@pytest.mark.parametrize("verb", ["accept", "discard"])
def test_a_condition_before_endpass_passes_on(verb):
    assert ending_of(f"  {verb}\n    condition = no\n    endpass") == "next"


@pytest.mark.parametrize(
    "verb, ending",
    [
        ("accept", "ok"),
        ("discard", "discard"),
        ("deny", "fail"),
        ("drop", "drop"),
        ("defer", "defer"),
        ("require", "next"),
        ("warn", "next"),
    ],
)
def test_a_verb_alone_is_true(verb, ending):
    assert ending_of(f"  {verb}") == ending


NEGATED = [
    ("ok", "next"),
    ("fail", "ok"),
    ("drop", "ok"),
    ("discard", "discard"),
    ("defer", "defer"),
    ("error", "error"),
]


@pytest.mark.parametrize("outcome, ending", NEGATED)
def test_negation(outcome, ending):
    assert ending_of(f"  accept !{CONDITIONS[outcome]}") == ending


FORCED = "${if eq{1}{2}{x} fail}"


@pytest.mark.parametrize("item", ["condition", "! condition", "set acl_m_x", "logwrite", "continue", "delay", "hosts"])
def test_a_forced_failure_vanishes(item):
    ending = "next" if item == "hosts" else "ok"  # but in a list it means no match
    assert ending_of(f"  accept {item} = {FORCED}") == ending


def test_a_forced_failure_in_the_arguments_of_an_acl_is_an_error():
    assert ending_of(f'  accept acl = dropping "{FORCED}"') == "error"


def test_the_end_of_an_acl_denies():
    assert ending_of("  accept condition = no\n  deny condition = no\n") == "next"
    assert rcpt("  accept condition = no").replies[-1] == "550 Administrative prohibition"
    assert rcpt("").replies[-1] == "550 Administrative prohibition"


# -- messages

LATER = "451 Temporary local problem - please try later"
MAYBE = 'invalid "condition" value "maybe"'
REFUSED = "550 Administrative prohibition"
SAYS = "message = M\n log_message = L"


@pytest.mark.parametrize(
    "body, reply, log",
    [
        # which verbs and outcomes they belong to
        (f"accept {SAYS}", "250 M", None),
        (f"accept condition = no\n {SAYS}", "550 Administrative prohibition", ""),  # not reached
        (f"accept {SAYS}\n condition = no", "550 M", "L"),  # left behind for the end of the ACL
        (f"discard {SAYS}", "250 M", None),
        (f"deny {SAYS}", "550 M", "L"),
        (f"deny {SAYS}\n condition = no", "550 Administrative prohibition", ""),
        (f"drop {SAYS}", "550 M", "L"),
        (f"defer {SAYS}", "451 M", "L"),
        (f"require condition = no\n {SAYS}", "550 Administrative prohibition", ""),
        (f"require {SAYS}\n condition = no", "550 M", "L"),
        (f"deny {SAYS}\n condition = maybe", LATER, MAYBE),
        ("deny message = M", "550 M", "M"),
        ("deny log_message = L", "550 Administrative prohibition", "L"),
        # the last one that was met counts
        ("deny message = one\n message = two", "550 two", "two"),
        ("deny message = one\n condition = yes\n message = two", "550 two", "two"),
        ("require message = one\n condition = no\n message = two", "550 one", "one"),
        # endpass
        (f"accept {SAYS}\n endpass", "250 Accepted", None),
        (f"accept {SAYS}\n endpass\n condition = no", "550 M", "L"),
        (f"accept endpass\n {SAYS}", "250 Accepted", None),
        ("accept endpass\n log_message = L\n condition = no", "550 Administrative prohibition", "L"),
        # they are expanded when the outcome is known
        ("deny message = <$acl_m_x>\n set acl_m_x = 1", "550 <1>", "<1>"),
        ("deny message = ${if eq{1}{2}{x} fail}", "550 Administrative prohibition", ""),
        ("deny message =", "550 Administrative prohibition", ""),
        ("deny log_message = ${if eq{1}{2}{x} fail}", "550 Administrative prohibition", ""),
        ("deny log_message =", "550 Administrative prohibition", ""),
        ("deny message = M\n log_message =", "550 M", "M"),
        # what a nested ACL said
        ("deny acl = says", "550 inner", "inner log"),
        ("deny !acl = refuses", "550 inner", "inner log"),
        ("deny !acl = refuses\n message = outer", "550 outer", "inner log"),
        ("deny !acl = refuses\n log_message = outer", "550 inner", "outer: inner log"),
        ("deny !acl = refuses\n message = <$acl_verify_message>", "550 <inner>", "inner log"),
        ("deny !acl = refuses\n log_message = <$acl_verify_message>", "550 inner", "<inner log>: inner log"),
        ("deny !acl = refuses_silently\n log_message = <$acl_verify_message>", "550 inner", "<inner>: inner"),
        ("require acl = refuses", "550 inner", "inner log"),
        ("require acl = refuses\n message = outer", "550 inner", "inner log"),
        ("require message = outer\n acl = refuses", "550 outer", "inner log"),
        ("accept acl = refuses", "550 inner", "inner log"),
        ("accept acl = refuses\n  deny", "550 Administrative prohibition", ""),
        ("accept acl = says", "250 Accepted", None),  # what conditions say is not for acceptance
        ("accept acl = says\n message = M", "250 M", None),
        ("accept acl = says\n message = <$acl_verify_message>", "250 <inner>", None),
        ("deny condition = ${if eq{$acl_verify_message}{}}\n logwrite = <$acl_verify_message>", REFUSED, ""),
        ("deny acl = defers", "451 inner", "inner"),  # a defer of its own is told
        ("warn acl = defers\n  deny", "550 Administrative prohibition", ""),
        # codes
        ("deny message = 554 5.7.0 M", "554 5.7.0 M", "554 5.7.0 M"),
        ("deny message = 451 M", "550 M", "550 M"),
        ("deny message = 451 4.0.0 M\n log_message = 451 4.0.0 M", "550 M", "451 4.0.0 M"),
        ("defer message = 550 M", "451 M", "451 M"),
        ("defer message = 450 M", "450 M", "450 M"),
        ("deny acl = defers_nicely\n condition = maybe", LATER, MAYBE),
        ("require acl = codes\n condition = maybe", LATER.replace("451", "450"), MAYBE),
    ],
)  # fmt: skip
def test_messages(body, reply, log):
    session = rcpt(
        "  " + body,
        "says:\n  accept message = inner\n   log_message = inner log",
        "refuses:\n  deny message = inner\n   log_message = inner log",
        "refuses_silently:\n  deny message = inner",
        "defers:\n  defer message = inner",
        "defers_nicely:\n  accept",
        "codes:\n  accept message = 450 inner",
    )
    assert session.replies[-1] == reply
    rejections = [line.partition("rejected RCPT <b@y>")[2] for line in session.log if "rejected RCPT" in line]
    assert rejections[:1] == ([] if log is None else [log and f": {log}"])


def test_a_message_that_cannot_be_expanded_is_reported_and_counts_as_absent():
    session = rcpt("  deny\n    message = ${eval:1/0}")
    assert session.replies[-1] == "550 Administrative prohibition"
    assert session.world.log.of("panic") == [
        'failed to expand ACL message "${eval:1/0}" (policy:5): '
        'error in expression evaluation: divide by zero (after processing "1/0")'
    ]


# -- warn


def test_warn_logs_once_per_message_and_adds_headers():
    body = (
        "  warn message = X-A: 1\n    log_message = odd\n  warn log_message = odd\n  warn log_message = odder\n  accept"
    )
    session = rcpt(body, commands=["RCPT TO:<b@y>", "RCPT TO:<c@y>", "DATA", "", "."])
    assert session.log == ["H=(x) [192.0.2.1] Warning: odd", "H=(x) [192.0.2.1] Warning: odder"]


def test_warn_with_message_elsewhere_is_reported():
    session = exchange("acl_smtp_helo = h\nbegin acl\nh:\n  warn message = X-A: 1\n  accept", "EHLO x")
    assert session.log == [
        'ACL "warn" with "message" setting found in a non-message (EHLO or HELO) ACL: '
        "cannot specify header lines here: message ignored"
    ]


@pytest.mark.parametrize(
    "condition, reason",
    [
        ("condition = maybe", ': invalid "condition" value "maybe"'),
        ("acl = defers", ": inner"),
        ("acl = defers_silently", ""),
    ],
)
def test_warn_that_defers_is_skipped_and_logged_each_time(condition, reason):
    body = f"  warn {condition}\n    logwrite = not reached\n  warn {condition}\n  accept"
    session = rcpt(body, "defers:\n  defer message = inner", "defers_silently:\n  defer")
    line = f'H=(x) [192.0.2.1] Warning: ACL "warn" statement skipped (policy:{{}}): condition test deferred{reason}'
    assert session.log == [line.format(4), line.format(6)]
    assert session.replies[-1] == "250 Accepted"


def test_what_a_warn_said_is_not_the_next_statements():
    assert rcpt("  warn !acl = n\n  deny", "n:\n  deny message = inner").replies[-1] == "550 Administrative prohibition"


# -- nesting


def test_a_nested_discard_belongs_to_accept_and_discard():
    session = rcpt("  warn acl = discarding")
    assert session.log[-1].endswith(
        'temporarily rejected RCPT <b@y>: nested ACL returned "discard" for "warn" command '
        '(only allowed with "accept" or "discard")'
    )


def test_nesting_ends_at_twenty():
    deepest = "\n".join(f"n{depth}:\n  accept acl = n{depth + 1}" for depth in range(1, 20))
    assert rcpt("  accept acl = n1", f"{deepest}\nn20:\n  accept").replies[-1] == "250 Accepted"
    session = rcpt("  accept acl = r")
    assert session.replies[-1] == "451 Temporary local problem - please try later"
    assert session.log[-1].endswith("ACL nested too deep: possible loop")


def test_what_lists_leave_behind_lasts_to_the_end_of_the_acl():
    body = "  warn domains = y\n  warn acl = n\n    logwrite = outer $domain_data\n  accept"
    nested = "n:\n  accept logwrite = inner $domain_data\n    domains = *"
    session = rcpt(body, nested, commands=["RCPT TO:<b@y>", "DATA", "", "."])
    assert session.log == ["inner y", "outer *"]


# -- time


def test_a_phase_that_is_over_defers():
    session = exchange(
        "phase_timeout = 0s\nacl_smtp_rcpt = r\nbegin acl\nr:\n  accept logwrite = not reached",
        "EHLO x",
        "MAIL FROM:<a@x>",
        "RCPT TO:<b@y>",
    )
    assert session.replies[-1] == "451 Temporary local problem - please try later"
    assert session.log == ["H=(x) [192.0.2.1] F=<a@x> temporarily rejected RCPT <b@y>: the time for this phase is over"]
    assert ("deadline_exceeded_total", "rcpt") in session.world.counts.events


# -- the trace


def test_the_trace_shows_every_statement_and_condition():
    session = rcpt(
        "  warn condition = no\n    logwrite = x\n  deny !condition = no\n    set acl_m_x = 1\n    message = M"
    )
    assert session.trace == [
        "policy:4   condition = no: fail",
        "policy:4 warn: fail",
        "policy:6   ! condition = no: ok",
        "policy:7   set acl_m_x",
        "policy:6 deny: ok",
    ]
