"""Lines of the main log about messages, and what ``log_selector`` adds to them: a live Exim's beside ours."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest
from parts.exchange import World, load

from policyd.conversation import Conversation
from policyd.loglines import arrival
from policyd.transaction import Client

POLICY = """\
acl_smtp_mail = check
acl_smtp_rcpt = accept
begin acl
check:
  deny senders = bad@example.org
  accept
"""
FIELDS = [
    ("Subject", ' hi "q" \\ there'),
    ("Message-ID", " <m@example.org>"),
]


@pytest.mark.parametrize(
    "selector", ["", "+incoming_port", "+subject", "+received_sender +received_recipients", "+all -pid"]
)
@pytest.mark.parametrize("sender", ["<a@example.org>", "<>", "<bad@example.org>"])
@pytest.mark.parametrize("fields", [FIELDS, FIELDS[1:], FIELDS[:1]], ids=len)
def test_lines(exim, selector, sender, fields):
    option = (
        f"log_selector = {selector} -millisec -pid -tls_cipher -8bitmime -msg_id_created -receive_time -pipelining\n"
    )
    header = "".join(f"{name}:{value}\r\n" for name, value in fields)
    dialogue = (
        f"EHLO h\r\nMAIL FROM:{sender}\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n{header}\r\nhi\r\n.\r\nQUIT\r\n"
    )
    log = exim.session(option + POLICY, "192.0.2.1.4321", dialogue).log
    theirs = [plain(line) for line in log if " <= " in line or " rejected " in line]
    assert ours(option + POLICY, sender, fields) == theirs


def plain(line: str) -> str:
    """A line without its queue id and size: Exim adds a field of its own."""
    line = re.sub(r"^.*?(?=<= |H=)", "", line, count=1)
    return re.sub(r" S=\d+", "", re.sub(r" id=\S+@mx\.example\S*", "", line))


def ours(policy: str, sender: str, fields: list[tuple[str, str]]) -> list[str]:
    world = World()
    talk = Conversation(load(policy), world.services)
    talk.connect(Client(ip_address("192.0.2.1"), 4321))
    talk.helo("h")
    talk.mail(sender)
    if world.log.of("main"):
        return world.log.of("main")
    talk.rcpt("<b@x>")
    talk.rcpt("<c@y>")
    for name, value in fields:
        talk.header(name, value.encode())
    talk.end_of_message()
    return [plain(arrival(talk.tx))]
