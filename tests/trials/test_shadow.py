"""A second policy on the same traffic: heard by nobody, and noted where it differs."""

from __future__ import annotations

import os
from ipaddress import ip_address

import pytest
from click.testing import CliRunner
from parts.exchange import World, load

from policyd.cli.shadow import command
from policyd.explanations import Archive, Witness
from policyd.stores import MemoryStore
from policyd.transaction import Client
from policyd.trials.accompanied import Accompanied
from policyd.trials.installed import Installed, install, installed, place
from policyd.trials.shadow import Shadow, aside, harmless

NOW = """\
begin acl
acl_check_mail:
  deny senders = bad@x.test
  accept
acl_check_rcpt:
  accept
acl_check_data:
  accept
"""


def talked(shadow, *steps, now=NOW):
    """The replies to *steps* and the log: each step is a method's name and its arguments."""
    world = World()
    companion = Shadow(harmless(load(shadow)), aside(world.services), world.log, world.counts)
    talk = Accompanied([companion], load(now), world.services)
    talk.connect(Client(ip_address("192.0.2.1"), 1234))
    talk.helo("h.test")
    replies = [getattr(talk, name)(*arguments) for name, *arguments in steps]
    return [reply.code or 250 for reply in replies if reply is not None], world


MESSAGE = (
    ("mail", "<a@x.test>"),
    ("rcpt", "<b@y.test>"),
    ("predata",),
    ("header", "Subject", b" hello"),
    ("end_of_headers",),
    ("body", b"text\r\n"),
    ("end_of_message",),
    ("abort",),
    ("close",),
)


@pytest.mark.parametrize(
    "shadow, differences",
    [
        (NOW, []),
        ("begin acl\nacl_check_mail:\n  deny message = no\n",
         ['shadow id=- client=192.0.2.1 phase=mail argument=<a@x.test> now="ok" then="fail 550 no" where=policy:3']),
        ("begin acl\nacl_check_rcpt:\n  defer\n",
         ["shadow id=- client=192.0.2.1 phase=rcpt argument=<b@y.test> sender=<a@x.test> "
          'now="ok" then="defer 451 Temporary local problem - please try later" where=policy:3']),
        ("begin acl\nacl_check_data:\n  deny condition = ${if eq{$h_subject:}{hello}}\n    message = <$message_size>\n",
         ["shadow id=- client=192.0.2.1 phase=data sender=<a@x.test> "
          'now="ok" then="fail 550 <24>" where=policy:3']),
        ("begin acl\nacl_check_helo:\n  deny\n",
         ['shadow id=- client=192.0.2.1 phase=helo argument=h.test now="ok" '
          'then="fail 550 Administrative prohibition" where=policy:3']),
    ],
)  # fmt: skip
def test_differences_are_logged_and_nothing_else_changes(shadow, differences):
    replies, world = talked(shadow, *MESSAGE)
    assert replies == [250, 250, 250, 250]
    assert world.log.of("main") == differences


def test_what_any_of_them_needs_is_told():
    world = World()
    policies = [load(f"begin acl\nacl_check_{phase}:\n  deny\n") for phase in ("mail", "rcpt")]
    companion = Shadow(policies[1], aside(world.services), world.log, world.counts)
    talk = Accompanied([companion], policies[0], world.services)
    assert talk.needs == policies[0].needs | policies[1].needs
    assert policies[0].needs < talk.needs


def test_what_the_shadow_would_let_pass():
    replies, world = talked("begin acl\nacl_check_mail:\n  accept\n", ("mail", "<bad@x.test>"))
    assert replies == [550]
    assert 'now="fail 550 Administrative prohibition" then="ok"' in world.log.of("main")[-1]
    assert ("shadow_verdicts_total", "mail", "different") in world.counts.events


def test_each_message_is_compared_anew():
    shadow = "begin acl\nacl_check_mail:\n  deny senders = once@x.test\n  accept\n"
    _, world = talked(shadow, ("mail", "<once@x.test>"), ("rcpt", "<b@y.test>"), ("abort",), *MESSAGE)
    assert len(world.log.of("main")) == 1
    assert world.counts.events.count(("shadow_verdicts_total", "rcpt", "same")) == 1


def test_after_a_difference_the_next_helo_counts_again():
    shadow = "begin acl\nacl_check_mail:\n  deny ! senders = once@x.test\n    message = $sender_helo_name\n  accept\n"
    _, world = talked(shadow, ("mail", "<a@x.test>"), ("abort",), ("helo", "second.test"), ("mail", "<a@x.test>"))
    assert [line.split('then="')[1].split('"')[0] for line in world.log.of("main")] == [
        "fail 550 h.test", "fail 550 second.test",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "verb, phases",
    [
        ("accept control = freeze", []),
        ("deny control = dry_run", []),
        ("deny", ["rcpt"]),
        ("discard", []),  # the client would not be told
    ],
)
def test_what_the_client_would_not_see_is_no_difference(verb, phases):
    _, world = talked(f"begin acl\nacl_check_rcpt:\n  {verb}\n", *MESSAGE[:2])
    assert [line.split()[3].partition("=")[2] for line in world.log.of("main")] == phases


def test_it_counts_apart_and_keeps_quiet():
    limit = (
        "begin acl\nacl_check_mail:\n  defer ratelimit = 1.5 / 1h / strict / k\n    delay = 5s\n    logwrite = seen\n"
        "  accept\n"
    )
    replies, world = talked(limit, ("mail", "<a@x.test>"), ("abort",), ("mail", "<a@x.test>"), now=NOW)
    assert replies == [250, 250]
    lines = world.log.of("main")
    assert len(lines) == 1
    assert 'then="defer' in lines[0]
    assert [key for key, _ in world.services.store.scan(b"")] == [b"shadow/ratelimit/1h/per_mail/k"]


def test_a_conversation_in_company_is_explained_as_well():
    world, kept = World(), Archive(MemoryStore(), 60.0)
    companion = Shadow(load("begin acl\nacl_check_mail:\n  accept\n"), aside(world.services), world.log, world.counts)
    talk = Accompanied([companion], load(NOW), world.services, witness=Witness(kept))
    talk.connect(Client(ip_address("192.0.2.1"), 1234))
    reply = talk.mail("<bad@x.test>")
    assert kept.find(reply.explanation).story[-1] == "  policy:3 deny: ok"
    assert [line.split()[0] for line in world.log.of("main")] == ["H=[192.0.2.1]", "shadow"]
    assert world.log.of("panic") == []
    assert world.counts.events.count(("shadow_verdicts_total", "connect", "same")) == 1


def test_a_shadow_that_fails_costs_nobody_a_verdict(monkeypatch):
    monkeypatch.setattr("policyd.conversation.Conversation.rcpt", None)
    world = World()
    companion = Shadow(load(NOW), aside(world.services), world.log, world.counts)
    companion.told("rcpt", ("<b@y.test>",), object(), None)
    companion.told("rcpt", ("<b@y.test>",), object(), None)  # and is not asked again
    assert world.counts.events.count(("shadow_verdicts_total", "rcpt", "failed")) == 1
    assert "shadow phase=rcpt" in world.log.of("panic")[0]


# -- installed under the state directory


@pytest.fixture
def configured(tmp_path):
    file = tmp_path / "new.conf"
    file.write_text(f"state_directory = {tmp_path}/state\n{NOW}")
    return file


def run(*arguments):
    done = CliRunner().invoke(command, ["-c", *map(str, arguments)])
    return done.output, done.exit_code


def test_a_policy_comes_and_goes(configured, tmp_path):
    told = []
    shadow = Installed(place(load(f"state_directory = {tmp_path}/state\n").settings), print, told.append)
    assert shadow.policy is None
    output, status = run(configured)
    assert (status, f"by the daemon that has its state in {tmp_path}/state:" in output) == (0, True)
    policy = shadow.policy
    assert policy is not None
    assert shadow.policy is policy  # compiled once
    assert run(configured, "--stop") == ("ended\n", 0)
    assert shadow.policy is None
    assert run(configured, "--stop") == ("there was none\n", 0)
    assert told == [f"tries the shadow policy {policy.snapshot.digest}", "tries no shadow policy any more"]


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_nobody_else_reads_it_and_it_belongs_to_the_owner_of_the_directory(tmp_path, mask):
    directory = tmp_path / "state"
    directory.mkdir()
    os.chown(directory, 4242, 4243)
    before = os.umask(mask)
    install(load(NOW).snapshot, place(load(f"state_directory = {directory}\n").settings))
    os.umask(before)
    (file,) = directory.iterdir()
    status = file.stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o600, 4242, 4243)


def test_who_is_not_root_gives_nothing_away(tmp_path, monkeypatch):
    monkeypatch.setattr("policyd.trials.installed.os.geteuid", lambda: 4242)
    os.chown(tmp_path, 4242, 4243)
    install(load(NOW).snapshot, tmp_path / "shadow")
    assert (tmp_path / "shadow").stat().st_uid == os.getuid()


def test_a_place_where_it_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "new.conf").write_text(f"state_directory = {tmp_path}/file/state\n{NOW}")
    output, status = run(tmp_path / "new.conf")
    assert "Error: " in output
    assert status == 1


def test_a_wrong_policy_is_not_installed(tmp_path):
    (tmp_path / "new.conf").write_text(f"state_directory = {tmp_path}/state\nnonsense = 1\n")
    assert run(tmp_path / "new.conf")[1] == 1
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "spoil, complaint",
    [
        (lambda file: file.chmod(0o666), "others may write it"),
        (lambda file: os.chown(file, 4242, 4242), "belongs to somebody else"),
        (lambda file: file.write_text("{}"), "KeyError"),
        (lambda file: file.write_bytes(b"\xff\x00"), "cannot be used"),
        (lambda file: file.write_text("[]"), "cannot be used"),
        (lambda file: file.write_text("[" * 100_000), "recursion"),
    ],
)
def test_a_file_that_is_not_to_be_believed(spoil, complaint, tmp_path):
    file, told = tmp_path / "shadow", []
    install(load(NOW).snapshot, file)
    assert installed(file).texts == load(NOW).snapshot.texts
    spoil(file)
    assert Installed(file, told.append, print).policy is None
    assert complaint in told[0]
