"""Why a command was refused: what is kept of it, for how long, and how it is shown."""

from __future__ import annotations

import json
import pickle
import re
from ipaddress import ip_address

import pytest
from click.testing import CliRunner
from parts.exchange import World, load

from policyd.cli.explain import command as explain
from policyd.conversation import Conversation
from policyd.explanations import Archive, Explanation, Witness
from policyd.explanations.archive import archive
from policyd.explanations.record import MAX_VALUE
from policyd.explanations.story import MAX_EVENTS, Story
from policyd.language.verdict import Outcome
from policyd.policy import Phase
from policyd.resolver import DnsTemporary
from policyd.resolver.noted import MAX_ANSWERS, Noted
from policyd.stores import MemoryStore
from policyd.transaction import Client

POLICY = """\
primary_hostname = mx.test
acl_smtp_connect = accept
begin acl
acl_check_mail:
  warn set acl_m_kind = ${if eq{$sender_address_domain}{x.test}{bad}{good}}
  deny condition = ${if eq{$acl_m_kind}{bad}}
    senders = *@x.test
    message = not from ${uc:$sender_address_domain}
  accept
acl_check_rcpt:
  deny spf = none
    local_parts = nobody
  deny ! domains = y.test
    dnslists = list.test
  accept
"""

ZONE = "$TTL 60\n@ SOA ns. h. 1 1 1 1 1\n1.2.0.192.list.test. A 127.0.0.2\n"


class Lost(MemoryStore):
    def put(self, key, value, ttl):
        from policyd.errors import Defer

        raise Defer("the disk is full")


def talked(*, policy=POLICY, store=None, zone=ZONE):
    """A conversation that is watched, and its archive."""
    kept = Archive(store or MemoryStore(), 60.0)
    talk = Conversation(load(policy), World(zone).services, witness=Witness(kept))
    talk.connect(Client(ip_address("192.0.2.1"), 1234))
    talk.helo("h.test")
    return talk, kept


def test_a_refusal_is_explained():
    talk, kept = talked()
    reply = talk.mail("<a@x.test>")
    found = kept.find(reply.explanation.upper())
    assert reply.lines == ("not from X.TEST",)  # unless it is wanted there
    assert (found.phase, found.reply, found.where) == ("mail", "550 not from X.TEST", "policy:6")
    assert "ACL: acl_check_mail, at mail" in list(found.lines())
    assert found.client == "(h.test) [192.0.2.1]"
    assert (found.helo, found.sender, found.source) == ("h.test", "<a@x.test>", "milter")
    assert found.story == (
        "connect",
        "  policy:2 accept: ok",
        "mail <a@x.test>",
        "  policy:5   set acl_m_kind",
        "  policy:5 warn: ok",
        "  policy:6   condition = ${if eq{$acl_m_kind}{bad}}: ok",
        "  policy:7   senders = *@x.test: ok",
        "  policy:6 deny: ok",
    )
    assert found.inputs == {"$acl_m_kind": "bad", "$sender_address": "a@x.test"}


def test_what_dns_said_is_part_of_it():
    talk, kept = talked()
    talk.mail("<a@good.test>")
    found = kept.find(talk.rcpt("<b@z.test>").explanation)
    assert found.recipients == ("<b@z.test>",)
    assert found.inputs["$dnslist_domain"] == "list.test"
    assert found.inputs["$domain"] == "z.test"
    assert "TXT good.test: NXDOMAIN" in found.dns
    assert "A 1.2.0.192.list.test: 127.0.0.2" in found.dns


def test_what_cannot_be_said_is_left_out():
    """DNS that is silent is shown as such; a variable that cannot be expanded is not shown."""
    kept = Archive(MemoryStore(), 60.0)
    policy = """\
strict_acl_vars = yes
begin acl
acl_check_mail:
  defer condition = ${if eq{$sender_address}{a@x.test}{yes}{$acl_m_x}}
    dnslists = x.test
"""
    world = World(ZONE, failing=["1.2.0.192.x.test"])
    talk = Conversation(load(policy), world.services, witness=Witness(kept))
    talk.connect(Client(ip_address("192.0.2.1"), 1234))
    found = kept.find(talk.mail("<a@x.test>").explanation)
    assert found.inputs == {"$sender_address": "a@x.test"}
    assert "A 1.2.0.192.x.test: no answer" in found.dns


def test_no_answer_is_an_answer():
    class Dead:
        def lookup(self, rtype, name):
            raise DnsTemporary

        def until(self, deadline):
            return self

    answers = {}
    with pytest.raises(DnsTemporary):
        Noted(Dead(), answers).until(1.0).lookup("A", "x.test")
    assert answers == {("A", "x.test"): None}


def test_each_message_has_a_story_of_its_own():
    talk, kept = talked()
    talk.mail("<a@good.test>")
    talk.rcpt("<b@z.test>")
    talk.abort()
    found = kept.find(talk.mail("<a@x.test>").explanation)
    assert [line for line in found.story if not line.startswith(" ")] == ["connect", "mail <a@x.test>"]
    assert found.dns == ()


SILENT_AT_MAIL = """\
begin acl
acl_check_helo:
  accept hosts = 192.0.2.1
acl_check_rcpt:
  deny local_parts = nobody
    ! spf = pass
    condition = ${if eq{$acl_m_x}{}}
  accept
"""


def test_so_it_has_where_no_acl_looks_at_mail():
    talk, kept = talked(policy=SILENT_AT_MAIL)
    for number in range(3):
        talk.mail(f"<a@{number}.test>")
        found = kept.find(talk.rcpt("<nobody@z.test>").explanation)
        assert [line for line in found.story if not line.startswith(" ")] == ["helo h.test", "rcpt <nobody@z.test>"]
        assert found.dns == (f"TXT {number}.test: NXDOMAIN",)
        if number:
            talk.abort()


def test_it_has_when_it_was_too_long_to_be_kept_whole():
    talk, kept = talked(policy=SILENT_AT_MAIL)
    talk.mail("<a@x.test>")
    for _ in range(MAX_EVENTS):
        talk.rcpt("<b@y.test>")
    talk.mail("<a@z.test>")
    found = kept.find(talk.rcpt("<nobody@z.test>").explanation)
    assert [line for line in found.story if not line.startswith(" ")] == ["rcpt <nobody@z.test>"]


def test_what_is_discarded_is_explained():
    talk, kept = talked(policy="explain_in_replies = yes\nbegin acl\nacl_check_mail:\n  discard message = gone\n")
    reply = talk.mail("<a@x.test>")
    found = kept.find(reply.explanation)
    assert (reply.outcome, reply.lines) == (Outcome.DISCARD, ("gone",))  # nobody has to be told
    assert found.verdict == "H=(h.test) [192.0.2.1] MAIL <a@x.test>: discarded by MAIL ACL: gone"


def test_a_dry_run_is_explained():
    talk, kept = talked(policy=f"dry_run = yes\n{POLICY}")
    reply = talk.mail("<a@x.test>")
    assert (reply.outcome, reply.lines) == (Outcome.OK, ())
    assert kept.find(reply.explanation).verdict.startswith("dry run: H=(h.test) [192.0.2.1] rejected MAIL <a@x.test>")


def test_a_mistake_in_explaining_costs_nobody_a_verdict(monkeypatch):
    monkeypatch.setattr("policyd.explanations.archive.inputs", None)
    talk, _ = talked()
    reply = talk.mail("<a@x.test>")
    assert (reply.outcome, reply.lines, reply.explanation) == (Outcome.FAIL, ("not from X.TEST",), "")
    world = talk.tx.services
    assert ("explanations_lost_total",) in world.metrics.events
    assert world.log.of("panic")[0] == "unexpected error in explaining a verdict"


@pytest.mark.parametrize(
    "message, beginning",
    [
        ("one\\ntwo", ("one", "two [")),
        ("x" * 480, ("x" * 479 + " [",)),
        ("x" * 1000, ("x" * 479 + " [",)),
        ("x" * 479 + "\\ny", ("x" * 479, "y [")),
    ],
)
def test_a_line_of_a_reply_has_room_for_it(message, beginning):
    talk, _ = talked(policy=f"explain_in_replies = yes\nbegin acl\nacl_check_mail:\n  deny message = {message}\n")
    reply = talk.mail("<a@x.test>")
    assert reply.lines == (*beginning[:-1], f"{beginning[-1]}{reply.explanation}]")
    assert all(len(f"550-5.7.1 {line}\r\n") <= 512 for line in reply.lines)


def test_the_reply_names_it_where_that_is_wanted():
    talk, _ = talked(policy=f"explain_in_replies = yes\n{POLICY}")
    reply = talk.mail("<a@x.test>")
    assert reply.lines == (f"not from X.TEST [{reply.explanation}]",)
    assert len(reply.explanation) == 8


def test_a_store_that_does_not_work_costs_nobody_a_verdict():
    talk, _ = talked(store=Lost())
    reply = talk.mail("<a@x.test>")
    assert (reply.outcome, reply.lines, reply.explanation) == (Outcome.FAIL, ("not from X.TEST",), "")
    assert ("explanations_lost_total",) in talk.tx.services.metrics.events


def test_what_is_accepted_is_not_kept():
    talk, kept = talked()
    assert talk.mail("<a@good.test>").explanation == ""
    assert list(kept.all()) == []


def test_hostile_octets_are_escaped_and_cut():
    talk, kept = talked(policy="begin acl\nacl_check_mail:\n  deny condition = $sender_helo_name\n    message = m\n")
    talk.connection.helo = "1\x00\r\n" + "9" * 10_000
    found = kept.find(talk.mail("<a@x.test>").explanation)
    assert found.inputs["$sender_helo_name"] == "1\\000\\r\\n" + "9" * (MAX_VALUE - 4) + " … (10004 octets)"
    assert Explanation.decoded(found.encoded()) == found


@pytest.mark.parametrize(
    "octets, shown",
    [
        (b"\x1b[2j", "\\033[2j"),
        (b"\xc2\x9b2j", "\\xc2\\x9b2j"),  # the same to some terminals
        (b"\x9b2j", "\\x9b2j"),
        ("grüße".encode(), "grüße"),
        (b"\t", "\\x09"),
        ("\u202e".encode(), "\\xe2\\x80\\xae"),  # right to left from here
    ],
)
def test_no_terminal_is_told_what_to_do(octets, shown):
    text = octets.decode("latin-1")
    talk, kept = talked(policy="begin acl\nacl_check_rcpt:\n  deny message = $local_part\n")
    talk.helo(text)
    talk.mail(f"<{text}@x.test>")
    found = kept.find(talk.rcpt(f"<{text}@x.test>").explanation)
    assert (found.helo, found.sender, found.recipients) == (shown, f"<{shown}@x.test>", (f"<{shown}@x.test>",))
    assert f"({shown})" in found.client
    assert shown in found.verdict
    assert shown in found.reply
    assert all(line.encode("latin-1").decode().isprintable() for line in (*found.lines(), found.summary()))


def test_a_story_has_bounds():
    story = Story()
    for number in range(3 * MAX_EVENTS):
        story.begin(Phase.RCPT, str(number))
        story.tell(("x", None))
    assert len(story.lines) <= MAX_EVENTS + 2
    assert story.lines[-2:] == [f"rcpt {3 * MAX_EVENTS - 1}", "  x"]
    resolver = Noted(World().services.resolver, story.answers)
    for number in range(MAX_ANSWERS + 10):
        resolver.lookup("A", f"{number}.test")
    assert len(story.answers) == MAX_ANSWERS


@pytest.mark.parametrize("stored", [b"", b"x", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_what_is_no_explanation(stored):
    with pytest.raises(ValueError, match="not an explanation"):
        Explanation.decoded(stored)


def test_what_another_version_has_kept_does_not_hide_the_others():
    talk, kept = talked()
    reply = talk.mail("<a@x.test>")
    kept.store.put(b"explanation/aaaaaaaa", b"x", 60.0)
    assert [found.identity for found in kept.all()] == [reply.explanation]
    with pytest.raises(ValueError, match="not an explanation"):
        kept.find("aaaaaaaa")


# -- the command


@pytest.fixture
def kept(tmp_path):
    """A policy's file, and one explanation under its state directory."""
    policy = f"state_directory = {tmp_path}/state\n{POLICY}"
    (tmp_path / "policy.conf").write_text(policy)
    (tmp_path / "empty.conf").write_text(f"state_directory = {tmp_path}/elsewhere\n")
    (tmp_path / "wrong.conf").write_text("nonsense = 1\n")
    (tmp_path / "off.conf").write_text(f"explain_keep = 0s\n{policy}")
    store = archive(load(policy).settings, print)
    talk = Conversation(load(policy), World().services, witness=Witness(store))
    talk.helo("h.test")
    return talk.mail("<a@x.test>").explanation, tmp_path


def run(directory, *arguments, policy="policy.conf"):
    done = CliRunner().invoke(explain, ["-c", str(directory / policy), *arguments])
    return done.output, done.exit_code


def test_it_names_the_acl_that_an_option_names():
    talk, kept = talked(policy="acl_smtp_mail = ${if eq{a}{a}{mine}}\nbegin acl\nmine:\n  deny\n")
    assert "ACL: ${if eq{a}{a}{mine}}, at mail" in list(kept.find(talk.mail("<a@x.test>").explanation).lines())


def test_what_no_acl_has_decided():
    unjudged = Explanation(
        "a", 0.0, "connect", "no", "451 later", "-", "[192.0.2.1]", "milter", acl="acl_check_connect"
    )
    assert not [line for line in unjudged.lines() if line.startswith("ACL")]


def test_it_names_the_policy_that_judged():
    policy = load(POLICY)
    kept = Archive(MemoryStore(), 60.0)
    talk = Conversation(policy, World(ZONE).services, witness=Witness(kept, policy.snapshot.digest))
    talk.helo("h.test")
    found = kept.find(talk.mail("<a@x.test>").explanation)
    assert f"policy: {policy.snapshot.digest}" in list(found.lines())


def test_a_policy_has_one_name_in_every_process():
    text = "begin acl\nacl_check_mail:\n  accept\n"
    one, other = load(text).snapshot, pickle.loads(pickle.dumps(load(text).snapshot))
    assert one.digest == other.digest
    assert re.fullmatch("[0-9a-f]{16}", one.digest)
    assert load(f"{text}\n").snapshot.digest != one.digest


def test_nothing_has_been_refused(kept):
    output, status = run(kept[1], policy="empty.conf")
    assert output.startswith("nothing is kept: nothing was refused within explain_keep, or ")
    assert status == 0


def test_explain(kept):
    name, directory = kept
    output, status = run(directory, f"[{name}]")
    assert status == 0
    assert "decided by: policy:7" in output
    assert "  $acl_m_kind = bad" in output
    assert run(directory)[0].startswith(f"{name} ")
    assert run(directory, "--last", "1")[0] == run(directory)[0]
    assert json.loads(run(directory, name, "--json")[0])["reply"] == "550 not from X.TEST"


@pytest.mark.parametrize(
    "arguments, policy, complaint",
    [
        (["aaaaaaaa"], "policy.conf", 'there is no explanation "aaaaaaaa"'),
        ([""], "policy.conf", 'there is no explanation ""'),
        (["\udcff\x1b[2J"], "policy.conf", r'there is no explanation "\xff\x1b[2J"'),
        (["x" * 9999], "policy.conf", "there is no explanation"),
        (["aaaaaaaa"], "off.conf", "no explanations are kept"),
        ([], "wrong.conf", 'unknown option "nonsense"'),
    ],
)
def test_explain_finds_nothing(kept, arguments, policy, complaint):
    output, status = run(kept[1], *arguments, policy=policy)
    assert complaint in output
    assert status == 1
