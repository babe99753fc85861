"""Passwords are for policyd alone."""

from __future__ import annotations

import pytest

from policyd import config, words


@pytest.mark.parametrize(
    "line, mode, found",
    [
        ("pgsql_servers = localhost/mail/policyd/secret", 0o644, True),
        ("hide pgsql_servers = localhost/mail/policyd/secret", 0o644, True),
        ("hide mysql_servers = localhost/mail/policyd/", 0o604, True),
        ("pgsql_servers = localhost/mail/policyd/secret", 0o640, False),
        ("redis_servers = localhost/0/secret", 0o644, True),
        ("redis_servers = localhost/0/", 0o644, False),
        ("store = redis://policyd:secret@redis.test", 0o644, True),
        ("store = redis://redis.test", 0o644, False),
        ("primary_hostname = a/b/c/d", 0o644, False),
    ],
)
def test_a_secret_that_everybody_can_read(line, mode, found, tmp_path):
    words.load()
    file = tmp_path / "policy.conf"
    file.write_text(f"# first\n{line}\n")
    file.chmod(mode)
    warnings = [str(problem) for problem in config.load(file).warnings]
    told = [warning for warning in warnings if "everybody on this host can read" in warning]
    assert [warning.partition(": ")[0] for warning in told] == ([f"{file}:2"] if found else [])
