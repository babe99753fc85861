"""A Postfix that policyd advises: what is sent to it, and what becomes of it."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass

from parts.daemon import Policyd
from parts.postfix import Postfix
from parts.sink import Sink


@dataclass
class Mail:
    """Sends and receives."""

    postfix: Postfix
    sink: Sink
    policyd: Policyd

    def send(
        self, message: bytes, client: str = "192.0.2.1", sender: str = "a@reject.test", rcpt: str = "bob@here.test"
    ) -> tuple[int, str]:
        """The reply at the end of the message, its text on one line."""
        with self.postfix.client(client) as smtp:
            smtp.ehlo("client.test")
            smtp.mail(sender)
            smtp.rcpt(rcpt)
            try:
                code, text = smtp.data(message)
            except smtplib.SMTPResponseException as error:
                code, text = error.smtp_code, error.smtp_error
            return code, " ".join(text.decode().replace("\n5.7.1", "").split())

    def held(self) -> str:
        """The text of the one message on hold, which is then deleted."""
        (entry,) = [entry for entry in self.postfix.queue() if entry["queue_name"] == "hold"]
        message = self.postfix.queued_message(entry["queue_id"])
        self.postfix.delete(entry["queue_id"])
        return message
