"""Dry run: a verdict is logged and counted, and everything let through."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from parts import exchange

from policyd.conversation import Conversation
from policyd.edits import AddHeader
from policyd.language.verdict import Outcome
from policyd.transaction import Client

HOST = "H=(c.test) [192.0.2.1]"


class World(exchange.World):
    """A policy as text, and a session under it."""

    def talk(self, policy):
        return Conversation(exchange.load(policy), self.services)

    def session(self, policy):
        """Every reply of a session with one message, and the edits."""
        talk = self.talk(policy)
        replies = [talk.connect(Client(ip_address("192.0.2.1"))), talk.helo("c.test"), talk.mail("<a@a.test>")]
        replies += [talk.rcpt("<b@b.test>"), talk.predata()]
        talk.header("From", b" a@a.test")
        talk.end_of_headers()
        talk.body(b"text\r\n")
        replies.append(talk.end_of_message())
        return replies, talk.edits

    def decisions(self, phase):
        """(action, enforced) of each decision of a phase."""
        return [entry[2:] for entry in self.counts.events if entry[:2] == ("decisions_total", phase)]


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize(
    ("phase", "verb", "action", "logged"),
    [
        ("connect", "deny", "reject", 'H=[192.0.2.1] rejected connection in "connect" ACL: no'),
        ("connect", "drop", "reject", 'H=[192.0.2.1] rejected connection in "connect" ACL: no'),
        ("helo", "deny", "reject", f"{HOST} rejected EHLO or HELO c.test: no"),
        ("mail", "defer", "defer", f"{HOST} temporarily rejected MAIL <a@a.test>: no"),
        ("mail", "discard", "discard", f"{HOST} MAIL <a@a.test>: discarded by MAIL ACL: no"),
        ("rcpt", "drop", "reject", f"{HOST} F=<a@a.test> rejected RCPT <b@b.test>: no"),
        ("rcpt", "discard", "discard", f"{HOST} F=<a@a.test> RCPT <b@b.test>: discarded by RCPT ACL: no"),
        ("predata", "deny", "reject", f"{HOST} rejected DATA: no"),
        ("data", "deny", "reject", f"{HOST} F=<a@a.test> rejected after DATA: no"),
        ("data", "defer", "defer", f"{HOST} F=<a@a.test> temporarily rejected after DATA: no"),
        ("data", "discard", "discard", f"{HOST} F=<a@a.test> after DATA: discarded by DATA ACL: no"),
    ],
)
@pytest.mark.parametrize("how", ["option", "control"])
def test_every_verdict_is_let_through(world, how, phase, verb, action, logged):
    option, modifier = ("dry_run = yes\n", "") if how == "option" else ("", "         control = dry_run\n")
    replies, edits = world.session(
        f"{option}begin acl\nacl_check_{phase}:\n  {verb} log_message = no\n{modifier}  accept\n"
    )
    assert [reply.outcome for reply in replies] == [Outcome.OK] * 6
    assert edits == ()
    assert world.logged == [f"dry run: {logged}"]
    passed = [("accept", "true")] if how == "control" else []  # by the statement after the one on trial
    assert world.decisions(phase) == [(action, "false"), *passed]
    assert ("messages_total", "accept") in world.counts.events
    assert ("recipients_total", "accept") in world.counts.events


def test_where_a_verdict_came_from_is_known(world):
    replies, _ = world.session("dry_run = yes\nbegin acl\nacl_check_data:\n  deny\n  accept\n")
    assert str(replies[-1].where) == "policy:4"
    assert (replies[-1].code, replies[-1].lines) == (0, ())


@pytest.mark.parametrize("option", ["", "dry_run = no\n"])
def test_otherwise_verdicts_are_enforced(world, option):
    replies, _ = world.session(f"{option}begin acl\nacl_check_rcpt:\n  deny\n")
    assert replies[3].outcome is Outcome.FAIL
    assert world.decisions("rcpt") == [("reject", "true")]


def test_a_policy_that_fails_is_let_through(world):
    replies, _ = world.session("dry_run = yes\nbegin acl\nacl_check_rcpt:\n  deny condition = ${if bool{perhaps}}\n")
    assert replies[3].outcome is Outcome.OK
    assert world.logged[0].startswith(f"dry run: {HOST} F=<a@a.test> temporarily rejected RCPT <b@b.test>: ")
    assert world.decisions("rcpt") == [("defer", "false")]


@pytest.mark.parametrize(
    "policy",
    [
        "dry_run = yes\nbegin acl\nacl_check_data:\n  accept control = freeze\n",
        "begin acl\nacl_check_data:\n  accept control = freeze\n         control = dry_run\n",
        "begin acl\nacl_check_data:\n  warn control = dry_run\n  accept control = freeze\n",
    ],
)
def test_a_message_is_not_held(world, policy):
    _, edits = world.session(policy)
    assert edits == ()
    assert world.logged == [f"dry run: {HOST} would be held: frozen by the DATA ACL"]
    assert ("messages_total", "accept") in world.counts.events


def test_what_another_acl_holds_stays_held(world):
    _, edits = world.session(
        "begin acl\nacl_check_rcpt:\n  accept control = freeze\nacl_check_data:\n  warn control = dry_run\n  deny\n"
    )
    assert [edit.reason for edit in edits] == ["frozen by the RCPT ACL"]


def test_header_fields_are_added(world):
    _, edits = world.session("dry_run = yes\nbegin acl\nacl_check_data:\n  deny add_header = X-Seen: yes\n")
    assert edits == (AddHeader("X-Seen", " yes"),)


def test_the_control_counts_from_where_it_stands(world):
    """Not before its conditions hold, and not in the next ACL."""
    policy = """\
begin acl
acl_check_rcpt:
  deny condition = no
       control   = dry_run
  deny
"""
    assert world.session(policy)[0][3].outcome is Outcome.FAIL
    policy = "begin acl\nacl_check_mail:\n  accept control = dry_run\nacl_check_rcpt:\n  deny\n"
    assert world.session(policy)[0][3].outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("statements", "outcome", "log"),
    [
        ("deny control = dry_run\n  deny log_message = b", Outcome.FAIL, ["a", "b"]),
        ("deny control = dry_run\n       condition = no\n  deny log_message = b", Outcome.FAIL, ["b"]),
        ("require control = dry_run\n       condition = no\n  accept", Outcome.OK, ["a"]),
        ("require control = dry_run\n       condition = yes\n  deny log_message = b", Outcome.FAIL, ["b"]),
        ("deny control = dry_run", Outcome.OK, ["a"]),
        ("deny condition = no\n  accept acl = inner", Outcome.OK, ["a"]),
        ("accept control = dry_run", Outcome.OK, []),
    ],
)
def test_a_statement_on_trial_hides_no_other(world, statements, outcome, log):
    inner = "inner:\n  deny control = dry_run\n       log_message = a\n  accept\n"
    text = statements.replace("control = dry_run", "control = dry_run\n       log_message = a")
    replies, _ = world.session(f"begin acl\n{inner}acl_check_rcpt:\n  {text}\n")
    assert replies[3].outcome is outcome
    marked = [line.partition("rejected RCPT <b@b.test>: ") for line in world.logged]
    assert [(line[0].startswith("dry run: "), line[2]) for line in marked] == [(text == "a", text) for text in log]


def test_the_whole_acl(world):
    policy = "begin acl\nacl_check_rcpt:\n  warn control = dry_run\n  deny condition = no\n  deny\n"
    assert world.session(policy)[0][3].outcome is Outcome.OK


def test_session_shows_it(tmp_path):
    policy = tmp_path / "policy.conf"
    policy.write_text("dry_run = yes\nbegin acl\nacl_check_mail:\n  deny message = no\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("policyd"), "session", "-c", policy, "--client", "192.0.2.1"],
        input="MAIL FROM:<a@a.test>\nQUIT\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\n250 OK\n" in done.stdout
    assert done.stderr == "LOG: dry run: H=[192.0.2.1] rejected MAIL <a@a.test>: no\n"


def test_a_drop_that_is_not_enforced_is_no_drop(world):
    """The connection ends as it would have without it."""
    talk = world.talk("dry_run = yes\nbegin acl\nacl_check_helo:\n  drop\nacl_check_quit:\n  accept logwrite = quit\n")
    talk.connect(Client(ip_address("192.0.2.1")))
    talk.helo("c.test")
    talk.close()
    assert world.logged[-1] == "quit"
