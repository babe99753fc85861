"""MTAs that do not wait for the answer."""

from __future__ import annotations

import time

import pytest
from milter_client import MilterClient
from parts.daemon import Policyd
from parts.ports import free_port, wait_until

POLICY = """\
begin acl
acl_check_data:
  warn delay      = 2s
       add_header = X-First: 1
       add_header = X-Second: 2
  accept
"""


@pytest.mark.parametrize("tcp", [False, True])
def test_a_message_whose_changes_nobody_waits_for(tcp, tmp_path):
    """One line tells of it; it is no failure of policyd's."""
    port = free_port()
    place = f"inet:{port}@127.0.0.1" if tcp else f"unix:{tmp_path}/socket"
    with Policyd(POLICY, place) as daemon:
        with MilterClient(("127.0.0.1", port) if tcp else f"{tmp_path}/socket") as mta:
            mta.connect()
            mta.mail(b"<a@example.org>")
            mta.rcpt(b"<b@example.net>")
            mta.ask("T")
            mta.header(b"Subject", b" hello")
            mta.ask("N")
            mta.send("E")
            time.sleep(0.3)  # it is being judged
        wait_until(lambda: "phase=data" in daemon.log(), "the end of the message")
        assert 'verdict=error reply="451 4.3.0 the MTA has not waited for the answer"' in daemon.log()
        assert "panic:" not in daemon.log()
        assert 'policyd_errors_total{outcome="fail_defer",phase="data"} 0.0' in daemon.page("/metrics")
