"""root opens the sockets, and another user does the work."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from parts.daemon import Policyd

from policyd.server.privileges import become

POLICY = "begin acl\nacl_check_mail:\n  defer ratelimit = 100 / 1h / strict\n  accept\n"
SOCKET = "inet:0@127.0.0.1"
USER = pwd.getpwnam("daemon")


def identities(pid):
    """The users, groups and other groups that a process has, in every way it can have them."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return set(values["Uid"]), set(values["Gid"]), values["Groups"]


def is_readable():
    """Whether that user can run this Python at all: one under /root is root's alone."""
    if os.geteuid() != 0:
        return False
    try:
        python = [sys.executable, "-c", "import glob"]
        done = subprocess.run(python, user=USER.pw_uid, group=USER.pw_gid, extra_groups=[], check=False)
        return done.returncode == 0
    except PermissionError:
        return False


@pytest.mark.skipif(
    not is_readable(), reason="only root can become somebody else, who has to be able to run this Python"
)
def test_nobody_works_as_root():
    with tempfile.TemporaryDirectory(prefix="policyd-state-") as state:
        os.chown(state, USER.pw_uid, USER.pw_gid)
        with Policyd(POLICY, SOCKET, {"user": "daemon", "state_directory": state}) as daemon:
            for pid in (daemon.pid, *daemon.workers()):
                users, groups, others = identities(pid)
                assert users == {str(USER.pw_uid)}
                assert groups == {str(USER.pw_gid)}
                assert "0" not in others
            assert "runs as root" not in daemon.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as root")
def test_root_is_told():
    with Policyd(POLICY, SOCKET) as daemon:
        assert "policyd runs as root" in daemon.log()


def test_nobody_of_that_name(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(OSError, match="there is no user nobody-of-that-name"):
        become("nobody-of-that-name")


def test_it_is_said_when_it_cannot_be_done(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert become("daemon") == "user = daemon takes effect only when policyd is started by root"
    assert become("") == ""
