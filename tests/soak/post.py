"""Mail through a real Postfix to the sink behind it: what was promised to the sender, and what has arrived."""

from __future__ import annotations

import queue
import re
import smtplib
import threading
import time
from collections import Counter
from typing import Self

from soak.tally import End, Tally
from soak.traffic import PATIENCE
from soak.world import World

MESSAGES = 5  # of one connection
PAUSE = 0.2  # seconds between messages of one of the senders
SENDERS = 2
DELIVERY = 90.0  # seconds until everything has left the queue
TOKEN = re.compile(rb"soak-(\d+-\d+)@")
UNAVAILABLE = "Service unavailable"  # Postfix's own word where there is no milter

GOOD, BLOCKED, UNALIGNED = "through Postfix", "through Postfix, blocked", "through Postfix, DMARC reject"
MAY = {GOOD: "accept defer", BLOCKED: "reject defer", UNALIGNED: "reject defer"}  # without a worker, Postfix defers
MAIL = {  # kind: sender, author
    GOOD: ("a@plain.soak.example", "a@plain.soak.example"),
    BLOCKED: ("a@spam.example", "a@spam.example"),
    UNALIGNED: ("a@plain.soak.example", "b@x.strict.soak.example"),
}
ORDER = (GOOD, GOOD, BLOCKED, GOOD, UNALIGNED)


class Post:
    """Clients of the Postfix of *world*, while the ``with`` block runs."""

    def __init__(self, world: World, tally: Tally) -> None:
        self._world, self._tally = world, tally
        self.promised: set[str] = set()  # what Postfix said 250 to
        self.refused: set[str] = set()
        self.arrived: Counter[str] = Counter()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(SENDERS)]
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collected = threading.Event()

    def __enter__(self) -> Self:
        for thread in (*self._threads, self._collector):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """All that is in the queue is delivered, or has had its time."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        deadline = time.monotonic() + DELIVERY
        while self._world.postfix.queue() and time.monotonic() < deadline:
            time.sleep(0.5)
        self._collected.set()
        self._collector.join()

    def _collect(self) -> None:
        while not self._collected.is_set() or not self._world.sink.is_empty():
            try:
                data = self._world.sink.next(0.2).data
            except queue.Empty:
                continue
            if found := TOKEN.search(data):
                self.arrived[found[1].decode()] += 1

    def _send(self, number: int) -> None:
        count = 0
        while not self._over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self._world.postfix.port, "soak.example", timeout=2 * PATIENCE) as smtp:
                    self._tally.connected()
                    smtp.ehlo()
                    for kind in ORDER:
                        count += 1
                        self._deliver(smtp, kind, f"{number}-{count}")
                        time.sleep(PAUSE)
            except (OSError, smtplib.SMTPException) as error:
                self._tally.ended(GOOD, frozenset(), time.monotonic(), End("cut", "connect", repr(error)))

    def _deliver(self, smtp: smtplib.SMTP, kind: str, token: str) -> None:
        """One message, and how it ended."""
        begun = time.monotonic()
        end = self._dialogue(smtp, kind, token)
        (self.promised if end.outcome == "accept" else self.refused).add(token)
        if end.outcome == "defer" and UNAVAILABLE in end.text:
            end = End("cut", end.phase, end.text)
        self._tally.ended(kind, frozenset(MAY[kind].split()), begun, end)
        if end.outcome != "accept":
            smtp.rset()

    def _dialogue(self, smtp: smtplib.SMTP, kind: str, token: str) -> End:
        sender, author = MAIL[kind]
        code, text = smtp.mail(sender)
        if code >= 400:
            return _refused("mail", code, text)
        code, text = smtp.rcpt("user@soak.example")
        if UNAVAILABLE not in text.decode():
            self._tally.recipient({2: "accept", 4: "defer", 5: "reject"}[code // 100])
        if code >= 400:
            return _refused("rcpt", code, text)
        message = f"From: <{author}>\r\nMessage-ID: <soak-{token}@soak.example>\r\nSubject: soak\r\n\r\nHello.\r\n"
        try:
            code, text = smtp.data(message)
        except smtplib.SMTPDataError as error:
            code, text = error.smtp_code, error.smtp_error  # type: ignore[assignment]
            return _refused("predata", code, text)
        return _refused("eom", code, text) if code >= 400 else End("accept", "eom")


def _refused(phase: str, code: int, text: bytes) -> End:
    return End("reject" if code >= 500 else "defer", phase, f"{code} {text.decode('latin-1')}")
