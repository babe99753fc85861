"""Warnings about what loads and is probably not meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from policyd import config, words

words.load()

SUSPICIOUS = [
    # the RCPT ACL's statements, the line and column of the warning, and a part of it
    ("accept\n deny hosts = *", "4:2", 'this "deny" is never reached'),
    ("deny message = no\n accept", "4:2", 'this "accept" is never reached'),
    ("deny hosts = 192.0.2.1", "3:2", "can run off its end"),
    ("warn log_message = seen", "3:2", "can run off its end"),
    ("require hosts = 192.0.2.1", "3:2", "can run off its end"),
    ("deny spf = !fail : pass\n accept", "3:13", "is an Exim list"),
    ("deny spf = !fail : !softfail\n accept", "3:13", "is an Exim list"),
    ("defer ratelimit = 5 / 1h / per_mail / noreply\n accept", "3:40", '"noreply" is no option of ratelimit'),
    ("defer ratelimit = 5 / 1h / per_mial\n accept", "3:29", '"per_mial" is no option of ratelimit'),
    ("defer ratelimit = 5 / 1h / strict / $authenticated_id\n accept", "3:38", "$authenticated_id is empty for many"),
]

QUIET = [
    "deny hosts = 192.0.2.1\n accept",
    "warn set acl_m_x = 1\n accept",
    "deny spf = fail : softfail\n accept",
    "deny spf = !pass\n accept",
    "defer ratelimit = 5 / 1h / per_rcpt / strict\n accept",
    "defer ratelimit = 5 / 1h / strict / $sender_host_address\n accept",
    "deny",
]


def warnings(path: Path, statements: str) -> list[tuple[str, str]]:
    """Line, column and text of each warning about an RCPT ACL."""
    file = path / "policy.conf"
    file.write_text(f"begin acl\nacl_check_rcpt:\n {statements}\n")
    return [(f"{w.where.line}:{w.where.column}", w.message) for w in config.load(file).warnings]


@pytest.mark.parametrize(("statements", "place", "text"), SUSPICIOUS)
def test_suspicious(tmp_path: Path, statements: str, place: str, text: str) -> None:
    """One warning, at the place where something has to change."""
    [(where, message)] = warnings(tmp_path, statements)
    assert where == place
    assert text in message


@pytest.mark.parametrize("statements", QUIET)
def test_quiet(tmp_path: Path, statements: str) -> None:
    """No warning for what is right."""
    assert warnings(tmp_path, statements) == []


def test_a_called_acl_may_run_off_its_end(tmp_path: Path) -> None:
    """That is how it says no."""
    file = tmp_path / "policy.conf"
    file.write_text("begin acl\nhelper:\n accept hosts = 192.0.2.1\nacl_check_rcpt:\n deny acl = helper\n accept\n")
    assert config.load(file).warnings == ()
