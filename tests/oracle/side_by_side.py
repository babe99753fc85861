"""One session put to policyd, and how its transcript is compared with Exim's.

`REPLIES` and `LOG` are every difference that may be between the two. Each is a
row of "Sessions" in docs/differences-from-exim.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from policyd import config, words
from policyd.cli.dialogue import Dialogue
from policyd.conversation import Conversation
from policyd.metrics import NoMetrics
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

HOSTNAME = "mx.example.org"
EXTENSION = r"(PRDR|SIZE|8BITMIME|PIPELINING|PIPECONNECT|CHUNKING|STARTTLS|SMTPUTF8)"

REPLIES = (  # what to look for, what to take it for, and words of the row that explains it
    (r"\n(2\d\d)-(.*)(?=\n\1-SIZE)", r"\n\1 \2", "lists extensions"),
    (rf"\n2\d\d-{EXTENSION}( .*)?(?=\n)", "", "lists extensions"),
    (r"\n2\d\d HELP(?=\n)", "", "lists extensions"),
    (r"\n\n\*\*\*\* SMTP testing: that is not a real message id!\n", "", "a message id is not real"),
    (r"(\n421[- ].*)+\n+\Z", "\n", "is sent a 421"),
    (r"(?<=\n220 mx.example.org ESMTP ).*", "", "the greeting tells the version"),
    (r"(?<=\n250 OK id=).*", "", "the greeting tells the version"),
    (r"root@example.org", "", "until the first MAIL"),
    (r"(?<=\n503 )V(?=alid RCPT command must precede DATA)", "v", "valid RCPT command must precede DATA"),
)
LOG = (
    (r"(?<=\n)[A-Za-z0-9]{6}-[A-Za-z0-9]{6}-[A-Za-z0-9]{2} ", "", "begin with its id"),
    (
        r"(?<=\n)(<=|=>|Completed|unexpected disconnection|SMTP connection from .* lost).*\n",
        "",
        "arrivals, deliveries and connections",
    ),
    (r" \([^ ]*:[0-9]+\)", "", "without its place"),
    (r"(?<=returned ERROR: )NULL", "", "`NULL` is logged"),
    (r'(?m)(incorrect digit \(expected .\) in "[^\n]*?)(\\n[^\n]*|"|)$', r"\1", "breaks the line of the log"),
    (r"(?m)(discarded by RCPT ACL: [^\n]*?)\\n[^\n]*$", r"\1", "breaks the line of the log"),
    (r"(?<=condition test deferred: two)\\nlines", "", "breaks the line of the log"),
    (r"root@example.org|(?<=sl=)root(?= )|(?<= sd=)example.org", "", "until the first MAIL"),
    (r".*( discarded by MAIL ACL|after DATA: discarded by DATA ACL).*\n", "", "for each recipient that DATA or MAIL"),
    (r"(?<=X-A: folded)(\\n)+", r"\\n", "`$headers_added`"),
    (r"(?<=size=)(0|-1)(?=\n)", "", "`$message_size`"),
    (r"Received: from \[192.0.2.1\] \(helo=.*?\+0000\\n", "", "the Received field that Exim adds"),
    (r"\\n may not follow", " may not follow", "`verify = header_syntax`"),
    (r"\\[2-3][0-7]{2}|[\x80-\xff]", "?", "octets above 127"),
    (r"no (host name found for IP address|IP address found for host) .*\n", "", "a client without a name"),
)

Rules = tuple[tuple[str, str, str], ...]


class Lines:
    """A log that remembers its lines once, whatever logs they went to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._targets: set[str] = set()

    def write(self, target: str, text: str) -> None:
        if not self.lines or text != self.lines[-1] or target in self._targets:
            self.lines.append(text)
            self._targets.clear()
        self._targets.add(target)


def policyd(path: Path, dialogue: str, client: str = "192.0.2.1") -> tuple[list[str], list[str]]:
    """What policyd says to *dialogue*, and its log."""
    words.load()
    policy = config.load(path)
    log, answers = Lines(), list[str]()
    services = Services(ZoneResolver(), MemoryStore(), NoMetrics(), log, sleep=lambda _: None)
    lines = dialogue.encode("latin-1").splitlines(keepends=True)
    Dialogue(Conversation(policy, services), HOSTNAME, lines, answers.append).run(Client(ip_address(client)))
    return answers, log.lines


def replies(lines: Iterable[str]) -> list[str]:
    """Replies, without what is explained."""
    return _normal(lines, REPLIES)


def log(lines: Iterable[str]) -> list[str]:
    """Log lines, without what is explained."""
    return _normal(lines, LOG)


def _normal(lines: Iterable[str], rules: Rules) -> list[str]:
    text = "".join(f"\n{line}" for line in lines) + "\n"
    for pattern, replacement, _ in rules:
        text = re.sub(pattern, replacement, text)
    return text.strip("\n").split("\n")
