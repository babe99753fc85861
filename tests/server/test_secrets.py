"""Passwords of stores and databases stay out of the log, the replies and the metrics, whatever goes wrong."""

from __future__ import annotations

import pytest
from milter_client import MilterClient
from parts.daemon import Policyd
from parts.ports import free_port, wait_until

PASSWORD = "s3cr3t"
POLICY = """\
smtp_return_error_details = yes
begin acl
acl_check_helo:
  defer ratelimit = 1 / 1h / strict / x
acl_check_mail:
  accept senders = one@example.org
         condition = ${lookup pgsql{select 1}}
  accept senders = two@example.org
         condition = ${lookup mysql{select 1}}
  accept condition = ${lookup redis{get x}}
"""


@pytest.mark.parametrize("form", ["policyd", "json"])
def test_no_password_is_told(tmp_path, form):
    """Nobody listens where they are expected."""
    port = free_port()
    options = {
        "log_format": form,
        "workers": "1",
        "store": f"redis://policyd:{PASSWORD}@127.0.0.1:{port}/0",
        "pgsql_servers": f"127.0.0.1::{port}/base/joe/{PASSWORD}",
        "mysql_servers": f"127.0.0.1::{port}/base/joe/{PASSWORD}",
        "redis_servers": f"127.0.0.1::{port}/0/{PASSWORD}",
    }
    heard = []
    with Policyd(POLICY, f"unix:{tmp_path}/socket", options) as daemon:
        for name in (b"one", b"two", b"three"):
            with MilterClient(f"{tmp_path}/socket") as mta:
                mta.connect()
                mta.helo()
                heard.append(mta.mail(b"<%s@example.org>" % name))
        wait_until(lambda: daemon.log().count("example.org") >= 3, "the lines")
        told = daemon.log() + daemon.page("/metrics") + "".join(heard)
    for service in ("pgsql", "mysql", "redis"):
        assert service in daemon_lines(told)
    assert PASSWORD not in told


def daemon_lines(told: str) -> str:
    """What is no metric."""
    return "\n".join(line for line in told.splitlines() if "policyd_" not in line)
