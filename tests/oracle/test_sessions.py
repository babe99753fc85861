"""Generated sessions, put to a live Exim and to policyd side by side."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest
from oracle.generator import Generator

from policyd import config, words
from policyd.cli.dialogue import Dialogue
from policyd.conversation import Conversation
from policyd.metrics import NoMetrics
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

CLIENT = "192.0.2.1"
SESSIONS = 320


class Lines:
    """A log that remembers its lines once, whatever logs they went to."""

    def __init__(self):
        self.lines = []
        self._targets = set()

    def write(self, target, text):
        if not self.lines or text != self.lines[-1] or target in self._targets:
            self.lines.append(text)
            self._targets.clear()
        self._targets.add(target)


def policyd(path, dialogue, client=CLIENT):
    """What policyd says to *dialogue*, and its log."""
    words.load()
    policy = config.load(path)
    log, answers = Lines(), []
    services = Services(ZoneResolver(), MemoryStore(), NoMetrics(), log, sleep=lambda _: None)
    lines = dialogue.encode("latin-1").splitlines(keepends=True)
    Dialogue(Conversation(policy, services), "mx.example.org", lines, answers.append).run(Client(ip_address(client)))
    return answers, log.lines


# -- what is not compared, each with its reason

EXTENSIONS = r"\n2\d\d-(PRDR|SIZE|8BITMIME|PIPELINING|PIPECONNECT|CHUNKING|STARTTLS|SMTPUTF8)( .*)?(?=\n)"
REPLIES = (
    (r"\n(2\d\d)-(.*)(?=\n\1-SIZE)", r"\n\1 \2"),  # the MTA answers EHLO
    (EXTENSIONS, ""),
    (r"\n2\d\d HELP(?=\n)", ""),
    (r"\n\n\*\*\*\* SMTP testing: that is not a real message id!\n", ""),
    (r"(\n421[- ].*)+\n+\Z", "\n"),  # Exim sees the end of a connection, and can still say something
    (r"(?<=\n220 mx.example.org ESMTP ).*", ""),
    (r"(?<=\n250 OK id=).*", ""),
    (r"root@example.org", ""),
    (r"(?<=\n503 )V(?=alid RCPT command must precede DATA)", "v"),
)
LOG = (
    (r"(?<=\n)[A-Za-z0-9]{6}-[A-Za-z0-9]{6}-[A-Za-z0-9]{2} ", ""),
    (r"(?<=\n)(<=|=>|Completed|unexpected disconnection).*\n", ""),
    (r" \([^ ]*:[0-9]+\)", ""),  # policyd says where a mistake is
    (r" for linear search", ""),
    (r"(?<=returned ERROR: )NULL", ""),
    (r"(?<=condition test deferred: two)\\nlines", ""),  # a line end in a line of the log
    (r"root@example.org|(?<=sl=)root(?= )|(?<= sd=)example.org", ""),  # who called Exim is the sender until MAIL
    (r".*( discarded by MAIL ACL|after DATA: discarded by DATA ACL).*\n", ""),  # Exim's, one for each recipient
    (r"(?<=added=X-A: folded)(\\n)+", r"\\n"),  # Exim doubles the line end
    (r"(?<=size=)(0|-1)(?=\n)", ""),  # 0 until the first HELO
)


def normal(lines, rules):
    text = "".join(f"\n{line}" for line in lines) + "\n"
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text.strip("\n").split("\n")


def replies(lines):
    return normal(lines, REPLIES)


def log(lines):
    return normal(lines, LOG)


@pytest.mark.parametrize("seed", range(SESSIONS))
def test_session(seed, exim, tmp_path):
    generator = Generator(seed)
    text, dialogue = generator.config(), generator.dialogue()
    path = tmp_path / "policy.conf"
    path.write_text(text)
    transcript = exim.session(text, CLIENT, dialogue)
    answers, logged = policyd(path, dialogue)
    assert replies(answers) == replies(transcript.replies.split("\n"))
    assert log(logged) == log(transcript.log)
