"""``policyd judge``: a message in a file, judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from policyd.cli.judge import command, message_lines

POLICY = """\
primary_hostname = mx.test
begin acl
acl_check_connect:
  deny hosts = 192.0.2.66
  accept
acl_check_rcpt:
  deny local_parts = nobody
    message = no $local_part here
  discard local_parts = blackhole
  accept
acl_check_data:
  deny condition = ${if match{$h_subject:}{spam}}
    message = no spam
  discard condition = ${if match{$h_subject:}{junk}}
    log_message = junk
  accept condition = ${if match{$h_subject:}{odd}}
    control = freeze
  warn add_header = X-Judged: yes\\n\\tfolded
    remove_header = x-old
  accept
"""


@pytest.fixture
def judged(tmp_path):
    (tmp_path / "policy.conf").write_text(f"state_directory = {tmp_path}\n{POLICY}")

    def run(*arguments, subject="hello", client="192.0.2.1", to=("b@y.test",)):
        (tmp_path / "message.eml").write_bytes(f"Subject: {subject}\r\nX-Old: 1\n\nbody\n".encode())
        recipients = [word for one in to for word in ("--to", one)]
        common = ["-c", str(tmp_path / "policy.conf"), "--client", client, "--from", "a@x.test", *recipients]
        done = CliRunner().invoke(command, [*common, *arguments, str(tmp_path / "message.eml")])
        return done.stdout if "--json" in arguments else done.output, done.exit_code

    return run


@pytest.mark.parametrize(
    "details, status, shown",
    [
        ({}, 0, "accepted\n  removed: X-Old 1\n  added: X-Judged: yes\n\tfolded\n"),
        ({"subject": "spam"}, 1, "reply: 550 no spam\n"),
        ({"to": ("nobody@y.test",)}, 1, "reply: 550 no nobody here\n"),
        ({"to": ("nobody@y.test", "b@y.test")}, 0, "reply: 550 no nobody here\n"),
        ({"client": "192.0.2.66"}, 1, "decided by: "),
        ({"subject": "junk"}, 1, "after DATA: discarded by DATA ACL: junk\n"),
        ({"subject": "junk"}, 1, "\ndiscarded\n"),
        ({"subject": "odd"}, 0, "accepted\n  held: "),
        ({"to": ("blackhole@y.test",)}, 1, "RCPT <blackhole@y.test>: discarded by RCPT ACL\n"),
        ({"to": ("blackhole@y.test",)}, 1, "\ndiscarded\n"),
        ({"to": ("blackhole@y.test", "b@y.test")}, 0, "  recipient removed: <blackhole@y.test>\n"),
    ],
)
def test_judge(judged, details, status, shown):
    output, exit_code = judged(**details)
    assert shown in output
    assert exit_code == status


def test_by_somebody_who_may_not_have_the_state(judged, tmp_path, monkeypatch):
    """Who is not root, on a host with a daemon."""
    monkeypatch.setattr("policyd.cli.world.os.access", lambda *_: False)
    output, status = judged()
    assert f"{tmp_path} is not open to you: rates, and what was seen, begin with nothing here\n" in output
    assert "\naccepted\n" in f"\n{output}"
    assert status == 0
    assert not (tmp_path / "store").exists()


def test_for_programs(judged):
    found = json.loads(judged("--json", subject="spam")[0])
    assert found["accepted"] is False
    assert found["refusals"][0]["reply"] == "550 no spam"
    assert found["story"][-1].endswith("deny: ok")
    assert json.loads(judged("--json")[0])["edits"] == ["removed: X-Old 1", "added: X-Judged: yes\n\tfolded"]


@pytest.mark.parametrize(
    "octets, lines",
    [
        (b"", [b""]),
        (b"A: 1", [b"A: 1"]),
        (b"A: 1\n", [b"A: 1"]),
        (b"A: 1\r\n\r\nb\r\n", [b"A: 1", b"", b"b"]),
        (b"A: 1\n\nb\rc\n", [b"A: 1", b"", b"b\rc"]),  # the CR is part of the line
        (b"A: 1\n\nb\r\r\n\n", [b"A: 1", b"", b"b\r", b""]),
        (b"A: 1\0\n\n\0\x85\x0b\n", [b"A: 1\0", b"", b"\0\x85\x0b"]),
        (b"From a@b Mon Jan  1 00:00:00 2024\nA: 1\n", [b"A: 1"]),
        (b"From: a@b\n", [b"From: a@b"]),
    ],
)
def test_the_lines_of_a_message(octets, lines):
    assert message_lines(octets) == lines


@pytest.mark.parametrize(
    "octets", [b"", b"\n", b"Subject: x", b"Subject: x\n", b"\0\0\0", b"From a@b\n", b"\xff: \xff\n"]
)
def test_any_message_is_judged(octets, judged, tmp_path):
    judged()
    file = tmp_path / "odd.eml"
    file.write_bytes(octets)
    done = CliRunner().invoke(
        command, ["-c", f"{tmp_path}/policy.conf", "--client", "192.0.2.1", "--to", "b@y", str(file)]
    )
    assert (done.exit_code, done.output.splitlines()[0]) == (0, "accepted")


def test_a_message_does_not_tell_the_terminal_what_to_do(judged):
    output, _ = judged(subject="spam \x1b]0;x\x07", to=("b\x1b[2J@y.test",))
    assert "\x1b" not in output
    assert "recipients: <b\\033[2J@y.test>" in output


def test_what_no_acl_has_refused(tmp_path: Path):
    (tmp_path / "m").write_text("x")
    policy = f"state_directory = {tmp_path}\nhosts_proxy = ${{lookup{{x}}lsearch{{/nonexistent}}}}\n"
    (tmp_path / "policy.conf").write_text(policy)
    arguments = ["-c", f"{tmp_path}/policy.conf", "--client", "192.0.2.1", "--to", "b@y.test", f"{tmp_path}/m"]
    done = CliRunner().invoke(command, arguments)
    assert "reply: 451 Temporary local problem - please try later\ndecided by: -\n" in done.output
    assert done.output.endswith("\nrefused\n")
    assert done.exit_code == 1


def test_a_dry_run_says_what_it_would_have_done(judged, tmp_path):
    judged()
    policy = tmp_path / "policy.conf"
    policy.write_text(f"dry_run = yes\n{policy.read_text()}")
    output, status = judged(subject="spam")
    assert "dry run: H=" in output
    assert "reply: 550 no spam\n" in output
    assert "\naccepted\n" in output
    assert status == 0


def test_a_wrong_policy(judged, tmp_path):
    message = tmp_path / "message.eml"
    message.write_text("x")
    (tmp_path / "wrong.conf").write_text("nonsense = 1\n")
    arguments = ["-c", str(tmp_path / "wrong.conf"), "--client", "192.0.2.1", "--to", "b@y.test", str(message)]
    assert CliRunner().invoke(command, arguments).exit_code == 2
