"""The grammar of ACLs: what is read, and what is wrong where."""

from __future__ import annotations

import time

import pytest
from parts.exchange import World, exchange, load, problems

from policyd import config
from policyd.errors import Severity
from policyd.files import SETTLED
from policyd.language.acl import MAX_INLINE
from policyd.policy import Phase


def in_rcpt(body, more=""):
    """What is wrong with the statements *body*, which begin at 4:3."""
    return problems(f"acl_smtp_rcpt = r\nbegin acl\nr:\n  {body}\n{more}")


SOME_VERB = "a statement begins with accept, defer, deny, discard, drop, require, warn"


@pytest.mark.parametrize(
    "body, problem",
    [
        # verbs
        ("permit", '4:3: unknown ACL verb "permit" | ' + SOME_VERB),
        ("acept", '4:3: unknown ACL verb "acept" | did you mean "accept"?'),
        ("hosts = *", '4:3: unknown ACL verb "hosts" | ' + SOME_VERB),
        ("", None),
        ("! accept", '4:3: a verb cannot be negated: "accept" | conditions can'),
        ("accept = yes", '4:3: unknown ACL verb "accept" | did you mean "accept"?'),
        # items
        ("accept host = *", '4:10: unknown ACL condition or modifier "host" | did you mean "hosts"?'),
        ("accept xyzzy = 1", '4:10: unknown ACL condition or modifier "xyzzy" | a condition or a modifier'),
        ("accept\n hosts", '5:7: "=" missing after "hosts" | hosts = …'),
        ("accept hosts *", '4:16: "=" missing after "hosts" | hosts = …'),
        ("accept !", '4:11: unknown ACL condition or modifier "" | a condition or a modifier'),
        ("accept ! message = x", '4:10: negation is not allowed with "message" | only conditions can be negated'),
        ("accept !delay = 1s", '4:10: negation is not allowed with "delay" | only conditions can be negated'),
        ("accept\n  !hosts = *", None),
        ("accept\n  !  hosts=*", None),
        ("accept !acl = r", None),
        ("accept spam = nobody", '4:10: condition "spam" is not offered | policyd does not scan content: '
                                 "chain a milter that does, such as rspamd or clamav-milter"),
        ("warn queue = x", '4:8: modifier "queue" is not offered | '
                           "a milter cannot choose the MTA's queue: control = freeze holds a message"),
        # endpass
        ("accept endpass", None),
        ("discard\n endpass", None),
        ("deny\n  endpass", '5:3: "endpass" is not allowed with "deny" | accept and discard allow it'),
        ("accept\n  ! endpass", '5:3: "endpass" is not allowed with "accept" | accept and discard allow it'),
        # set
        ("warn set acl_m_x = 1", None),
        ("warn set acl_c0 =", None),
        ("warn set acl_m_x= 1", None),
        ("warn set acl_x = 1", '4:12: invalid variable name after "set" | '
                               "acl_c or acl_m, then a digit or an underscore: acl_m_name"),
        ("warn set acl_mx = 1", '4:12: invalid variable name after "set" | '
                                "acl_c or acl_m, then a digit or an underscore: acl_m_name"),
        ("warn set = 1", '4:12: invalid variable name after "set" | '
                         "acl_c or acl_m, then a digit or an underscore: acl_m_name"),
        ("warn set acl_m_x 1", '4:12: invalid variable name after "set" | '
                               "acl_c or acl_m, then a digit or an underscore: acl_m_name"),
        ("warn set dkim_verify_status = x", '4:12: modifier "set dkim_verify_status" cannot be used in the rcpt ACL | '
                                            "allowed in: dkim"),
        ("warn ! set acl_m_x = 1", '4:14: invalid variable name after "set" | '
                                   "acl_c or acl_m, then a digit or an underscore: acl_m_name"),
        # arguments
        ("deny message = ${lc:x", "4:24: …"),
        ("deny condition = ${if foo{1}{2}}", "4:25: …"),
        ("deny delay = 5", '4:16: "5" is not a time value: digits with one of w, d, h, m, s, such as 1m30s'),
        ("deny acl =", "4:13: an ACL name is missing | acl = NAME"),
        ("deny acl = nobody", '4:14: there is no ACL named "nobody"'),
        ("deny acl = rcpt_chek", '4:14: there is no ACL named "rcpt_chek" | did you mean "rcpt_check"?'),
        # phases
        ("accept regex = x", '4:10: condition "regex" cannot be used in the rcpt ACL | allowed in: data'),
        ("accept verify = header_syntax", '4:19: verification "header_syntax" cannot be used in the rcpt ACL | '
                                          "allowed in: data"),
    ],
)  # fmt: skip
def test_statements(body, problem):
    found = in_rcpt(body, "rcpt_check:\n  accept\n")
    if problem is not None and problem.endswith(": …"):  # what is wrong with an expansion is its parser's to say
        found = [found[0].partition(": ")[0] + ": …"]
    assert found == ([] if problem is None else [problem])


@pytest.mark.parametrize(
    "acls, found",
    [
        ("  accept\n", ['3:3: missing or malformed ACL name | an ACL begins with a line "NAME:"']),
        ("1x:\n  accept\n", ['3:1: missing or malformed ACL name | an ACL begins with a line "NAME:"']),
        ("r:\n  accept\nr:\n  deny\n", ['5:1: there are two ACLs called "r" in one file']),
        ("r: accept\n", ['3:4: "accept" stands behind the name of an ACL, where it is ignored | '
                         "the first statement begins on the next line"]),
        ("r:accept hosts = *\n", ['3:3: "accept hosts = *" stands behind the name of an ACL, where it is ignored | '
                                  "the first statement begins on the next line"]),
        ("r: # a comment\n", []),
        ("r:\n", []),
        (" r :\n  accept\n", []),
        ("r:\n  accept foo = 1\n  deny bar = 2\n", [
            '4:10: unknown ACL condition or modifier "foo" | a condition or a modifier',
            '5:8: unknown ACL condition or modifier "bar" | a condition or a modifier',
        ]),
    ],
)  # fmt: skip
def test_sections(acls, found):
    assert [said for said in problems(f"acl_smtp_rcpt = r\nbegin acl\n{acls}") if not said.startswith("1:")] == found


def test_a_dollar_in_set_is_a_warning():
    policy = "acl_smtp_rcpt = r\nbegin acl\nr:\n  accept set $acl_m_x = 1\n"
    assert problems(policy) == []
    assert problems(policy, Severity.WARNING) == [
        '4:14: "set $acl_m_x": the variable is named without its dollar | set acl_m_x = …'
    ]


@pytest.mark.parametrize("phase", ["connect", "helo", "predata", "quit", "notquit"])
def test_discard_is_for_messages_and_recipients(phase):
    assert problems(f"acl_smtp_{phase} = x\nbegin acl\nx:\n  accept acl = y\ny:\n  discard hosts = *\n") == [
        f'6:3: "discard" cannot be used in the {phase} ACL | allowed in: mail, rcpt, dkim, data'
    ]


def test_each_mistake_is_reported_once_whatever_leads_to_it():
    policy = (
        "acl_smtp_connect = x\nacl_smtp_helo = x\nacl_smtp_mail = x\nbegin acl\n"
        "x:\n  accept acl = y\n  accept acl = x\n  accept acl = y\ny:\n  deny domains = *\n  deny acl = z\n"
    )
    assert problems(policy) == [
        '10:8: condition "domains" cannot be used in the connect ACL | allowed in: rcpt',
        '10:8: condition "domains" cannot be used in the helo ACL | allowed in: rcpt',
        '10:8: condition "domains" cannot be used in the mail ACL | allowed in: rcpt',
        '11:14: there is no ACL named "z"',
    ]


def test_a_later_file_continues_an_acl(tmp_path):
    (tmp_path / "10.conf").write_text("acl_smtp_rcpt = r\nbegin acl\nr:\n  deny condition = no\n")
    (tmp_path / "20.conf").write_text("begin acl\nr:\n  accept\n")
    policy = config.load(tmp_path)
    assert [statement.verb for statement in policy.acls["r"].statements] == ["deny", "accept"]
    assert policy.acls["r"].statements[1].where.file.endswith("20.conf")


# -- what an option or ``acl =`` may name


def replies(policy, *commands, files=()):
    return exchange(policy, "EHLO x", "MAIL FROM:<a@x>", *(commands or ("RCPT TO:<b@y>",))).replies[3:]


@pytest.mark.parametrize(
    "option, reply",
    [
        ("r", "250 r"),
        ("  r", "250 r"),
        ("${lc:R}", "250 r"),
        ("$acl_c_unset", "550 Administrative prohibition"),
        ("", "550 Administrative prohibition"),
        ("accept", "250 Accepted"),
        ("deny", "550 Administrative prohibition"),
        ("deny message = no", "550 no"),
        ("${if eq{$domain}{y}{r}{accept}}", "250 r"),
        ("${if eq{$domain}{z}{r}{accept}}", "250 Accepted"),
        ("${if eq{$domain}{z}{r}{deny message = no $rcpt_count}}", "550 no 1"),
        ("${if eq{$domain}{z}{r}{warn\\nset acl_m_x = 1\\ndeny message = \\$acl_m_x}}", "550 1"),
        ("${if eq{$domain}{z}{r} fail}", "250 Accepted"),
        ("${if eq{$domain}{y}{nobody}{r}}", "451 Temporary local problem - please try later"),
        ("${if eq{$domain}{y}{accept foo = 1}{r}}", "451 Temporary local problem - please try later"),
        ("${if eq{$domain}{y}{accept foo}{${eval:1/0}}}", "451 Temporary local problem - please try later"),
        ("${eval:1/0}", "451 Temporary local problem - please try later"),
        ("${if eq{$domain}{y}{/nonexistent/acl}{r}}", "451 Temporary local problem - please try later"),
    ],
)
def test_the_acl_of_an_option(option, reply):
    assert replies(f"acl_smtp_rcpt = {option}\nbegin acl\nr:\n  accept message = r\n") == [reply]


def test_an_unset_option_accepts_and_a_name_is_enough():
    assert replies("") == ["250 Accepted"]
    assert replies("begin acl\nacl_check_rcpt:\n  deny\n") == ["550 Administrative prohibition"]
    assert replies("acl_smtp_rcpt = accept\nbegin acl\nacl_check_rcpt:\n  deny\n") == ["250 Accepted"]


def test_the_acl_of_an_option_is_logged_when_it_cannot_be_found():
    session = exchange("acl_smtp_rcpt = ${if eq{$domain}{y}{no_one}}", "EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@y>")
    line = "H=(x) [192.0.2.1] F=<a@x> temporarily rejected RCPT <b@y>"
    assert session.log == [f'{line}: there is no ACL named "no_one"']


def test_an_acl_may_have_the_name_of_a_verb():
    policy = "acl_smtp_rcpt = {}\nbegin acl\nr:\n  require acl = deny\n  accept\naccept:\n  accept message = named\n"
    assert replies(policy.format("accept")) == ["250 named"]
    assert replies(policy.format("${lc:ACCEPT}")) == ["250 named"]
    assert replies(policy.format("r")) == ["550 Administrative prohibition"]
    assert replies(policy.format("r") + "deny:\n  accept\n") == ["250 Accepted"]


def test_computed_texts_are_kept_but_not_for_ever():
    policy = "acl_smtp_rcpt = ${if def:domain{deny message = <${eval:($rcpt_count-1)%102}>}}"
    recipients = ["RCPT TO:<b@y>"] * (MAX_INLINE + 4)
    session = exchange(policy, "EHLO x", "MAIL FROM:<a@x>", *recipients)
    assert session.replies[3:] == [f"550 <{n}>" for n in (*range(MAX_INLINE + 2), 0, 1)]


def test_a_computed_text_is_compiled_once():
    policy = "acl_smtp_rcpt = ${if def:domain{deny message = <${eval:$rcpt_count%2}>}}"
    session = exchange(policy, "EHLO x", "MAIL FROM:<a@x>", *["RCPT TO:<b@y>"] * 4)
    assert session.replies[3:] == ["550 <1>", "550 <0>", "550 <1>", "550 <0>"]


def test_a_word_that_a_computed_acl_must_not_use_is_an_error_then():
    policy = "acl_smtp_mail = ${if def:sender_helo_name{m}}\nbegin acl\nm:\n  deny domains = y\n  accept\n"
    session = exchange(policy, "EHLO x", "MAIL FROM:<a@x>")
    assert session.log == ["H=(x) [192.0.2.1] temporarily rejected MAIL <a@x>: cannot use domains = y in the mail ACL"]


# -- files


def test_an_acl_in_a_file(tmp_path):
    file = tmp_path / "statements"
    file.write_text(
        "# a comment\n\n  deny \\\n    # inside\n    message = \\\n      $local_part\n"
        "    local_parts = no\n  accept\\\n"
    )
    policy = f"acl_smtp_rcpt = {file}\n"
    commands = ("RCPT TO:<no@y>", "RCPT TO:<b@y>")
    assert replies(policy, *commands) == ["550 no", "250 Accepted"]
    assert replies(f"acl_smtp_rcpt = r\nbegin acl\nr:\n  accept acl = {file}\n", *commands) == [
        "550 no",
        "250 Accepted",
    ]


@pytest.mark.parametrize("text", ["accept\\", "accept\\\n", "accept\n#", "# x\\\n accept\n\n", "accept hosts = \\\n\n"])
def test_the_end_of_a_file(text, tmp_path):
    file = tmp_path / "statements"
    file.write_text(text)
    verdict = "550 Administrative prohibition" if "hosts" in text else "250 Accepted"
    assert replies(f"acl_smtp_rcpt = {file}") == [verdict]


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    file = tmp_path / "statements"
    file.write_text("accept message = one")
    time.sleep(2 * SETTLED)
    policy, world = f"acl_smtp_rcpt = {file}", World()
    dialogue = ("EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", "RCPT TO:<b@y>")
    assert exchange(policy, *dialogue, world=world).replies[3:] == ["250 one", "250 one"]
    file.write_text("accept message = two")
    assert exchange(policy, *dialogue, world=world).replies[3:] == ["250 two", "250 two"]


@pytest.mark.parametrize(
    "text, log",
    [
        ("accept foo = 1", 'error in ACL: {}:1:8: unknown ACL condition or modifier "foo"'),
        ("\n\ndeny\n  domains = y", "cannot use domains = y in the mail ACL"),
        ("permit", 'error in ACL: {}:1:1: unknown ACL verb "permit"'),
        (None, 'failed to open ACL file "{}": No such file or directory'),
    ],
)
def test_a_file_that_cannot_be_used(text, log, tmp_path):
    file = tmp_path / "statements"
    if text is not None:
        file.write_text(text)
    session = exchange(f"acl_smtp_mail = {file}", "EHLO x", "MAIL FROM:<a@x>")
    assert session.replies[-1] == "451 Temporary local problem - please try later"
    assert log.format(file) in session.log[-1]


# -- calling


@pytest.mark.parametrize(
    "call, logged",
    [
        ("n", "0:<><><>"),
        ("n one", "1:<one><><>"),
        ('n "one two" three', "2:<one two><three><>"),
        (r'n "a\\\"b" $local_part', '2:<a"b><b><>'),
        ("n ${lc:A}${lc:B}", "1:<ab><><>"),
        ('n "${if eq{1}{2}{x}{y z}}"', "1:<y z><><>"),
        ("${lc:N} 1 2 3 4 5 6 7 8 9", "9:<1><2><9>"),
        ("n 1 2 3 4 5 6 7 8 9 10", "9:<1><2><9>"),
        ('n "unclosed', "1:<unclosed><><>"),
        ("n\t\tone", "1:<one><><>"),
    ],
)
def test_arguments(call, logged):
    nested = "n:\n  accept logwrite = $acl_narg:<$acl_arg1><$acl_arg2><$acl_arg9>"
    policy = (
        f"acl_smtp_rcpt = r\nbegin acl\nr:\n  accept acl = {call}\n    logwrite = after $acl_narg$acl_arg1\n{nested}\n"
    )
    session = exchange(policy, "EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@y>")
    assert session.log == [logged, "after 0"]


@pytest.mark.parametrize(
    "call, log",
    [
        ("n ${eval:1/0}", 'failed to expand ACL string "n": error in expression evaluation: divide by zero '
                          '(after processing "1/0")'),
        ('n "${if eq{1}{2}{x} fail}"', None),
        ("${eval:1/0} x", 'failed to expand ACL string "${eval:1/0}": error in expression evaluation: divide by zero '
                          '(after processing "1/0")'),
        ("nobody$acl_c_x", 'there is no ACL named "nobody"'),
    ],
)  # fmt: skip
def test_calls_that_fail(call, log):
    policy = f"acl_smtp_rcpt = r\nbegin acl\nr:\n  accept acl = {call}\nn:\n  accept\n"
    session = exchange(policy, "EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@y>")
    assert session.replies[-1] == "451 Temporary local problem - please try later"
    line = "H=(x) [192.0.2.1] F=<a@x> temporarily rejected RCPT <b@y>"
    assert session.log == [line if log is None else f"{line}: {log}"]


def test_a_policy_has_the_acls_of_its_options():
    policy = load("acl_smtp_rcpt = r\nbegin acl\nr:\n  accept\nacl_check_mail:\n  accept\n")
    assert list(policy.phases) == [Phase.MAIL, Phase.RCPT]
    assert {name: acl.where.line for name, acl in policy.acls.items()} == {"r": 3, "acl_check_mail": 5}
