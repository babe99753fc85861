"""``verify = arc``, its variables, and trust in those who seal."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import dkim
import pytest
from parts import exchange
from parts.signing import Records, parted, rsa

import policyd
from policyd.conversation import Conversation, Reply
from policyd.errors import PolicyError
from policyd.language.verdict import Outcome
from policyd.transaction import Client

KEY = rsa(2048)
MESSAGE = b"From: a@a.test\r\nTo: b@b.test\r\nSubject:  hello\r\n\r\nHello  there. \r\n\r\n"
RECORDS = {f"s._domainkey.{domain}": f"p={KEY.public}" for domain in ("b.test", "c.test")}


def sealed(message: bytes, domain: str, found: str = "pass") -> bytes:
    seen = f"Authentication-Results: {domain}; dmarc=pass header.from=a.test; arc={found}\r\n".encode()
    return b"".join(dkim.arc_sign(seen + message, b"s", domain.encode(), KEY.private, domain.encode())) + message


ONE = sealed(MESSAGE, "b.test", "none")
TWO = sealed(ONE, "c.test")
LIST = sealed(ONE.replace(b"Subject:  hello", b"Subject: [list] hello"), "c.test")
BROKEN = TWO + b"footer\r\n"
LOG = "logwrite = $arc_state|$arc_state_reason|$arc_domains|$arc_oldest_pass|$arc_trusted"


class World(exchange.World):
    """Policies as text, and messages put to them."""

    def __init__(self) -> None:
        super().__init__()
        self.records = Records(RECORDS)
        self.services = replace(self.services, resolver=self.records)

    def talk(self, policy: str) -> Conversation:
        talk = Conversation(exchange.load(policy), self.services)
        talk.connect(Client(ip_address("192.0.2.1")))
        talk.mail("<a@a.test>")
        talk.rcpt("<b@b.test>")
        talk.predata()
        return talk

    def judge(self, statements: str, message: bytes, options: str = "") -> Reply:
        talk = self.talk(f"{options}begin acl\nacl_check_data:\n{statements}\n")
        fields, body = parted(message)
        for name, value in fields:
            talk.header(name, value.encode("latin-1"))
        talk.end_of_headers()
        for start in range(0, len(body), 3):
            talk.body(body[start : start + 3])
        return talk.end_of_message()


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("message", "states", "holds"),
    [
        (ONE, "", True),
        (ONE, "/pass", True),
        (ONE, "/none:fail", False),
        (ONE, "/ FAIL : Pass ", True),
        (TWO, "", True),
        (BROKEN, "", False),
        (BROKEN, "/fail", True),
        (BROKEN, "/none:fail", True),
        (BROKEN, "/temperror", False),
        (MESSAGE, "", False),
        (MESSAGE, "/none", True),
        (MESSAGE, "/pass:none", True),
    ],
)
def test_states(world: World, message: bytes, states: str, holds: bool) -> None:
    assert (world.judge(f"  accept verify = arc{states}\n  deny", message).outcome is Outcome.OK) is holds
    assert (world.judge(f"  accept !verify = arc{states}\n  deny", message).outcome is Outcome.OK) is not holds


@pytest.mark.parametrize(
    ("records", "states", "holds"),
    [
        (None, "/temperror", True),
        (None, "/fail", True),  # Exim's word for it
        (None, "/pass:none", False),
        ([], "/temperror", False),
        ([], "/fail", True),
    ],
)
def test_trouble_with_keys(world: World, records: list[str] | None, states: str, holds: bool) -> None:
    world.records.texts = RECORDS | {"s._domainkey.b.test": records}
    assert (world.judge(f"  accept verify = arc{states}\n  deny", TWO).outcome is Outcome.OK) is holds


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        (MESSAGE, "none|||0|no"),
        (ONE, "pass||b.test|1|no"),
        (TWO, "pass||b.test:c.test|1|no"),
        (LIST, "pass||b.test:c.test|2|no"),
        (BROKEN, "fail|message signature 2: the body has changed|b.test:c.test|0|no"),
        (b"ARC-Seal: x\r\n" + MESSAGE, "fail|not a tag, or the second of its name: x||0|no"),
    ],
)
def test_variables(world: World, message: bytes, logged: str) -> None:
    world.judge(f"  warn {LOG}\n  warn verify = arc\n  accept {LOG}", message)
    assert world.logged == ["||" + "|0|no", logged]


@pytest.mark.parametrize(
    ("sealers", "message", "trusted"),
    [
        ("c.test", TWO, "yes"),
        ("b.test", TWO, "no"),  # not the newest
        ("b.test", ONE, "yes"),
        ("*.test", TWO, "yes"),
        ("+sealers", TWO, "yes"),
        ("!c.test : *", TWO, "no"),
        ("c.test", BROKEN, "no"),
        ("c.test", MESSAGE, "no"),
        ("", TWO, "no"),
    ],
)
def test_trust(world: World, sealers: str, message: bytes, trusted: str) -> None:
    options = f"arc_trusted_sealers = {sealers}\ndomainlist sealers = x.test : c.test\n"
    world.judge("  warn verify = arc\n  accept logwrite = $arc_trusted", message, options)
    assert world.logged == [trusted]


def test_what_they_saw(world: World) -> None:
    world.judge("  warn verify = arc\n  accept logwrite = $arc_results", LIST)
    assert world.logged == ["c.test;\\n dmarc=pass header.from=a.test;\\n arc=pass"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (TWO, "arc=pass header.oldest-pass=0"),  # RFC 8617 5.2, step 5: all of them
        (LIST, "arc=pass header.oldest-pass=2"),
        (BROKEN, "arc=fail (message signature 2: the body has changed)"),
        (MESSAGE, "arc=none"),
    ],
)
def test_authresults(world: World, message: bytes, field: str) -> None:
    world.judge("  warn verify = arc\n  accept logwrite = ${authresults{mx.test}}", message)
    assert world.logged == [f"Authentication-Results: mx.test;\\n\t{field}"]


def test_authresults_without_being_asked(world: World) -> None:
    world.judge("  accept logwrite = ${authresults{mx.test}}", TWO)
    assert world.logged == ["Authentication-Results: mx.test; none"]
    assert world.records.asked == []


def test_why_it_is_refused(world: World) -> None:
    world.judge("  require verify = arc\n  accept", BROKEN)
    assert world.logged[-1].endswith("rejected after DATA: ARC fail: message signature 2: the body has changed")


@pytest.mark.parametrize(
    "statements", ["  accept verify = arc/good", "  accept verify = arc/", "  accept verify = arc = pass"]
)
def test_wrong_states(world: World, statements: str) -> None:
    with pytest.raises(PolicyError, match=r"arc|state"):
        world.judge(statements, ONE)


def test_where_it_may_not_stand(world: World) -> None:
    with pytest.raises(PolicyError, match="arc"):
        world.talk("begin acl\nacl_check_rcpt:\n  accept verify = arc\n")


def test_wrong_sealers(world: World) -> None:
    with pytest.raises(PolicyError, match="nosuch"):
        world.talk("arc_trusted_sealers = +nosuch\nbegin acl\nacl_check_data:\n  accept verify = arc\n")


def test_a_policy_pays_for_what_it_asks(world: World) -> None:
    world.judge("  accept", TWO)
    assert world.records.asked == []
    assert not [entry for entry in world.counts.events if entry[0] == "arc_results_total"]


def test_text_that_is_only_found_while_mail_flows(world: World) -> None:
    reply = world.judge("  accept set acl_m_what = accept verify = arc\n         acl = $acl_m_what", TWO)
    assert reply.outcome is Outcome.ERROR
    assert "ARC is used only in text" in world.logged[-1]


def test_dkim_and_arc_share_what_they_hash(world: World) -> None:
    message = dkim.sign(TWO, b"s", b"b.test", KEY.private, canonicalize=(b"relaxed", b"relaxed")) + TWO
    world.judge("  accept dkim_status = pass\n         verify = arc\n         logwrite = both", message)
    assert world.logged == ["both"]


@pytest.mark.parametrize(
    ("message", "statements", "lines"),
    [
        (TWO, "  warn verify = arc", 'arc 0\narc_policy 0 json:[{"i":1,"d":"b.test","s":"s","ip":""},'
         '{"i":2,"d":"c.test","s":"s","ip":""}]\n'),
        (BROKEN, "  warn verify = arc", 'arc 7\narc_policy 2 json:[{"i":1,"d":"b.test","s":"s","ip":""},'
         '{"i":2,"d":"c.test","s":"s","ip":""}]\n'),
        (MESSAGE, "  warn verify = arc", "arc 6\narc_policy 1 json:[]\n"),
        (TWO, "  warn condition = ${if eq{$arc_state}{}}", "arc 11\narc_policy 1 json:[]\n"),
    ],
)  # fmt: skip
def test_the_history_of_dmarc(world: World, tmp_path: Path, message: bytes, statements: str, lines: str) -> None:
    """What was found before DMARC was evaluated is in it."""
    world.records.texts = {**RECORDS, "_dmarc.a.test": "v=DMARC1; p=none"}
    history = tmp_path / "history"
    world.judge(f"{statements}\n  accept dmarc_status = *", message, f"dmarc_history_file = {history}\n")
    assert history.read_text().endswith(lines)


@pytest.mark.parametrize(
    ("message", "sealers", "counted"),
    [(TWO, "c.test", ("pass", "true")), (TWO, "x.test", ("pass", "false")), (BROKEN, "c.test", ("fail", "false"))],
)
def test_metrics(world: World, message: bytes, sealers: str, counted: tuple[str, str]) -> None:
    world.judge("  warn verify = arc\n  accept verify = arc", message, f"arc_trusted_sealers = {sealers}\n")
    assert [entry[1:] for entry in world.counts.events if entry[0] == "arc_results_total"] == [counted]


def test_it_can_be_deleted(tmp_path: Path) -> None:
    """ARC is on its way to be history: without its two files, everything else is there."""
    package = Path(policyd.__file__).parent
    shutil.copytree(package, tmp_path / "policyd", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("checks/arc.py", "words/arc.py"):
        (tmp_path / "policyd" / file).unlink()
    policy = f"dmarc_history_file = {tmp_path}/history\nbegin acl\nacl_check_data:\n  warn dmarc_status = *\n"
    (tmp_path / "policy").write_text(policy + "       authresults = mx.test\n  accept\n")
    program = "from policyd import config, words; words.load(); print(config.load('policy').warnings)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("()\n", "")
