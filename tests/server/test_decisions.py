"""Decisions in the log: what is said of them, and that nobody's text passes for something else."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from milter_client import MilterClient
from parts.exchange import World, load
from parts.ports import wait_until

from policyd.config.exim_options import HEEDED
from policyd.conversation import Conversation
from policyd.journal import Journal, Style
from policyd.loglines import arrival
from policyd.server.decisions import Decision
from policyd.transaction import Client, Proxy

ZONE = 'example.org. 60 TXT "v=spf1 ip4:192.0.2.1 -all"\n_dmarc.example.org. 60 TXT "v=DMARC1; p=reject"\n'
POLICY = """\
begin acl
acl_check_mail:
  deny senders = bad@example.org
       message = "$sender_address" is not welcome
  warn ratelimit = 5 / 1h / per_mail
  accept
acl_check_rcpt:
  deny recipients = nobody@example.net
  accept
acl_check_data:
  warn spf = *
  warn dkim_status = *
  warn dmarc_status = *
  accept
"""


def talk(selector="", **client):
    """A conversation after HELO."""
    option = f"log_selector = {selector}\n" if selector else ""
    found = Conversation(load(option + POLICY), World(ZONE).services)
    found.connect(Client(ip_address("192.0.2.1"), 4321, local_address="192.0.2.25", local_port=25, **client))
    found.helo("h")
    return found


def decided(found, phase, reply):
    return Decision(found.tx, phase, reply, 0.00312345)


def test_a_sender_that_is_refused():
    found = talk()
    decision = decided(found, "mail", found.mail("<bad@example.org>"))
    assert decision.facts() == {
        "id": "-",
        "client": "192.0.2.1",
        "phase": "mail",
        "verdict": "fail",
        "reply": '550 "bad@example.org" is not welcome',
        "where": "policy:3",
        "source": "milter",
        "helo": "h",
        "sender": "<bad@example.org>",
        "took": 0.0031,
    }
    assert decision.line() == (
        r'id=- client=192.0.2.1 phase=mail verdict=fail reply="550 \"bad@example.org\" is not welcome" where=policy:3 '
        "source=milter helo=h sender=<bad@example.org> took=0.0031"
    )
    assert decision.arrival() == ""


def test_a_recipient_that_is_refused():
    found = talk()
    found.macros["i"] = "4XyZ"
    found.mail("<a@example.org>")
    decision = decided(found, "rcpt", found.rcpt("<nobody@example.net>"))
    assert decision.line() == (
        'id=4XyZ client=192.0.2.1 phase=rcpt verdict=fail reply="550 Administrative prohibition" where=policy:8 '
        "source=milter helo=h sender=<a@example.org> recipients=<nobody@example.net> took=0.0031 rate=1.0/5"
    )


def message(found, *fields):
    """The verdict on a message with these header fields."""
    found.macros["i"] = "4XyZ"
    found.mail("<a@example.org>")
    found.rcpt("<b@example.net>")
    found.rcpt("<c@example.net>")
    for name, value in fields:
        found.header(name, value)
    found.end_of_headers()
    found.body(b"body\r\n")
    return found.end_of_message()


FIELDS = (
    ("From", b" a@example.org"),
    ("Subject", b' hi "q" \\\n there'),
    ("Message-ID", b" <m@x>"),
)


def test_a_message():
    found = talk()
    decision = decided(found, "data", message(found, *FIELDS))
    assert decision.line() == (
        'id=4XyZ client=192.0.2.1 phase=data verdict=ok reply="" where=policy:14 source=milter helo=h '
        "sender=<a@example.org> recipients=<b@example.net>,<c@example.net> took=0.0031 spf=pass dmarc=pass dkim=none "
        "rate=1.0/5"
    )


@pytest.mark.parametrize(
    "selector, line",
    [  # as a live Exim writes them; it counts the Received: field, too, that it adds
        ("", "<= a@example.org H=(h) [192.0.2.1] P=esmtp S=75 id=m@x"),
        (
            "+incoming_port +incoming_interface",
            "<= a@example.org H=(h) [192.0.2.1]:4321 I=[192.0.2.25]:25 P=esmtp S=75 id=m@x",
        ),
        (
            "+subject +received_sender +received_recipients",
            r'<= a@example.org H=(h) [192.0.2.1] P=esmtp S=75 id=m@x T="hi \"q\" \\ there" from <a@example.org> '
            "for b@example.net c@example.net",
        ),
    ],
)
def test_exims_line_for_a_message(selector, line):
    found = talk(selector)
    assert decided(found, "data", message(found, *FIELDS)).arrival() == line


def test_exims_line_for_a_bounce_of_an_authenticated_client():
    found = talk("+received_sender")
    found.macros.update(auth_type="PLAIN", auth_authen="joe")
    found.mail("<>")
    found.rcpt("<b@example.net>")
    assert arrival(found.tx) == "<= <> H=(h) [192.0.2.1] P=esmtpa A=PLAIN:joe S=0 from <>"


def test_the_balancer():
    proxy = Proxy("10.0.0.1", 25, "203.0.113.5", 25)
    found = talk(proxy=proxy, source="proxy_v2")
    decision = decided(found, "mail", found.mail("<bad@example.org>"))
    assert (decision.facts()["source"], decision.facts()["proxy"]) == ("proxy_v2", "10.0.0.1")
    assert "PRX" not in decision.line()
    found = talk("+proxy", proxy=proxy, source="proxy_v2")
    assert " source=proxy_v2 PRX=10.0.0.1 " in decided(found, "mail", found.mail("<bad@example.org>")).line()


@pytest.mark.parametrize(
    "text", ["x verdict=ok", 'x" verdict="ok', 'x\\" verdict=ok', "x=y", "x\\", "", "\xe9", "a" * 1000, '"' * 1000]
)
def test_nobody_can_forge_a_field(text):
    """Whatever a client says, a reader who knows quotes finds the same names, and the text itself."""
    found = talk()
    found.connection.helo = text
    found.mail(f'<"{text}"@example.org>')
    line = decided(found, "rcpt", found.rcpt("<nobody@example.net>")).line()
    read = dict(word.split("=", 1) for word in shlex.split(line))
    names = [
        "id",
        "client",
        "phase",
        "verdict",
        "reply",
        "where",
        "source",
        "helo",
        "sender",
        "recipients",
        "took",
        "rate",
    ]
    assert list(read) == [name for name in names if text or name != "helo"]
    assert read["verdict"] == "fail"
    assert read.get("helo", "") == (text if len(text) <= 250 else f"{text[:250]}...")
    assert len(line) < 2000


def test_many_recipients():
    found = talk()
    found.mail("<a@example.org>")
    for number in range(50):
        found.rcpt(f"<{number}@example.net>")
    assert len(decided(found, "data", found.end_of_message()).facts()["recipients"]) == 20


# -- a daemon's


def lines(daemon, path):
    """What its log has of decisions and arrivals after one refusal."""
    wait_until(lambda: path.exists() and " workers at " in path.read_text(), "workers")
    with MilterClient(daemon.socket) as mta:
        mta.connect()
        mta.helo(b'h" verdict=ok\n<1>forged')
        mta.mail(b"<a@example.org>")
    wait_until(lambda: "a@example.org" in path.read_text(), "the line")
    return path.read_text().splitlines()


def test_a_daemon_that_writes_objects(start):
    daemon = start(log_format="json")
    objects = [json.loads(line) for line in lines(daemon, daemon.directory / "log")]
    (decision,) = [found for found in objects if found["event"] == "decision"]
    assert decision["helo"] == 'h" verdict=ok\n<1>forged'
    assert (decision["client"], decision["verdict"], decision["reply"]) == ("192.0.2.1", "fail", "550 first")
    assert re.fullmatch("[a-z2-7]{8}", decision["explanation"])
    texts = [found["text"] for found in objects if found["event"] == "line" and found["log"] == "main"]
    assert any("rejected MAIL <a@example.org>" in text for text in texts)


def test_a_daemon_that_writes_exims_lines(start, tmp_path):
    path = tmp_path / "mainlog"
    daemon = start(log_format="exim", log_file=path, log_selector="+millisec +incoming_port")
    found = [line for line in lines(daemon, path) if "a@example.org" in line]
    stamp, _, line = found[0].partition(" H=")
    assert re.fullmatch(r"[-0-9]{10} [0-9:]{8}\.[0-9]{3}", stamp)
    assert line == (r'client.example (h" verdict=ok\n<1>forged) [192.0.2.1]:40000 rejected MAIL <a@example.org>: first')
    assert len(found) == 1
    assert daemon.log() == ""


# -- the page

PAGE = (Path(__file__).parents[2] / "docs" / "logging.md").read_text()


def block(language):
    """The first example in that language."""
    return re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]


@pytest.mark.parametrize("form", ["policyd", "exim", "json"])
def test_the_page_shows_what_is_written(form, monkeypatch):
    reader, writer = os.pipe()
    journal = Journal(writer, journald=True)
    journal.settle(Style(form))
    monkeypatch.setattr("policyd.journal.time", SimpleNamespace(**vars(time) | {"time": lambda: 1772366400.25}))
    services = replace(World(ZONE).services, log=journal)
    found = Conversation(load(block("conf")), services)
    found.connect(Client(ip_address("192.0.2.1")))
    found.helo("mail.example.com")
    journal.decided(decided(found, "mail", found.mail("<a@example.com>")))
    found.mail("<a@example.org>")
    found.macros["i"] = "4XyZ"
    found.rcpt("<b@example.net>")
    found.header("Message-ID", b" <m@example.org>")
    journal.decided(decided(found, "data", found.end_of_message()))
    os.close(writer)
    with open(reader) as file:
        written = [line[3:] for line in file]
    assert written == block(form).splitlines(keepends=True)


def test_the_page_names_all_there_is():
    names = set(re.findall(r"`([a-z_]+)`", PAGE.partition("## log_selector")[2].partition("##")[0]))
    assert HEEDED - {"all"} <= names
    table = PAGE.partition("| name | what |")[2].partition("##")[0]
    found = talk(proxy=Proxy("10.0.0.1"))
    shown = decided(found, "data", message(found, *FIELDS)).facts().keys() | {"explanation"}
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))) == {
        *(shown - {"proxy"}),
        "PRX",
    }
