"""Sessions written down, and judged by another policy."""

from __future__ import annotations

import json
import os
from ipaddress import ip_address

import pytest
from click.testing import CliRunner
from parts.exchange import World, load

from policyd.cli.replay import command
from policyd.transaction import Client, Proxy
from policyd.trials.accompanied import Accompanied
from policyd.trials.recording import Recorded, Recorder, sessions

NOW = "begin acl\nacl_check_rcpt:\n  accept\nacl_check_data:\n  accept\n"
PEER = Client(
    ip_address("2001:db8::1"), 1234, "c.test", "192.0.2.9", 25, Proxy("10.0.0.1", 1, "10.0.0.2", 25), "proxy_v2"
)


def record(file, *, messages=1, largest=1000, full=10**6, body=b"te\xffxt\r\n", start=1000.0):
    """One session, recorded; what was complained of."""
    world, told = World(), []
    talk = Accompanied([Recorder(str(file), largest, full, start, told.append)], load(NOW), world.services)
    talk.macros["j"] = "mx.test"
    talk.connect(PEER)
    talk.helo("h.test")
    for _ in range(messages):
        talk.macros["i"] = "Q1"
        talk.mail("<a@x.test>", ("SIZE=9",))
        talk.rcpt("<b@y.test>")
        talk.predata()
        talk.header("Subject", b" hello")
        talk.end_of_headers()
        talk.body(body)
        talk.end_of_message()
        talk.abort()
    talk.close()
    return told


def test_what_is_recorded(tmp_path):
    file = tmp_path / "sessions"
    assert record(file) == []
    (recorded,) = sessions(file.read_text().splitlines())
    assert recorded.peer() == PEER
    assert recorded.time == 1000.0
    assert not recorded.cut
    assert [event[0] for event in recorded.events] == [
        "macros", "connect", "helo", "macros", "mail", "rcpt", "predata", "header", "end_of_headers", "body",
        "end_of_message", "abort",
    ]  # fmt: skip
    assert recorded.events[4] == ("mail", ["<a@x.test>", ["SIZE=9"]], ["ok", 0])
    assert recorded.events[9] == ("body", ["te\xffxt\r\n"], None)


def test_bounds(tmp_path):
    file = tmp_path / "sessions"
    record(file, largest=10)
    (recorded,) = sessions(file.read_text().splitlines())
    assert recorded.cut
    assert "body" not in [event[0] for event in recorded.events]
    size = file.stat().st_size
    record(file, full=size)
    assert file.stat().st_size == size


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_it_is_readable_for_its_owner_alone(tmp_path, mask):
    before = os.umask(mask)
    record(tmp_path / "sessions")
    os.umask(before)
    assert (tmp_path / "sessions").stat().st_mode & 0o777 == 0o600


def test_a_connection_with_many_messages_is_not_kept_without_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr("policyd.trials.recording.MAX_CONTENT", 40)
    record(tmp_path / "sessions", messages=5, largest=30)  # 20 octets each
    (recorded,) = sessions((tmp_path / "sessions").read_text().splitlines())
    assert recorded.cut
    assert [event[0] for event in recorded.events].count("body") == 2
    assert [event[0] for event in recorded.events].count("end_of_message") == 5


def test_a_connection_with_many_commands_is_not_kept_without_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr("policyd.trials.recording.MAX_EVENTS", 5)
    record(tmp_path / "sessions")
    (recorded,) = sessions((tmp_path / "sessions").read_text().splitlines())
    assert recorded.cut
    assert len(recorded.events) == 5


def test_who_said_nothing_is_not_recorded(tmp_path):
    told = []
    companion = Recorder(str(tmp_path / "sessions"), 1000, 10**6, 1.0, told.append)
    Accompanied([companion], load(NOW), World().services).close()
    assert list(tmp_path.iterdir()) == told == []


def test_a_file_that_cannot_be_written():
    assert "a session cannot be recorded" in record("/nonexistent/directory/file")[0]


def replay(tmp_path, policy, *arguments):
    (tmp_path / "new.conf").write_text(f"state_directory = {tmp_path}/state\n{policy}")
    done = CliRunner().invoke(command, ["-c", str(tmp_path / "new.conf"), *arguments, str(tmp_path / "sessions")])
    return done.output.replace(f"{tmp_path}/", "").splitlines(), done.exit_code


@pytest.mark.parametrize(
    "policy, lines",
    [
        (NOW, ["1 sessions, 6 answers, 0 of them different"]),
        ("begin acl\nacl_check_rcpt:\n  deny message = no $sender_address $proxy_external_address\n",
         ["2001:db8::1 rcpt <b@y.test>: was ok, would be fail 550 no a@x.test 10.0.0.2 (new.conf:4)",
          "1 sessions, 6 answers, 1 of them different"]),
        ("begin acl\nacl_check_data:\n  deny condition = ${if match{$message_body}{\\N\\xff\\N}}\n    message = 8\n",
         ["2001:db8::1 data: was ok, would be fail 550 8 (new.conf:4)", "1 sessions, 6 answers, 1 of them different"]),
        ("begin acl\nacl_check_connect:\n  deny\n",
         ["2001:db8::1 connect: was ok, would be fail 550 Administrative prohibition (new.conf:4)",
          "1 sessions, 1 answers, 1 of them different"]),
    ],
)  # fmt: skip
def test_replay(policy, lines, tmp_path):
    record(tmp_path / "sessions")
    assert replay(tmp_path, policy) == (lines, 0)


def test_a_rate_at_the_time_of_the_sessions(tmp_path):
    for start in (1000.0, 1001.0, 9999.0):
        record(tmp_path / "sessions", start=start)
    lines, _ = replay(tmp_path, "begin acl\nacl_check_mail:\n  defer ratelimit = 1.5 / 10s / strict\n  accept\n")
    assert [line.partition(":")[2] for line in lines[:-1]] == [
        "db8::1 mail <a@x.test>: was ok, would be defer 451 Temporary local problem - please try later (new.conf:4)"
    ]


def test_a_message_that_was_cut_is_not_judged(tmp_path):
    record(tmp_path / "sessions", largest=10)
    policy = "begin acl\nacl_check_data:\n  deny\n"
    assert replay(tmp_path, policy)[0] == ["1 sessions, 5 answers, 0 of them different"]


def test_after_a_difference_the_next_helo_counts_again(tmp_path):
    session = {"time": 1.0, "client": {}, "cut": False, "events": [
        ["mail", ["<a@x.test>"], ["ok", 0]], ["rcpt", ["<b@y.test>"], ["ok", 0]], ["abort", [], None],
        ["helo", ["second"], ["ok", 0]], ["mail", ["<a@x.test>"], ["ok", 0]],
    ]}  # fmt: skip
    (tmp_path / "sessions").write_text(f"{json.dumps(session)}\n")
    lines, _ = replay(tmp_path, "begin acl\nacl_check_mail:\n  deny message = [$sender_helo_name]\n")
    assert lines == [
        "local mail <a@x.test>: was ok, would be fail 550 [] (new.conf:4)",
        "local mail <a@x.test>: was ok, would be fail 550 [second] (new.conf:4)",
        "1 sessions, 3 answers, 2 of them different",
    ]


def test_a_session_does_not_tell_the_terminal_what_to_do(tmp_path):
    session = {"time": 1.0, "client": {}, "cut": False, "events": [["helo", ["\x1b[2J\xc2\x9b"], ["ok", 0]]]}
    (tmp_path / "sessions").write_text(f"{json.dumps(session)}\n")
    lines, _ = replay(tmp_path, "begin acl\nacl_check_helo:\n  deny message = m\n")
    assert lines[0] == "local helo \\x1b[2J\\xc2\\x9b: was ok, would be fail 550 m (new.conf:4)"


def test_a_difference_is_one_line(tmp_path):
    (tmp_path / "sessions").write_text(session_of(events=[["helo", ["a\nb"], ["ok", 0]]]) + "\n")
    lines, _ = replay(tmp_path, "begin acl\nacl_check_helo:\n  deny message = m\n")
    assert lines[0] == "local helo a\\nb: was ok, would be fail 550 m (new.conf:4)"


def test_a_wrong_policy(tmp_path):
    (tmp_path / "sessions").write_text("")
    assert replay(tmp_path, "nonsense = 1\n")[1] == 1


def session_of(**parts):
    return json.dumps({"time": 1, "client": {}, "events": [], "cut": False} | parts)


@pytest.mark.parametrize(
    "line",
    [
        "x",
        '{"time": 1, "cl',
        "{}",
        "[]",
        session_of(events=3),
        session_of(events=[["helo"]]),
        session_of(time="noon"),
        session_of(client=1),
        session_of(events=[["connect", [], ["ok", 0]]]),
        session_of(events=[["connect", [], ["ok", 0]]], client={"address": "x", "proxy": None}),
        session_of(events=[["connect", [], ["ok", 0]]], client={"address": "", "proxy": None, "shoe": 43}),
    ],
)
def test_what_was_not_recorded(line, tmp_path):
    (tmp_path / "sessions").write_text(f"{line}\n")
    lines, status = replay(tmp_path, NOW)
    assert lines[-1].startswith("Error: sessions: line 1: not a recorded session: ")
    assert status == 1


def test_a_line_is_read_as_it_was_written():
    recorded = Recorded(1.0, {"a": "\xff"}, [("helo", ["x"], ["ok", 0])], True)
    assert Recorded.read(recorded.line()) == recorded
