"""``policyd judge``: a message in a file, judged."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from policyd.cli.judge import command

POLICY = """\
primary_hostname = mx.test
begin acl
acl_check_connect:
  deny hosts = 192.0.2.66
  accept
acl_check_rcpt:
  deny local_parts = nobody
    message = no $local_part here
  accept
acl_check_data:
  deny condition = ${if match{$h_subject:}{spam}}
    message = no spam
  warn add_header = X-Judged: yes
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
        ({}, 0, "accepted\n  removed: X-Old 1\n  added: X-Judged: yes\n"),
        ({"subject": "spam"}, 1, "reply: 550 no spam\n"),
        ({"to": ("nobody@y.test",)}, 1, "reply: 550 no nobody here\n"),
        ({"to": ("nobody@y.test", "b@y.test")}, 0, "reply: 550 no nobody here\n"),
        ({"client": "192.0.2.66"}, 1, "decided by: "),
    ],
)
def test_judge(judged, details, status, shown):
    output, exit_code = judged(**details)
    assert shown in output
    assert exit_code == status


def test_for_programs(judged):
    found = json.loads(judged("--json", subject="spam")[0])
    assert found["accepted"] is False
    assert found["refusals"][0]["reply"] == "550 no spam"
    assert found["story"][-1].endswith("deny: ok")
    assert json.loads(judged("--json")[0])["edits"] == ["removed: X-Old 1", "added: X-Judged: yes"]


def test_a_wrong_policy(judged, tmp_path):
    message = tmp_path / "message.eml"
    message.write_text("x")
    (tmp_path / "wrong.conf").write_text("nonsense = 1\n")
    arguments = ["-c", str(tmp_path / "wrong.conf"), "--client", "192.0.2.1", "--to", "b@y.test", str(message)]
    assert CliRunner().invoke(command, arguments).exit_code == 2
