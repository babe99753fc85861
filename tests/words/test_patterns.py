"""Items of lists that need a file of their own; the others: tests/language/test_lists.py."""

from __future__ import annotations

import pytest
from parts.exchange import exchange, problems

from policyd.errors import Severity
from policyd.language.lists import MAX_COMPILED

YES, NO, LATER = "250 Accepted", "550 Administrative prohibition", "451 Temporary local problem - please try later"

REFUSED = "H=(h) [192.0.2.1] F=<a@x> rejected RCPT <{}>"


def answer(recipients, recipient="b@y.org", **files):
    """The reply to RCPT, and the log: whether *recipient* is in an address list."""
    policy = "primary_hostname = mx.example.org\nbegin acl\nacl_check_rcpt:\n"
    policy += f"  accept recipients = {recipients}\n    logwrite = $recipient_data\n"
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", f"RCPT TO:<{recipient}>")
    return session.replies[-1], session.log


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "data"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    "item, recipient, data",
    [
        ("*@@", "b@mx.example.org", "*@mx.example.org"),
        ("b@@", "b@mx.example.org", "b@mx.example.org"),
        ("*@@", "b@y.org", None),
        ("*@@[]", "b@y.org", None),
        ("a@@", "b@mx.example.org", None),
        ("nobody@x : *@@ : other@x", "b@mx.example.org", "*@mx.example.org"),
        ("y.org", "b@y.org", "@y.org"),
        ("*.org", "b@y.org", "@*.org"),
        ("*", "b@y.org", "@*"),
        ("*@y.org", "b@y.org", "*@y.org"),
        ("@y.org", "b@y.org", None),  # the local part is empty
        ("@*", "b@y.org", None),
    ],
)
def test_domains_of_addresses(item, recipient, data):
    assert answer(item, recipient) == ((YES, [data]) if data else (NO, [REFUSED.format(recipient)]))


@pytest.mark.parametrize(
    "text, reply",
    [
        ("y.org: b", YES),
        ("y.org: a : b", YES),
        ("y.org: a : c", NO),
        ("y.org: !b : *", NO),
        ("y.org: ! b : *", NO),
        ("y.org: !a", NO),  # that it ends with a negative item means nothing here
        ("y.org: B", YES),
        ("y.org: ^.\\$", NO),
        ("y.org: ^b$", YES),
        ("y.org: *b", YES),
        ("y.org:", NO),
        ("z.org: b", NO),
        ("y.org: >other\nother: b", YES),
        ("y.org: a : > other\nother: a : >third\nthird: !c : b", YES),
        ("y.org: >other : a\nother: b", NO),  # only the last item leads on
        ("y.org: >nowhere", NO),
        ("y.org: >", NO),
        ("y.org: >y.org", LATER),
        ("y.org: ^(", LATER),
    ],
)
def test_local_parts_by_domain(text, reply, file):
    assert answer(f"@@lsearch;{file(text)}")[0] == reply


def test_why_local_parts_by_domain_fail(file):
    line = "H=(h) [192.0.2.1] F=<a@x> temporarily rejected RCPT <b@y.org>: "
    assert answer(f"@@lsearch;{file('y.org: >y.org')}")[1] == [
        f'{line}loop in the lookup of the local parts of "b@y.org"'
    ]
    assert answer(f"@@lsearch;{file('y.org: ^(')}")[1][0].startswith(f'{line}regular expression error in "^("')


def test_what_was_read_is_kept_but_not_for_ever(file):
    path = file("".join(f"{number}.org: b : {number}\n" for number in range(MAX_COMPILED + 2)))
    policy = f"begin acl\nacl_check_rcpt:\n  accept recipients = @@lsearch;{path}\n"
    recipients = [f"RCPT TO:<b@{number}.org>" for number in (*range(MAX_COMPILED + 2), MAX_COMPILED + 1, 0)]
    assert set(exchange(policy, "EHLO h", "MAIL FROM:<a@x>", *recipients).replies[3:]) == {YES}


def test_the_case_of_local_parts_by_domain(file):
    assert answer(f"+caseful : @@lsearch;{file('y.org: b')}", "B@Y.org")[0] == NO
    assert answer(f"@@lsearch;{file('y.org: b')}", "B@Y.org")[0] == YES


@pytest.mark.parametrize("prefix", ["partial-", "partial3-", "partial(.)"])
def test_whole_addresses_have_no_parts(prefix, file):
    item = f"{prefix}lsearch;{file('b@y.org: data')}"
    assert answer(item) == (YES, ["data"])
    policy = f"begin acl\nacl_check_rcpt:\n  accept recipients = {item}\n  deny\n"
    assert problems(policy, Severity.WARNING) == [
        f'3:23: partial matching has no meaning for whole addresses: "partial" in "{item}" is ignored'
    ]


@pytest.mark.parametrize(
    "item, recipient, reply",
    [
        ("*@{file}", "b@y.org", YES),
        ("b@{file}", "c@y.org", NO),
        ("*@{file}", "b@z.org", NO),
        ("*@!{file}", "b@z.org", YES),
        ("*@!{file}", "b@y.org", NO),
        ("{file}", "y.org@z.org", NO),
    ],
)
def test_domains_in_a_file(item, recipient, reply, file):
    assert answer(item.format(file=file("# domains\ny.org\n")), recipient)[0] == reply


def test_addresses_in_a_file(file):
    text = "# comment\nb@y.org   # behind a blank\nc#d@y.org\n\n!x@z.org\n*@z.org\n"
    path = file(text)
    assert [answer(path, who)[0] for who in ("b@y.org", "c#d@y.org", "x@z.org", "y@z.org", "d@y.org")] == [
        YES, YES, NO, YES, NO,
    ]  # fmt: skip
