"""Messages as the load generator takes them: packets of the milter protocol, with macros as Postfix sends them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmark.messages import RECIPIENT, Sample

CHUNK = 65535  # octets of a body in one packet
Packet = tuple[str, bytes]


def write(path: Path, samples: Iterable[Sample]) -> None:
    """The file that ``loadgen/pack.h`` describes."""
    messages = [list(packets(sample)) for sample in samples]
    with path.open("wb") as output:
        output.write(struct.pack("<I", len(messages)))
        for message in messages:
            output.write(struct.pack("<I", len(message)))
            for kind, octets in message:
                output.write(struct.pack("<cI", kind.encode(), len(octets)) + octets)


def packets(sample: Sample) -> Iterator[Packet]:
    """Every packet of a message, and of the connection that it comes over."""
    yield from _envelope(sample)
    for name, value in sample.fields:
        yield "L", _packet("L", _strings(name, value))
        yield "l", _packet("L", _strings(name, value.removeprefix(" ")))
    queue = {"i": _queue_id(sample)}
    yield "N", _macros("N", queue) + _packet("N")
    for start in range(0, len(sample.body), CHUNK):
        yield "B", _packet("B", sample.body[start : start + CHUNK])
    yield "E", _macros("E", queue) + _packet("E")


def _envelope(sample: Sample) -> Iterator[Packet]:
    queue = {"i": _queue_id(sample)}
    client = {
        "j": "mx.bench.example",
        "{daemon_name}": "smtpd",
        "{daemon_port}": "25",
        "{daemon_addr}": "127.0.0.1",
        "v": "Postfix 3.7.11",
        "_": f"{sample.client_name} [{sample.client}]",
        "{client_addr}": sample.client,
    }
    address = f"{sample.client_name}\0004".encode() + struct.pack("!H", 20000 + sample.number)
    yield "C", _macros("C", client) + _packet("C", address + _strings(sample.client))
    session = {"{tls_version}": "TLSv1.3", "{cipher}": "TLS_AES_256_GCM_SHA384"}
    yield "H", _macros("H", session) + _packet("H", _strings(sample.helo))
    sender = {"{mail_addr}": sample.sender, "{mail_host}": sample.domain, "{mail_mailer}": "smtp"}
    mail = _strings(f"<{sample.sender}>", "SIZE=500000", "BODY=8BITMIME")
    yield "M", _macros("M", queue | sender) + _packet("M", mail)
    recipient = {"{rcpt_addr}": RECIPIENT, "{rcpt_host}": "bench.example", "{rcpt_mailer}": "local"}
    yield "R", _macros("R", queue | recipient) + _packet("R", _strings(f"<{RECIPIENT}>"))
    yield "T", _macros("T", queue) + _packet("T")


def _queue_id(sample: Sample) -> str:
    return f"4QB{sample.number:06}z"


def _macros(command: str, values: dict[str, str]) -> bytes:
    return _packet("D", command.encode() + _strings(*(text for pair in values.items() for text in pair)))


def _packet(command: str, data: bytes = b"") -> bytes:
    return struct.pack("!I", len(data) + 1) + command.encode() + data


def _strings(*texts: str) -> bytes:
    return "".join(f"{text}\0" for text in texts).encode("latin-1")
