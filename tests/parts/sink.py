"""An SMTP server that accepts everything and keeps it: where a private Postfix delivers to."""

from __future__ import annotations

import queue
import socketserver
import threading
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from functools import partial
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message as it arrived. *data*: its octets with CRLF line ends, without the closing dot."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes

    @property
    def message(self) -> Message:
        """The parsed message."""
        return BytesParser().parsebytes(self.data)


class Sink:
    """Listens on a free port of 127.0.0.1 while the ``with`` block runs."""

    def __init__(self) -> None:
        self._messages: queue.Queue[Delivered] = queue.Queue()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), partial(_Session, self._messages))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next(self, patience: float = 30.0) -> Delivered:
        """The oldest message not yet taken; `queue.Empty` when none comes in *patience* seconds."""
        return self._messages.get(timeout=patience)

    def is_empty(self) -> bool:
        """Whether every message that came has been taken."""
        return self._messages.empty()


class _Session(socketserver.StreamRequestHandler):
    """One SMTP connection, RFC 5321 without extensions."""

    def __init__(self, messages: queue.Queue[Delivered], *connection: Any) -> None:
        self.messages = messages
        self.sender = ""
        self.recipients: list[str] = []
        super().__init__(*connection)

    def handle(self) -> None:
        self.wfile.write(b"220 sink\r\n")
        for line in self.rfile:
            reply = self._reply(line.decode("latin-1"))
            self.wfile.write(reply)
            if reply.startswith(b"221"):
                return

    def _reply(self, line: str) -> bytes:
        match line[:4].upper():
            case "MAIL":
                self.sender, self.recipients = _path(line), []
            case "RCPT":
                self.recipients.append(_path(line))
            case "DATA":
                self.wfile.write(b"354 go on\r\n")
                self.messages.put(Delivered(self.sender, tuple(self.recipients), self._content()))
            case "QUIT":
                return b"221 bye\r\n"
        return b"250 ok\r\n"

    def _content(self) -> bytes:
        """The lines up to the single dot, unstuffed."""
        lines = iter(self.rfile.readline, b".\r\n")
        return b"".join(line.removeprefix(b".") for line in lines)


def _path(line: str) -> str:
    """The address between the angle brackets of MAIL or RCPT."""
    return line.partition("<")[2].partition(">")[0]
