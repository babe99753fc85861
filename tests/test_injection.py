"""Line ends that clients smuggle in, and where they do not come out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from milter_client import MilterClient
from parts.daemon import Policyd

POLICY = """\
explain_in_replies = yes
begin acl
acl_check_helo:
  warn log_message = $sender_helo_name
       condition   = yes
  accept
acl_check_rcpt:
  deny message     = no $local_part here
       local_parts = ^nobody
  accept
acl_check_data:
  warn add_header  = X-Subject: $h_subject:
       log_message = $h_subject: $message_headers
  deny message     = not $h_subject:
       condition   = ${if def:h_refused:}
  accept
"""
SMUGGLED = "\r\nForged: line"
ENCODED = b" =?utf-8?q?hello=0d=0aForged:_line=0aForged:_line?="


@pytest.fixture(scope="module", params=["policyd", "exim", "json"])
def daemon(request, tmp_path_factory) -> Iterator[Policyd]:
    socket = tmp_path_factory.mktemp("injection") / "socket"
    with Policyd(POLICY, f"unix:{socket}", {"log_format": request.param, "workers": "1"}) as running:
        yield running


def begun(daemon: Policyd) -> MilterClient:
    """A session up to MAIL, with a line end wherever one can be."""
    mta = MilterClient(daemon.socket.removeprefix("unix:"))
    mta.__enter__()
    mta.connect(name="client" + SMUGGLED)
    mta.helo(("client" + SMUGGLED).encode())
    mta.mail(f"<a{SMUGGLED}@x.example>".encode())
    return mta


def lines(wire: str) -> list[str]:
    """A reply as a client reads it."""
    return re.split(r"\r\n|\r|\n", wire.rstrip("\r\n"))


def test_nobody_adds_fields_or_replies(daemon: Policyd) -> None:
    """Each line of a reply has its code, and a field that is added is one field."""
    mta = begun(daemon)
    refused = lines(mta.rcpt(f"<nobody{SMUGGLED}@here.example>".encode()))
    assert [line for line in refused if not re.match(r"5\d\d[- ]", line)] == []
    mta.rcpt(b"<you@here.example>")
    mta.message([(b"Subject", ENCODED), (b"Subject", b" Forged: line")], b"hello\r\n")
    assert mta.edits == [("h", b"X-Subject\0 hello  Forged: line Forged: line\n Forged: line\0")]
    mta.__exit__(None)
    mta = begun(daemon)
    mta.rcpt(b"<you@here.example>")
    refused = lines(mta.message([(b"Subject", ENCODED), (b"Refused", b" yes")], b"hello\r\n"))
    assert [line for line in refused if not re.match(r"5\d\d[- ]", line)] == []
    mta.__exit__(None)


def test_nobody_writes_lines_of_his_own_into_the_log(daemon: Policyd) -> None:
    """Whatever the format of the log."""
    mta = begun(daemon)
    mta.rcpt(f"<nobody{SMUGGLED}@here.example>".encode())
    mta.rcpt(b"<you@here.example>")
    mta.message([(b"Subject", ENCODED)], b"hello\r\n")
    mta.__exit__(None)
    log = daemon.log()
    assert "Forged" in log
    assert [line for line in re.split(r"[\r\n]", log) if line.startswith("Forged")] == []
