"""One session put to policyd, and how its transcript is compared with Exim's.

`EXPLAINED` is every difference that may be between the two, with its reason.
What concerns policies is a row of docs/differences-from-exim.md as well.
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

REPLIES = (  # what to look for, what to take it for, and why
    (r"\n(2\d\d)-(.*)(?=\n\1-SIZE)", r"\n\1 \2", "an MTA tells its extensions, policyd session has none"),
    (rf"\n2\d\d-{EXTENSION}( .*)?(?=\n)", "", "the same"),
    (r"\n2\d\d HELP(?=\n)", "", "the same"),
    (r"\n\n\*\*\*\* SMTP testing: that is not a real message id!\n", "", "a remark of exim -bh"),
    (r"(\n421[- ].*)+\n+\Z", "\n", "Exim sees the connection end, and can still say something: a milter cannot"),
    (r"(?<=\n220 mx.example.org ESMTP ).*", "", "name and version"),
    (r"(?<=\n250 OK id=).*", "", "message ids"),
    (r"root@example.org", "", "to Exim, who called it is the sender until the first MAIL"),
    (r"(?<=\n503 )V(?=alid RCPT command must precede DATA)", "v", "depends on PIPELINING"),
)
LOG = (
    (r"(?<=\n)[A-Za-z0-9]{6}-[A-Za-z0-9]{6}-[A-Za-z0-9]{2} ", "", "message ids: policyd shows the MTA's queue id"),
    (
        r"(?<=\n)(<=|=>|Completed|unexpected disconnection|SMTP connection from .* lost).*\n",
        "",
        "arrival, delivery and lost connections are the MTA's",
    ),
    (r" \([^ ]*:[0-9]+\)", "", "policyd says where in the policy a mistake is"),
    (r"(?<=returned ERROR: )NULL", "", "there is no reason"),
    (r"(?<=condition test deferred: two)\\nlines", "", "Exim writes a line end into its log"),
    (r"root@example.org|(?<=sl=)root(?= )|(?<= sd=)example.org", "", "to Exim, who called it is the sender until MAIL"),
    (
        r".*( discarded by MAIL ACL|after DATA: discarded by DATA ACL).*\n",
        "",
        "logged when it happens; Exim: per recipient",
    ),
    (r"(?<=X-A: folded)(\\n)+", r"\\n", "Exim doubles the line end in $headers_added"),
    (r"(?<=size=)(0|-1)(?=\n)", "", "$message_size is 0 in Exim until the first HELO"),
    (r"Received: from \[192.0.2.1\] \(helo=.*?\+0000\\n", "", "Exim's own Received field, which a milter never sees"),
    (r"\\n may not follow", " may not follow", "the line end behind a header field is not part of its address"),
    (r"\\[2-3][0-7]{2}|[\x80-\xff]", "?", "octets above 127: Exim's log has them in octal"),
    (r"no (host name found for IP address|IP address found for host) .*\n", "", "policyd logs no lookup that failed"),
)
EXPLAINED = {"replies": REPLIES, "log": LOG}

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
