"""``spf``, ``spf_guess`` and ``spf_helo`` in policies, and their variables."""

from __future__ import annotations

import time
from ipaddress import ip_address
from pathlib import Path

import pytest

from policyd import words
from policyd.config import load
from policyd.conversation import Conversation
from policyd.errors import PolicyError
from policyd.language.verdict import Outcome
from policyd.resolver import Answer, DnsTemporary
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

ZONE = """\
pass.test     TXT "v=spf1 ip4:192.0.2.1 -all"
fail.test     TXT "v=spf1 a exp=why.test -all"
softfail.test TXT "v=spf1 ~all"
plain.test    TXT "v=spf1 -all"
includes.test TXT "v=spf1 include:pass2.test -all"
pass2.test    TXT "v=spf1 -all"
neutral.test  TXT "v=spf1 ?all"
broken.test   TXT "v=spf1 foo"
why.test      TXT "%{i} is not ours"
none.test     A   192.0.2.99
"""
SENDERS = ["pass", "fail", "softfail", "neutral", "none", "broken", "failing"]
RESULTS = ["pass", "fail", "softfail", "neutral", "none", "permerror", "temperror"]


class Log(list):
    """The lines of the main log."""

    def write(self, target, text):
        if target == "main":
            self.append(text)


class Counts(list):
    """What was reported."""

    def count(self, name, *labels, amount=1):
        self.append((name, *labels))

    def observe(self, name, value, *labels):
        self.append((name, value) if name == "spf_lookups" else (name, *labels))


class Slow:
    """A resolver that never answers in time, and remembers until when it was to try."""

    def __init__(self):
        self.deadline = float("inf")

    def lookup(self, rtype: str, name: str) -> Answer:
        raise DnsTemporary("no time left")

    def until(self, deadline: float):
        self.deadline = min(deadline, self.deadline)
        return self


class World:
    """Policies as text, and sessions against them."""

    def __init__(self, directory: Path, resolver=None):
        words.load()
        zone = directory / "zone"
        zone.write_text(ZONE)
        self.file = directory / "policy.conf"
        self.log, self.metrics = Log(), Counts()
        resolver = resolver or ZoneResolver([zone], failing=["failing.test"])
        self.services = Services(resolver, MemoryStore(), self.metrics, self.log)

    def talk(self, policy: str, client: str = "192.0.2.1", helo: str = "pass.test") -> Conversation:
        self.file.write_text(policy)
        talk = Conversation(load(self.file), self.services)
        talk.connect(Client(ip_address(client) if client else None))
        talk.helo(helo)
        return talk

    def matches(self, condition: str, sender: str, **client: str) -> bool:
        """Whether a condition holds when MAIL names *sender*."""
        talk = self.talk(f"begin acl\nacl_check_mail:\n  deny {condition}\n  accept\n", **client)
        return talk.mail(f"<{sender}>").code == 550


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(("sender", "result"), list(zip(SENDERS, RESULTS, strict=True)))
def test_each_result(world: World, sender: str, result: str) -> None:
    matching = [word for word in RESULTS if world.matches(f"spf = {word}", f"user@{sender}.test")]
    assert matching == [result]


@pytest.mark.parametrize(
    ("argument", "sender", "holds"),
    [
        ("fail : softfail", "softfail", True),
        ("fail : softfail", "pass", False),
        ("!fail", "pass", True),
        ("!fail", "fail", False),
        ("!fail : pass", "softfail", False),
        ("!fail : !softfail", "softfail", False),
        ("!fail : !softfail", "none", True),
        ("*", "none", True),
        ("FAIL", "fail", True),
        ("*fail", "softfail", True),
        ("^(soft)?fail\\$", "fail", True),
        ("err_temp", "failing", True),
        ("err_perm", "broken", True),
        ("err_temp", "broken", False),
        ("err_perm", "failing", False),
        ("fail : err_temp", "failing", True),
        ("!err_temp", "failing", False),
        ("!err_temp", "broken", True),
        ("!err_temp : !err_perm", "broken", False),
        ("!temperror", "failing", False),
        ("!fail : err_temp", "failing", True),
        ("!err_perm : *", "broken", False),
        ("*", "failing", True),
        ("${if eq{a}{a}{fail}{pass}}", "fail", True),
    ],
)
def test_lists(world: World, argument: str, sender: str, holds: bool) -> None:
    assert world.matches(f"spf = {argument}", f"user@{sender}.test") is holds
    assert world.matches(f"!spf = {argument}", f"user@{sender}.test") is not holds


@pytest.mark.parametrize(
    ("condition", "sender", "helo", "client"),
    [
        ("spf = pass", "", "pass.test", "192.0.2.1"),  # the null sender: HELO
        ("spf = fail", "", "pass.test", "192.0.2.2"),
        ("spf = pass", "user@pass.test", "fail.test", "192.0.2.1"),
        ("spf = none", "user@pass.test", "pass.test", ""),  # no client address
        ("spf_helo = fail", "user@pass.test", "fail.test", "192.0.2.1"),
        ("spf_helo = pass", "user@fail.test", "pass.test", "192.0.2.1"),
        ("spf_helo = none", "user@fail.test", "[192.0.2.1]", "192.0.2.1"),
        ("spf_guess = pass", "user@none.test", "x.test", "192.0.2.1"),
        ("spf_guess = neutral", "user@none.test", "x.test", "198.51.100.1"),
        ("spf_guess = fail", "user@fail.test", "x.test", "192.0.2.1"),
        ("spf_guess = temperror", "user@failing.test", "x.test", "192.0.2.1"),
        ("spf = none", "user@none.test", "x.test", "192.0.2.1"),
        ("spf = pass", "user@pass.test", "x.test", "::ffff:192.0.2.1"),
    ],
)
def test_who_is_checked(world: World, condition: str, sender: str, helo: str, client: str) -> None:
    assert world.matches(condition, sender, helo=helo, client=client)


VARIABLES = ["result", "result_guessed", "used_domain", "smtp_comment", "header_comment", "received"]
LOG_ALL = "logwrite = " + "|".join(f"$spf_{name}" for name in VARIABLES) + "|$spf_helo_result"


@pytest.mark.parametrize(
    ("conditions", "sender", "logged"),
    [
        ("", "user@fail.test", "|no|||||"),
        (
            "spf = *",
            "user@fail.test",
            "fail|no|fail.test|192.0.2.1 is not ours"
            "|mx.here.test: domain of user@fail.test does not designate 192.0.2.1 as permitted sender"
            "|Received-SPF: fail (mx.here.test: domain of user@fail.test does not designate 192.0.2.1 as permitted"
            ' sender) client-ip=192.0.2.1; envelope-from="user@fail.test"; helo=pass.test; identity=mailfrom;'
            " receiver=mx.here.test; mechanism=-all|",
        ),
        (
            "spf_guess = *",
            "user@none.test",
            "pass|yes|none.test|best guess: domain of user@none.test designates 192.0.2.1 as permitted sender"
            "|mx.here.test: best guess: domain of user@none.test designates 192.0.2.1 as permitted sender"
            "|Received-SPF: pass (mx.here.test: best guess: domain of user@none.test designates 192.0.2.1 as permitted"
            ' sender) client-ip=192.0.2.1; envelope-from="user@none.test"; helo=pass.test; identity=mailfrom;'
            " receiver=mx.here.test; mechanism=a/24|",
        ),
        ("spf_helo = *", "user@fail.test", "|no|||||pass"),
    ],
)
def test_variables(world: World, conditions: str, sender: str, logged: str) -> None:
    policy = "primary_hostname = mx.here.test\nbegin acl\nacl_check_mail:\n"
    policy += f"  warn {conditions}\n  accept {LOG_ALL}\n"
    world.talk(policy).mail(f"<{sender}>")
    assert world.log == [logged]


@pytest.mark.parametrize(
    ("template", "sender", "comment"),
    [
        ("", "user@plain.test", "Please send mail from plain.test through a server that plain.test designates"),
        ("Please%_see%_https://$primary_hostname/why?s=%{S}&ip=%{C}&r=%{R}", "user@plain.test",
         "Please see https://mx.here.test/why?s=user%40plain.test&ip=192.0.2.1&r=mx.here.test"),
        ("%{d} says no to %{h}", "user@includes.test", "includes.test says no to pass.test"),
        ("%{d}", "user@fail.test", "192.0.2.1 is not ours"),  # its own explanation
        ("%{d}", "user@softfail.test", "domain of user@softfail.test does not expect mail from 192.0.2.1"),
        ("%{d}", "user@pass.test", "domain of user@pass.test designates 192.0.2.1 as permitted sender"),
        ("a\x07b", "user@plain.test", "a?b"),
    ],
)  # fmt: skip
def test_the_comment_is_an_option(world: World, template: str, sender: str, comment: str) -> None:
    option = f"spf_smtp_comment_template = {template}\n" if template else ""
    policy = f"primary_hostname = mx.here.test\n{option}begin acl\nacl_check_mail:\n"
    world.talk(policy + "  accept spf = *\n         logwrite = $spf_smtp_comment\n").mail(f"<{sender}>")
    assert world.log == [comment]


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("100%", "spf_smtp_comment_template has a wrong macro: 100%"),
        ("%{x}", "spf_smtp_comment_template has a wrong macro: %{x}"),
        ("${if eq{1}{2}{a}fail}",
         'expansion of spf_smtp_comment_template option failed: "if" failed and "fail" requested'),
    ],
)  # fmt: skip
def test_a_wrong_comment_is_not_used(world: World, template: str, complaint: str) -> None:
    policy = f"spf_smtp_comment_template = {template}\nbegin acl\nacl_check_mail:\n"
    world.talk(policy + "  accept spf = fail\n         logwrite = $spf_smtp_comment\n").mail("<user@plain.test>")
    assert world.log == [complaint, "Please send mail from plain.test through a server that plain.test designates"]


def test_variables_belong_to_the_message(world: World) -> None:
    talk = world.talk("begin acl\nacl_check_mail:\n  warn logwrite = <$spf_result>\n  accept spf = *\n")
    for sender in ("user@pass.test", "user@fail.test"):
        talk.mail(f"<{sender}>")
    assert world.log == ["<>", "<>"]


def test_the_last_condition_counts(world: World) -> None:
    policy = "begin acl\nacl_check_mail:\n  warn spf_guess = *\n  warn spf = *\n  accept logwrite = $spf_result\n"
    world.talk(policy).mail("<user@none.test>")
    assert world.log == ["none"]


def test_the_guess_record(world: World) -> None:
    world.talk("begin acl\nacl_check_mail:\n  accept logwrite = $spf_guess\n").mail("<>")
    assert world.log == ["v=spf1 a/24 mx/24 ptr ?all"]


def test_a_message_is_checked_once(world: World) -> None:
    policy = "begin acl\n" + "".join(
        f"acl_check_{phase}:\n  warn spf = *\n  warn spf_helo = *\n  warn spf_guess = *\n  accept\n"
        for phase in ("mail", "rcpt", "predata")
    )
    talk = world.talk(policy)
    talk.mail("<user@fail.test>")
    talk.rcpt("<a@here.test>")
    talk.rcpt("<b@here.test>")
    talk.predata()
    reported = [entry for entry in world.metrics if entry[0].startswith(("spf_", "check_"))]
    assert sorted(reported) == [
        ("check_duration_seconds", "guessed_policy"),
        ("check_duration_seconds", "helo_policy"),
        ("check_duration_seconds", "sender_policy"),
        ("spf_lookups", 0),
        ("spf_lookups", 1),
        ("spf_results_total", "helo", "pass"),
        ("spf_results_total", "mfrom", "fail"),
    ]


@pytest.mark.parametrize("phase", ["mail", "rcpt", "predata", "data", "quit", "notquit"])
@pytest.mark.parametrize("word", ["spf", "spf_guess", "spf_helo"])
def test_where_it_may_stand(world: World, word: str, phase: str) -> None:
    world.talk(f"begin acl\nacl_check_{phase}:\n  accept {word} = pass\n")


@pytest.mark.parametrize(
    ("word", "phase"), [("spf", "connect"), ("spf", "helo"), ("spf_guess", "helo"), ("spf_helo", "connect")]
)
def test_where_it_may_not_stand(world: World, word: str, phase: str) -> None:
    with pytest.raises(PolicyError, match=word):
        world.talk(f"begin acl\nacl_check_{phase}:\n  accept {word} = pass\n")


def test_spf_helo_at_helo(world: World) -> None:
    talk = world.talk("begin acl\nacl_check_helo:\n  deny !spf_helo = pass\n  accept\n")
    assert talk.helo("fail.test").code == 550
    assert talk.helo("pass.test").outcome is Outcome.OK


def test_its_time_is_limited(tmp_path: Path) -> None:
    slow = Slow()
    talk = World(tmp_path, slow).talk("spf_timeout = 9s\nbegin acl\nacl_check_mail:\n  defer spf = temperror\n")
    assert talk.mail("<user@a.test>").code == 451
    assert 2 < slow.deadline - time.monotonic() <= 9


def test_the_guess_is_an_option(world: World) -> None:
    """A record of the postmaster's own."""
    guess = "spf_guess = v=spf1 ip4:203.0.113.9 -all\n"
    talk = world.talk(guess + "begin acl\nacl_check_mail:\n  warn spf_guess = *\n  accept logwrite = $spf_result\n")
    talk.mail("<user@none.test>")
    assert world.log == ["fail"]
