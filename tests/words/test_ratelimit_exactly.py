"""What docs/ratelimit.md promises: what is counted when a later phase refuses, for whom, and when the clock jumps."""

from __future__ import annotations

import pytest
from words.test_ratelimit import World

from policyd.stores import MemoryStore


class Moving(World):
    """A world whose time the test sets."""

    def __init__(self, directory):
        self.now = 1_000_000.0
        super().__init__(directory, MemoryStore(lambda: self.now))

    def policy(self, **acls):
        options = "".join(f"acl_smtp_{phase} = a_{phase}\n" for phase in acls)
        return f"{options}begin acl\n" + "".join(f"a_{phase}:\n{text}\n" for phase, text in acls.items())

    def message(self, policy, *recipients):
        """One message as far as it gets; the last reply's code."""
        talk = self.talk(policy)
        reply = talk.mail("<a@x>")
        for recipient in recipients:
            reply = talk.rcpt(f"<{recipient}>") if reply.code < 400 or talk.tx.sender else reply
        if not talk.tx.recipients:
            return reply.code
        talk.header("Subject", b" x")
        talk.end_of_headers()
        return talk.end_of_message().code

    def rate(self, argument):
        """What is counted now."""
        self.log.clear()
        asking = f"  accept ratelimit = 0 / {argument} / readonly\n    logwrite = RATE $sender_rate"
        self.talk(self.policy(connect=asking))
        return float(self.rates[-1])


@pytest.fixture
def world(tmp_path):
    return Moving(tmp_path)


COUNT = "  warn ratelimit = 100 / 1d / {}\n"


@pytest.mark.parametrize(
    "argument, acls, counted",
    [
        ("per_mail/k", {"mail": COUNT + "  accept", "rcpt": "  deny"}, 1),
        ("per_mail/k", {"mail": COUNT + "  deny"}, 1),
        ("per_mail/k", {"mail": "  deny\n" + COUNT + "  accept"}, 0),
        ("per_mail/k", {"rcpt": "  deny domains = bad\n" + COUNT + "  accept"}, 1),
        ("per_mail/k", {"rcpt": "  accept", "data": COUNT + "  deny"}, 1),
        ("per_mail/k", {"rcpt": "  accept", "data": "  deny\n" + COUNT}, 0),
        ("per_rcpt/k", {"rcpt": COUNT + "  deny domains = bad\n  accept"}, 3),
        ("per_rcpt/k", {"rcpt": "  deny domains = bad\n" + COUNT + "  accept"}, 2),
        ("per_rcpt/k", {"rcpt": "  deny domains = bad\n  accept", "data": COUNT + "  accept"}, 2),
        ("per_rcpt/k", {"rcpt": COUNT + "  accept", "data": "  deny"}, 3),
        ("per_addr/k", {"rcpt": COUNT + "  accept"}, 3),
        ("per_conn/k", {"connect": COUNT + "  accept", "mail": "  deny"}, 1),
        ("per_mail/k", {"mail": "  warn condition = no\n       ratelimit = 100 / 1d / {}\n  accept"}, 0),
        ("per_mail/k", {"mail": "  warn ratelimit = 100 / 1d / {}\n       condition = no\n  accept"}, 1),
    ],
)
def test_what_a_later_refusal_changes(world, argument, acls, counted):
    world.message(
        world.policy(**{phase: text.format(argument) for phase, text in acls.items()}), "b@ok", "c@bad", "d@ok"
    )
    unique = "per_rcpt/unique=x" if "per_addr" in argument else argument.partition("/")[0]
    assert world.rate(f"1d / {unique} / k") == counted


@pytest.mark.parametrize("update, passed, rate", [("leaky", 4, 4), ("strict", 4, 10)])
def test_what_is_over_the_limit(world, update, passed, rate):
    policy = world.policy(mail=f"  defer ratelimit = 5 / 1d / {update} / k\n  accept")
    codes = [world.message(policy) for _ in range(10)]
    assert codes.count(0) == passed
    assert world.rate("1d / k") == rate


def test_a_dry_run_counts(world):
    policy = world.policy(mail="  defer ratelimit = 2 / 1d / strict / k\n  accept")
    codes = [world.message(f"dry_run = yes\n{policy}") for _ in range(3)]
    assert (codes, world.rate("1d / k")) == ([0, 0, 0], 3)


def test_another_limit_goes_on_and_another_period_begins_anew(world):
    for argument in ("50 / 1d", "3 / 1d", "50 / 24h"):
        world.message(world.policy(mail=f"  warn ratelimit = {argument} / k\n  accept"))
    assert [world.rate("1d / k"), world.rate("24h / k")] == [2, 1]


@pytest.mark.parametrize(
    "jump, rate",
    [(3600, 2.0), (86400, 1), (365 * 86400, 1), (-3600, 3), (-365 * 86400, 3)],
)
def test_a_clock_that_jumps(world, jump, rate):
    """Forward, time has passed; back, none has, and all goes on from there."""
    policy = world.policy(mail="  warn ratelimit = 100 / 2h / k\n  accept")
    world.message(policy)
    world.message(policy)
    world.now += jump
    world.message(policy)
    assert world.rate("2h / k") == pytest.approx(rate, abs=0.05)
    world.now += 7200
    assert world.rate("2h / k") < 1.2


def test_who_is_over_a_leaky_limit_waits_for_a_clock_that_went_back(world):
    policy = world.policy(mail="  defer ratelimit = 3 / 1h / leaky / k\n  accept")
    for _ in range(2):
        assert world.message(policy) == 0
    world.now -= 60
    assert world.message(policy) == 451
    world.now += 60
    assert world.message(policy) == 451
    world.now += 3600
    assert world.message(policy) == 0
