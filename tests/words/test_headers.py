"""``verify = header_syntax``, ``header_names_ascii`` and ``not_blind``; ``regex``."""

from __future__ import annotations

import pytest
from parts.exchange import World, exchange, load

from policyd.conversation import Conversation
from policyd.errors import Defer
from policyd.language.registry import VOCABULARY, Kind

OK, NO = "250 OK id=1", "550 Administrative prohibition"


def judged(body, header, *more, recipients=("b@y",), options="", text="body"):
    """The reply to a message, and why it was rejected."""
    policy = f"{options}begin acl\nacl_check_data:\n  {body}\n  accept\n"
    commands = [f"RCPT TO:<{recipient}>" for recipient in recipients]
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", *commands, "DATA", header, *more, "", text, ".", "QUIT")
    why = [line.partition("rejected after DATA: ")[2] for line in session.log if "rejected after DATA" in line]
    return session.replies[-2], why[0] if why else None


@pytest.mark.parametrize(
    "header, why",
    [
        ("From: a@x", None),
        ('From: "A, B" <a@x>, c@d', None),
        ("To: undisclosed-recipients:;", None),
        ("To:", None),
        ("To: (nobody)", None),
        ("Subject: <a@x", None),
        ("From: <a@x", "'>' missing at end of address: failing address in \"From:\" header is: <a@x"),
        ("fRoM: a@x, <c@d", "'>' missing at end of address: failing address in \"fRoM:\" header is: <c@d"),
        ("Resent-Cc: a b@x", 'missing or malformed local part (expected word or "<"): '
                             'failing address in "Resent-Cc:" header is: a b@x'),
        ("Reply-To: me", 'unqualified address not permitted: failing address in "Reply-To:" header is: me'),
        (f"To: <{'x' * 2000}", "'>' missing at end of address: "
                               f"failing address in \"To:\" header begins: <{'x' * 1023}"),
    ],
)  # fmt: skip
def test_header_syntax(header, why):
    assert judged("require verify = header_syntax", header) == (OK if why is None else NO, why)


@pytest.mark.parametrize(
    "header, why",
    [
        ("X-Any: \xe9", None),
        ("S\xfcbject: x", 'Invalid character in header "S\xfcbject" found'),
    ],
)
def test_header_names_ascii(header, why):
    assert judged("require verify = header_names_ascii", header) == (OK if why is None else NO, why)


@pytest.mark.parametrize(
    "header, recipients, options, why",
    [
        ("To: b@y", ["b@y"], "", None),
        ("To: B@Y", ["b@Y"], "", "bcc recipient detected"),
        ("To: b@Y.ORG", ["b@y.org"], "", None),
        ("To: B@Y", ["b@y"], "/case_insensitive", None),
        ("To: B@Y", ["b@y"], "/CASE_INSENSITIVE", None),
        ("To: x@y\nCc: Somebody <b@y>", ["b@y", "x@y"], "", None),
        ("Resent-To: b@y", ["b@y"], "", None),
        ("Bcc: b@y", ["b@y"], "", "bcc recipient detected"),
        ("To: b@y", ["b@y", "c@y"], "", "bcc recipient detected"),
        ("To: list: a@y, b@y;", ["b@y"], "", None),
        ("Subject: x", ["b@y"], "", "bcc recipient detected"),
    ],
)
def test_not_blind(header, recipients, options, why):
    said, reason = judged(f"require verify = not_blind{options}", header, recipients=recipients)
    assert (said, reason) == (OK if why is None else NO, why)


def test_the_client_is_told_where_the_policy_says_so():
    body, details = "require verify = not_blind", "smtp_return_error_details\n"
    assert judged(body, "To: x@y", options=details)[0] == "550 Rejected after DATA: bcc recipient detected"
    assert judged(f"{body}\n    message = no", "To: x@y", options=details)[0].startswith("550 Rejected")
    assert judged(f"require message = no\n    {body[8:]}", "To: x@y", options=details)[0] == "550 no"


@pytest.mark.parametrize(
    "regex, matched",
    [
        ("Subject", "Subject||"),
        ("^Subject:: (\\\\w+)", "^Subject: (\\w+)|hello|"),
        ("^subject", None),
        ("(?i)^SUBJECT", "(?i)^SUBJECT||"),
        ("^X-Folded:: one", "^X-Folded: one||"),
        ("^\\\\ttwo\\N$\\N", "^\\ttwo$||"),
        ("one.*two", None),  # lines are looked at one by one
        ("^body\\N$\\N", "^body$||"),
        ("nowhere : (b)(o)", "(b)(o)|b|o"),
        ("(x)?(b)", "(x)?(b)||b"),
        ("0", None),
        ("false : FALSE : 0", None),
        ("", None),
        ("<, a:b, t(:) h", "t(:) h|:|"),
        ("^\\N$\\N", "^$||"),
        ("^.dot", "^.dot||"),
    ],
)
def test_regex(regex, matched):
    body = f"deny regex = {regex}\n    message = $regex_match_string|$regex1|$regex2"
    said, _ = judged(body, "Subject: hello", "X-Folded: one\n\ttwo\nX: t: h", text="body\n..dot")
    assert said == (OK if matched is None else f"550 {matched}")


def test_what_an_earlier_regex_matched_is_forgotten():
    body = "warn regex = (S)ub\n  warn regex = nowhere\n  deny message = <$regex_match_string><$regex1>"
    assert judged(body, "Subject: x")[0] == "550 <><>"


def test_a_regex_that_nobody_knew_of_at_load():
    policy = "acl_smtp_data = ${if def:h_subject:{deny regex = x}{accept}}\n"
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", "DATA", "Subject: x", "", ".", "QUIT")
    assert session.replies[-2] == "451 Temporary local problem - please try later"
    assert session.log[-1].endswith("regex: the body was not kept, as no ACL that was known at load looks at it")


def test_a_regex_has_no_more_time_than_its_phase():
    talk = Conversation(load("begin acl\nacl_check_data:\n  deny regex = x\n"), World().services)
    talk.mail("<a@x>")
    talk.tx.deadline = 0
    regex = VOCABULARY.find(Kind.CONDITION, "regex")
    with pytest.raises(Defer, match="regex: the time for this phase is over"):
        regex.run(talk.tx, "x")
    talk.abort()


def test_several_reasons_one_message():
    body = "deny !verify = header_syntax\n    log_message = <$acl_verify_message>"
    assert judged(body, "From: nobody")[1] == (
        '<unqualified address not permitted: failing address in "From:" header is: nobody>: '
        'unqualified address not permitted: failing address in "From:" header is: nobody'
    )
