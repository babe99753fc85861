"""Sender and recipients in conditions and variables. The lists themselves: tests/language/test_lists.py."""

from __future__ import annotations

import pytest
from parts.exchange import exchange, problems


def logged(body, *commands, phase="rcpt", acls=""):
    policy = f"{acls or 'begin acl'}\nacl_check_{phase}:\n  {body}\n"
    return exchange(policy, "EHLO h", *(commands or ("MAIL FROM:<a@x>", "RCPT TO:<b@y>"))).log


@pytest.mark.parametrize(
    "sender, shown",
    [
        ("<A@X.Org>", "A@X.Org|A|X.Org"),
        ("<>", "||"),
        ('<"a b"@x>', '"a b"@x|"a b"|x'),
        ("<a@b@c>", "a@b@c|a@b|c"),
    ],
)
def test_the_sender(sender, shown):
    body = "accept logwrite = $sender_address|$sender_address_local_part|$sender_address_domain"
    assert logged(body, f"MAIL FROM:{sender}", phase="mail") == [shown]


@pytest.mark.parametrize(
    "recipient, shown",
    [("<A@Y.Org>", "a|y.org"), ('<"A b"@y>', "a b|y"), ("<@relay:a@y>", "a|y"), ("<a@b@C>", "a@b|c")],
)
def test_the_recipient(recipient, shown):
    assert logged("accept logwrite = $local_part|$domain", "MAIL FROM:<a@x>", f"RCPT TO:{recipient}") == [shown]


def test_there_is_a_recipient_only_at_rcpt():
    body = "accept logwrite = <$local_part><$domain><$recipients><$recipients_list>"
    assert logged(body, phase="mail") == ["<><><><>"]
    assert logged(body, phase="helo") == ["<><><><>"]
    message = ("MAIL FROM:<a@x>", "RCPT TO:<B@Y>", 'RCPT TO:<"c:d"@y>', "DATA", "", ".")
    assert logged(body, *message, phase="predata") == ['<><><B@Y, "c:d"@y><B@Y:"c::d"@y>']
    assert logged(body, *message, phase="data") == ['<><><B@Y, "c:d"@y><B@Y:"c::d"@y>']


def test_what_lists_leave_behind_is_forgotten_with_their_acl():
    acls = "begin acl\nacl_check_mail:\n  accept senders = *@x\n    logwrite = <$sender_data>\n"
    shown = "<$domain_data><$local_part_data><$recipient_data><$sender_data>"
    body = f"warn domains = Y\n  warn local_parts = B\n  warn recipients = b@Y\n  accept logwrite = {shown}"
    both = ("MAIL FROM:<a@x>", "RCPT TO:<b@y>", "RCPT TO:<c@y>")
    assert logged(body, *both, acls=acls) == ["<*@x>", "<Y><B><b@Y><>", "<Y><><><>"]


def test_a_list_that_says_no_leaves_what_said_so():
    assert logged("accept !domains = !Y\n    logwrite = $domain_data") == ["Y"]


@pytest.mark.parametrize(
    "condition, phase",
    [
        ("domains", "mail"),
        ("local_parts", "data"),
        ("recipients", "predata"),
        ("senders", "helo"),
        ("sender_domains", "quit"),
    ],
)
def test_acls(condition, phase):
    [problem] = problems(f"begin acl\nacl_check_{phase}:\n  accept {condition} = x\n")
    assert f'condition "{condition}" cannot be used in the {phase} ACL' in problem
