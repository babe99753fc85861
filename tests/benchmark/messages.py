"""The messages of the benchmark: 200 of 4, 40 and 400 KB, most of them signed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import dkim
from benchmark.domains import ED25519, RSA, Domain
from parts.signing import Pair, parted

RECIPIENT = "user@bench.example"
PROSE = (
    "the quick brown fox jumps over lazy dog invoice order account meeting schedule report quarterly project update "
    "customer please find attached regards team delivery shipment confirm payment review details question answer"
)
SIGNED = b"from to subject date message-id mime-version content-type reply-to list-unsubscribe list-id".split()
SIZES = [4_000] * 120 + [40_000] * 60 + [400_000] * 20
KINDS = ["good"] * 160 + ["broken"] * 20 + ["forged"] * 20  # broken: changed after signing; forged: from a stranger

HEADER = """\
Received: from app.int.{d} (app.int.{d} [10.1.2.3])
\tby mail.{d} (Postfix) with ESMTPSA id 4F{i:05X}A
\tfor <{to}>; Fri, 20 Nov 2026 10:00:11 +0000 (UTC)
Received: from worker (localhost [127.0.0.1])
\tby app.int.{d} (Postfix) with ESMTP id 3C{i:05X}B;
\tFri, 20 Nov 2026 10:00:09 +0000 (UTC)
Date: Fri, 20 Nov 2026 10:00:08 +0000
From: "Sender {i}" <user{i}@{author}>
To: "Recipient, The" <{to}>
Reply-To: reply+{i}@{d}
Message-ID: <{i:08x}.5f3a@{d}>
Subject: Message {i}: the quarterly report of the project team, with details of
 the delivery and an answer to every question
MIME-Version: 1.0
Content-Type: {type}
Content-Transfer-Encoding: 7bit
X-Mailer: mailer 1.0
X-Campaign: c-{i:016x}
List-Unsubscribe: <https://{d}/u/{i:020x}>,
 <mailto:unsubscribe-{i}@{d}>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
List-Id: <list.{d}>
Feedback-ID: {i}:bench
Precedence: bulk
"""


@dataclass(frozen=True)
class Sample:
    """A message and the envelope it comes in. *fields* as a milter is given them."""

    number: int
    kind: str
    size: int  # nominal
    client: str
    client_name: str
    helo: str
    sender: str
    fields: list[tuple[str, str]]
    body: bytes

    @property
    def domain(self) -> str:
        return self.sender.partition("@")[2]


def samples(senders: Sequence[Domain]) -> list[Sample]:
    """One message of every domain; sizes and kinds are dealt out independently."""
    chance = Random(20261120)
    sizes, kinds = chance.sample(SIZES, len(SIZES)), chance.sample(KINDS, len(KINDS))
    return [sample(*each, chance) for each in zip(senders, kinds, sizes, strict=True)]


def sample(domain: Domain, kind: str, size: int, chance: Random, more: str = "", author: str = "") -> Sample:
    """A message of *domain*. *more*: header fields in front of its own; *author*: a subdomain, where From: is there."""
    kind_of_body, body = _body(size, chance)
    values = {"d": domain.name, "i": domain.number, "to": RECIPIENT, "type": kind_of_body}
    values["author"] = f"{author}.{domain.name}" if author else domain.name
    message = f"{more}{HEADER.format(**values)}\n{body}".replace("\n", "\r\n").encode()
    if kind != "forged":
        message = b"".join([*signatures(message, domain), message])
    if kind == "broken":
        message = _changed(message, len(body) // 2)
    stranger = kind == "forged"
    return Sample(
        domain.number,
        kind,
        size,
        domain.stranger if stranger else domain.address,
        f"pool-{domain.number}.senders.example" if stranger else f"mail.{domain.name}",
        f"mail.{domain.name}",
        f"bounce-{domain.number}@{domain.name}",
        *parted(message),
    )


def signatures(message: bytes, domain: Domain, number: int = 1) -> list[bytes]:
    """The fields: *number* of RSA, and one of Ed25519 if the domain has such a key."""
    made = [_signature(message, domain, RSA, domain.rsa, f"s{each}" * bool(each)) for each in range(number)]
    if domain.ed25519:
        made.append(_signature(message, domain, ED25519, domain.ed25519))
    return made


def _signature(message: bytes, domain: Domain, selector: str, pair: Pair, user: str = "") -> bytes:
    """By *user* of the domain, which makes it another one."""
    body_method = b"relaxed" if domain.number % 4 else b"simple"
    algorithm = b"ed25519-sha256" if selector == ED25519 else b"rsa-sha256"
    signature: bytes = dkim.sign(
        message,
        selector.encode(),
        domain.name.encode(),
        pair.private,
        identity=f"{user}@{domain.name}".encode(),
        canonicalize=(b"relaxed", body_method),
        include_headers=SIGNED,
        signature_algorithm=algorithm,
    )
    return signature


def _changed(message: bytes, before_end: int) -> bytes:
    """One letter of the body is another one."""
    at = len(message) - before_end
    while not message[at : at + 1].isalnum():
        at += 1
    return message[:at] + (b"Z" if message[at : at + 1] != b"Z" else b"Y") + message[at + 1 :]


def _body(size: int, chance: Random) -> tuple[str, str]:
    """Its type and text: prose; the largest are mostly an attachment, as large messages are."""
    if size <= 100_000:
        return "text/plain; charset=utf-8", prose(size - 1_400, chance)
    attachment = base64.encodebytes(chance.randbytes(int(size * 0.72))).decode()
    parts = (
        f"--=_b\nContent-Type: text/plain; charset=utf-8\n\n{prose(3_000, chance)}\n"
        f"--=_b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n{attachment}\n--=_b--\n"
    )
    return 'multipart/mixed; boundary="=_b"', parts


def prose(size: int, chance: Random) -> str:
    """About so many octets, in lines and paragraphs."""
    lines, line, length = [], "", 0
    words = PROSE.split()
    while length < size:
        word = chance.choice(words)
        if len(line) + len(word) > 70:
            lines.append(f"{line}\n" if chance.random() < 0.08 else line)
            length += len(lines[-1]) + 2
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line, ""])
