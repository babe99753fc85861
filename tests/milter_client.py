"""The MTA's side of the milter protocol, version 6: enough to drive a real libmilter."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

ACTIONS = 0x1FF  # add, change and delete headers and recipients, quarantine, … as Postfix offers them
STEPS = 0x1FFFFF  # every step and every "no reply", as Postfix offers them
EDITS = "hi+-2bmqep"  # answers that change the message; another answer follows
SILENT = {"C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000, "T": 0x10000, "L": 0x80, "N": 0x40000, "B": 0x80000}
"""The "no reply" bit of each command that may have one."""
UNTOLD = {"H": 0x2, "M": 0x4, "R": 0x8, "T": 0x200, "L": 0x20, "N": 0x40, "B": 0x10}
"""The bit of each command that the milter need not be told."""


@dataclass(slots=True)
class MilterClient:
    """One connection from an MTA. *at*: a path, or ``(host, port)``."""

    at: str | tuple[str, int]
    actions: int = ACTIONS
    steps: int = STEPS
    timeout: float = 30.0
    edits: list[tuple[str, bytes]] = field(default_factory=list)
    wanted: bytes = b""  # what the milter negotiated: version, actions, steps, macro lists
    sock: socket.socket = field(init=False)
    _input: BinaryIO = field(init=False)

    def __enter__(self) -> MilterClient:
        self.sock = dial(self.at, self.timeout)
        self._input = self.sock.makefile("rb")
        self.send("O", struct.pack("!III", 6, self.actions, self.steps))
        kind, self.wanted = self.receive()
        assert kind == "O"
        return self

    def __exit__(self, *_: object) -> None:
        self._input.close()
        self.sock.close()

    def send(self, command: str, data: bytes = b"") -> None:
        self.sock.sendall(struct.pack("!I", len(data) + 1) + command.encode() + data)

    def receive(self) -> tuple[str, bytes]:
        (length,) = struct.unpack("!I", self._exactly(4))
        packet = self._exactly(length)
        return chr(packet[0]), packet[1:]

    def _exactly(self, count: int) -> bytes:
        """Read as MTAs do, through a buffer: how much is read at once decides when TCP acknowledges it."""
        data = self._input.read(count)
        if len(data) < count:
            raise ConnectionError("the milter closed the connection")
        return data

    def ask(self, command: str, data: bytes = b"") -> str:
        """The final answer: ``continue``, ``discard`` …, or the reply line(s). Edits gather in *edits*."""
        steps = struct.unpack("!I", self.wanted[8:12])[0]
        if steps & UNTOLD.get(command, 0):
            return "continue"
        self.send(command, data)
        if steps & SILENT.get(command, 0):
            return "continue"
        while (answer := self.receive())[0] in EDITS:
            self.edits.append(answer)
        words = {"c": "continue", "r": "reject", "t": "tempfail", "d": "discard", "a": "accept"}
        return words.get(answer[0]) or answer[1].rstrip(b"\0").decode("latin-1")

    def macros(self, command: str, **values: str) -> None:
        """What the MTA tells before *command*; names longer than one letter get their braces."""
        pairs = [(name if len(name) == 1 else f"{{{name}}}", value) for name, value in values.items()]
        text = "".join(f"{name}\0{value}\0" for name, value in pairs)
        self.send("D", command.encode() + text.encode("latin-1"))

    def connect(self, address: str = "192.0.2.1", port: int = 40000, name: str = "client.example") -> str:
        family = "6" if ":" in address else "4"
        packet = f"{name}\0{family}".encode() + struct.pack("!H", port) + f"{address}\0".encode()
        return self.ask("C", packet)

    def helo(self, name: bytes = b"client.example") -> str:
        return self.ask("H", name + b"\0")

    def mail(self, *words: bytes) -> str:
        return self.ask("M", b"".join(word + b"\0" for word in words))

    def rcpt(self, *words: bytes) -> str:
        return self.ask("R", b"".join(word + b"\0" for word in words))

    def header(self, name: bytes, value: bytes) -> str:
        return self.ask("L", name + b"\0" + value + b"\0")

    def message(self, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> str:
        """DATA, the headers, the body, and the answer to its end."""
        answer = self.ask("T")
        if answer != "continue":
            return answer
        for name, value in headers:
            self.header(name, value)
        self.ask("N")
        for start in range(0, len(body), 65535):
            self.ask("B", body[start : start + 65535])
        return self.ask("E")


def dial(at: str | tuple[str, int], timeout: float) -> socket.socket:
    """A connected socket."""
    if isinstance(at, tuple):
        sock = socket.create_connection(at, timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an MTA writes several packets at once
        return sock
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    sock.connect(at)
    return sock
