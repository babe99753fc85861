"""Mail that policyd sends itself: prepared and handed to an SMTP server by a thread of its own.

Nobody waits for it: what does not get away is logged, and lost.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Protocol

from policyd.journal import report

MAX_WAITING = 100  # jobs; the next one is dropped
TIMEOUT = 30.0  # seconds, for each answer of the server

Write = Callable[[str, str], None]
"""A line for a log: ``main`` or ``panic``, and its text."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. *sender*: of the envelope, empty for the null sender. *data*: lines end with CRLF."""

    sender: str
    recipient: str
    data: bytes


Job = Callable[[], Iterable[Letter]]
"""Whatever it takes to write letters; runs in the outbox's thread."""


class Outbox(Protocol):
    """Where jobs go."""

    def put(self, job: Job) -> bool:
        """Have a job done, some time; whether there is a chance of it. Never waits."""

    def close(self, patience: float) -> None:
        """Wait until everything has been sent, but no longer than *patience* seconds."""


class NoOutbox:
    """Sends nothing: for commands and tests."""

    def put(self, job: Job) -> bool:
        """Nothing."""
        return False

    def close(self, patience: float) -> None:
        """Nothing."""


class SmtpOutbox:
    """Sends by *server*, ``HOST:PORT`` or ``[IPV6]:PORT``, greeting it as *helo*.

    The thread begins with the first job: not before a fork.
    """

    def __init__(self, server: str, helo: str, write: Write) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host.strip("[]"), int(port))
        self._helo = helo
        self._write = write
        self._jobs: queue.Queue[Job] = queue.Queue(MAX_WAITING)
        self._lock = Lock()
        self._thread: Thread | None = None

    def put(self, job: Job) -> bool:
        """Have a job done. False when too many are waiting: this one is dropped."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            self._write("main", "too many messages of our own wait to be sent: one more is dropped")
            return False
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._work, name="outbox", daemon=True)
                self._thread.start()
        return True

    def close(self, patience: float) -> None:
        """Wait until everything has been sent, but no longer than *patience* seconds."""
        deadline = time.monotonic() + patience
        while self._jobs.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.02)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                for letter in job():
                    self._send(letter)
            except Exception as error:  # whatever it is, the next job is another one
                report(self._write, "sending mail of our own", error)
            finally:
                self._jobs.task_done()

    def _send(self, letter: Letter) -> None:
        import smtplib  # rarely needed

        try:
            with smtplib.SMTP(*self._server, local_hostname=self._helo, timeout=TIMEOUT) as server:
                server.sendmail(letter.sender, [letter.recipient], letter.data)
        except (OSError, smtplib.SMTPException) as error:
            self._write("main", f"mail of our own to {letter.recipient} was not sent: {error}")
