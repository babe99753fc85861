"""What becomes of a command that nobody can hear."""

from __future__ import annotations

import subprocess
import sys

import pytest

RUN = [sys.executable, "-c", "from policyd.cli import main; main()"]


@pytest.fixture
def policy(tmp_path):
    file = tmp_path / "policy.conf"
    file.write_text(f"state_directory = {tmp_path}/state\nprimary_hostname = mx.example.org\n")
    return file


@pytest.mark.parametrize("command", ["check", "session --client 192.0.2.1", "explain", "judge --client ::1 --to a@b -"])
def test_a_full_disk(command, policy):
    """The reason, and no traceback."""
    name, *options = command.split()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*RUN, name, "-c", policy, *options],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith("Error: No space left on device\n") or name == "explain"  # which has nothing to say
    assert done.returncode == (0 if name == "explain" else 1)


def test_a_reader_who_has_seen_enough(policy):
    with subprocess.Popen([*RUN, "words"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as words:
        assert words.stdout.readline() == "Verbs of ACLs:\n"
        words.stdout.close()
        assert words.stderr.read() == ""
