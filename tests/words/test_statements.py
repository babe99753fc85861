"""The modifiers that act, and ``condition``."""

from __future__ import annotations

import pytest
from parts.exchange import World, exchange, problems

LATER = "451 Temporary local problem - please try later"


def mail(body, *, world=None, **details):
    """A session with *body* as the ACL for MAIL."""
    policy = f"begin acl\nacl_check_mail:\n  {body}\n"
    return exchange(policy, "EHLO h", "MAIL FROM:<a@x>", world=world, **details)


@pytest.mark.parametrize(
    "text, reply",
    [
        ("yes", 250), ("YES", 250), ("true", 250), ("True", 250), ("1", 250), ("-1", 250), ("007", 250),
        ("no", 550), ("No", 550), ("false", 550), ("0", 550), ("00", 550), ("-0", 550), ("", 550),
        ("maybe", 451), ("+1", 451), ("1k", 451), ("0x1", 451), ("1.5", 451), ("${lc:YES }", 451), ("\xb2", 451),
        ("${if eq{1}{1}}", 250), ("${if eq{1}{2}}", 550), ("${if eq{1}{2}{x} fail}", 250), ("${eval:1/0}", 451),
    ],
)  # fmt: skip
def test_condition(text, reply):
    assert mail(f"accept condition = {text}").replies[-1][:3] == str(reply)


@pytest.mark.parametrize(
    "text, lines",
    [
        ("plain", [("main", "plain")]),
        (":main: text", [("main", "text")]),
        (":reject: text", [("reject", "text")]),
        (":main,panic,reject:text", [("main", "text"), ("panic", "text"), ("reject", "text")]),
        (":main,main:text", [("main", "text")]),
        (":rejectmain,: text", [("reject", "text"), ("main", "text")]),
        ("::text", [("main", "text")]),
        (":main:", [("main", "")]),
        ("a :main: b", [("main", "a :main: b")]),
        ("${lc: A}", [("main", "a")]),
        ("one\\ntwo\\0", [("main", "one\\ntwo\\000")]),
    ],
)
def test_logwrite(text, lines):
    assert mail(f"accept logwrite = {text}").world.log.lines == lines


@pytest.mark.parametrize("list_, targets", [("main : main", ("main",)), ("reject:main", ("reject", "main")), ("", ())])
def test_the_logs_of_a_refusal(list_, targets):
    world = mail(f"deny log_reject_target = {list_}").world
    line = "H=(h) [192.0.2.1] rejected MAIL <a@x>"
    assert world.log.lines == [(target, line) for target in targets]


@pytest.mark.parametrize("text", [":main,nolog: text", ":MAIN: text", ":main : text", ":,: text", ":main", ": text"])
def test_a_log_that_there_is_not(text):
    line = f'unknown log name in "{text}" in "logwrite" in MAIL ACL'
    assert mail(f"accept logwrite = {text}").world.log.lines == [("main", line), ("panic", line)]


def test_log_reject_target_is_checked_at_load():
    assert problems("begin acl\nacl_check_mail:\n  deny log_reject_target = main : foo\n") == [
        '3:28: unknown log name "foo": main, reject and panic exist'
    ]


@pytest.mark.parametrize(
    "duration, slept",
    [
        ("0s", 0),
        ("1s", 1),
        ("1m30s", 24),
        ("1s1s", 2),
        ("1h", 24),
        ("2w3d4h5m6s", 24),
        ("${eval:2}s", 2),
        ("${if eq{1}{2}{x} fail}", None),
    ],
)
def test_delay_ends_with_the_phase(duration, slept):
    world = World()
    assert mail(f"accept delay = {duration}", world=world).replies[-1] == "250 OK"
    assert [round(seconds) for seconds in world.slept] == ([] if slept is None else [slept])


@pytest.mark.parametrize("text", ["5", "", "1x", "s", "1.5s", "-1s", " 1 s"])
def test_delay_takes_a_time(text):
    [problem] = problems(f"begin acl\nacl_check_mail:\n  warn delay = {text}\n")
    assert "is not a time value: digits with one of w, d, h, m, s, such as 1m30s" in problem
    assert mail(f"accept delay = ${{if def:sender_helo_name{{{text}}}}}").replies[-1] == LATER


def test_continue_is_for_what_expanding_does():
    assert mail("accept continue = ${eval:1/0}").replies[-1] == LATER
    assert mail("accept continue = ${if eq{1}{2}{x} fail}").replies[-1] == "250 OK"
    assert mail("accept continue = no").replies[-1] == "250 OK"


def edits(body, *fields):
    policy = f"begin acl\nacl_check_data:\n  {body}\n  accept\n"
    session = exchange(policy, "EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<b@y>")
    talk = session.talk
    for field in fields:
        name, _, value = field.partition(":")
        talk.header(name, value.encode("latin-1"))
    reply = talk.end_of_message()
    return [(edit.name, edit.value) for edit in talk.edits], reply.outcome.value


@pytest.mark.parametrize(
    "items, removed",
    [
        ("subject", ["Subject"]),
        ("Subject : x-a", ["Subject", "X-A", "x-a"]),
        ("", []),
        ("X-Nothing", []),
        ("<, Subject, X-B", []),  # the separator is always a colon
        ("^x-a", ["X-A", "x-a"]),
        ("^x-.*::.*two", ["x-a"]),
        ("^X- : Subject", ["Subject", "X-A", "X-B", "x-a"]),
        ("^nothing", []),
    ],
)
def test_remove_header(items, removed):
    fields = ("Subject: s", "X-A: one", "x-a: two", "X-B: b")
    found, outcome = edits(f"warn remove_header = {items}", *fields)
    assert (sorted(name for name, _ in found), outcome) == (removed, "ok")


def test_a_header_field_added_in_the_same_phase_stays():
    body = "warn add_header = X-A: new\n    remove_header = X-A : ^x-a"
    assert edits(body, "X-A: old")[0] == [("X-A", None), ("X-A", " new")]


def test_a_wrong_regular_expression_is_an_error_where_it_stands():
    assert edits("warn remove_header = ${if def:h_x-a:{^(x}}", "X-A: old") == ([], "error")
    assert problems("begin acl\nacl_check_data:\n  accept remove_header = X : ^(x\n") == [
        '3:26: regular expression error in "^(x": missing closing parenthesis at offset 3'
    ]


@pytest.mark.parametrize("name", ["add_header", "remove_header"])
@pytest.mark.parametrize("phase", ["connect", "helo", "quit", "notquit"])
def test_headers_need_a_message(name, phase):
    assert problems(f"begin acl\nacl_check_{phase}:\n  warn {name} = X-A: b\n") == [
        f'3:8: modifier "{name}" cannot be used in the {phase} ACL | allowed in: mail, rcpt, predata, dkim, data'
    ]
