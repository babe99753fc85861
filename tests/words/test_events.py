"""``event_action``: what happens, told to the policy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from parts.exchange import World, exchange, load, problems

from policyd.conversation import Conversation
from policyd.resolver import DnsTemporary

ACTION = "event_action = ${acl{event}{$event_name}{$event_data}}\n"
LOGGING = "event:\n  warn logwrite = $acl_arg1 <$acl_arg2>\n  accept\n"
DIALOGUE = ("EHLO h", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>")


def told(policy, *dialogue, action=ACTION):
    """What the action has logged."""
    session = exchange(f"{action}begin acl\n{LOGGING}{policy}", *(dialogue or DIALOGUE))
    return [line for line in session.log if ":" in line.partition(" ")[0]]


class Silent:
    """A resolver that no name server answers: none of ours can be made to."""

    def lookup(self, rtype, name):
        raise DnsTemporary("timeout")

    def until(self, deadline):
        return self


@pytest.mark.parametrize(
    "policy, events",
    [
        ("acl_check_rcpt:\n  accept\n", ["policy:decision <rcpt ok>"]),
        (
            "acl_check_rcpt:\n  deny message = no\\nnever\n",
            ["policy:decision <rcpt fail 550 no>"],
        ),
        (
            "acl_check_mail:\n  accept\nacl_check_rcpt:\n  defer ratelimit = 1 / 1h / strict / k\n",
            ["policy:decision <mail ok>", "policy:ratelimit <1.0 1 1h/per_mail/k>",
             "policy:decision <rcpt defer 451 "],
        ),
        (
            "acl_check_rcpt:\n  accept condition = ${lookup{k}lsearch{/nonexistent/file}}\n",
            ["policy:decision <rcpt error 451 Temporary local problem - please try later>"],
        ),
        (
            "acl_check_rcpt:\n  accept condition = ${lookup redis,servers=127.0.0.1/9/{GET x}}\n",
            ["lookup:fail <",
             "policy:decision <rcpt defer 451 Temporary local problem - please try later>"],
        ),
    ],
)  # fmt: skip
def test_events(policy, events):
    assert [event[: len(wanted)] for event, wanted in zip(told(policy), events, strict=True)] == events


def test_a_question_without_an_answer():
    action = "event_action = ${if eq{$event_name}{dns:fail}{${acl{event}{$event_name}{$event_data}}}}\n"
    policy = "acl_check_rcpt:\n  accept condition = ${lookup dnsdb{defer_never,a=slow.temporary.test}{yes}{yes}}\n"
    world = World()
    world.services = replace(world.services, resolver=Silent())
    session = exchange(f"{action}begin acl\n{LOGGING}{policy}", *DIALOGUE, world=world)
    assert "dns:fail <timeout:slow.temporary.test:A>" in session.log


def test_a_mistake_in_an_event_costs_nobody_a_verdict():
    def broken(tx):
        raise RuntimeError("as nobody expects")

    world, policy = World(), load("begin acl\nacl_check_mail:\n  deny message = no\n")
    policy = replace(policy, settings=replace(policy.settings, event_action=broken))
    reply = Conversation(policy, world.services).mail("<a@x.test>")
    assert (reply.code, reply.lines) == (550, ("no",))
    panic = world.log.of("panic")
    assert panic[0] == "unexpected error in event_action for policy:decision"
    assert panic[-1] == "  RuntimeError: as nobody expects"


def test_what_an_event_does_is_no_event_and_leaves_nothing():
    action = "event_action = ${acl{nested}{$event_name}}\n"
    policy = (
        "nested:\n  warn ratelimit = 1 / 1h / strict / n\n    local_parts = ^.(.*)\n    logwrite = in: <$1>\n"
        "  accept\nacl_check_rcpt:\n  deny local_parts = ^(b)\n    message = <$1>\n"
    )
    session = exchange(f"{action}begin acl\n{policy}", *DIALOGUE)
    assert session.replies[-1] == "550 <b>"
    assert session.log.count("in: <>") == 1


@pytest.mark.parametrize(
    "action, complaint",
    [
        ("${if eq{$event_name}{policy:decision}{x}fail}", None),
        ("${extract{1}{:}{$event_data}", "missing"),
        ("${lookup{x}lsearch{/nonexistent/file}}", "expansion of event_action failed for policy:decision: "),
    ],
)
def test_an_action_that_fails_costs_nobody_a_verdict(action, complaint):
    policy = f"event_action = {action}\nbegin acl\nacl_check_rcpt:\n  accept\n"
    if complaint == "missing":
        assert problems(policy)
        return
    session = exchange(policy, *DIALOGUE)
    assert session.replies[-1] == "250 Accepted"
    assert [line for line in session.log if "event_action" in line][:1] == [
        line for line in session.log if complaint and complaint in line
    ][:1]


def test_the_names_of_old():
    policy = load("tpda_event_action = ${if eq{$tpda_event}{policy:decision}{$tpda_data}}\n")
    assert policy.settings.event_action is not None


def test_nothing_happens_outside_of_an_event():
    session = exchange(
        "begin acl\nacl_check_mail:\n  deny message = <$event_name$event_data$event_defer_errno>\n", *DIALOGUE
    )
    assert "550 <0>" in session.replies
