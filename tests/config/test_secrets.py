"""Passwords are for policyd alone."""

from __future__ import annotations

import pytest

from policyd import config, words
from policyd.errors import PolicyError


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
    assert "secret@" not in "".join(warnings)
    assert "/secret" not in "".join(warnings)


@pytest.mark.parametrize(
    "line, shown",
    [
        ("store = redis:/u:s3cr3t@h", "    store = ..."),
        ("hide tls_crl = s3cr3t", "    hide tls_crl = ...\n         ^"),
        ('pgsql_servers = "h/b/u/s3cr3t', "    pgsql_servers = ..."),
        ("store = ${if eq{a}{b}{c}redis:/u:s3cr3t@h}", "    store = ..."),
        ('primary_hostname = "x', '    primary_hostname = "x\n                       ^'),
    ],
)
def test_problems_do_not_show_passwords(line, shown, tmp_path):
    words.load()
    file = tmp_path / "policy.conf"
    file.write_text(f"{line}\n")
    file.chmod(0o600)
    try:
        told = str(config.load(file).warnings[0])
    except PolicyError as error:
        told = str(error)
    assert "\n".join(told.splitlines()[1:]).startswith(shown)
    assert "s3cr3t" not in told
