"""What verifying DKIM costs, beside dkimpy alone: ``python tests/benchmark/dkim_verify.py`` prints a table."""

from __future__ import annotations

import base64
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import dkim
from parts.signing import Records, ed25519, parted, rsa

from policyd.checks.canonical import BodyHashes, Fields
from policyd.checks.dkim import examine, verify
from policyd.checks.dkim_proof import Rules

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "invoice", "order", "account", "meeting"]
CHUNK = 65535  # octets that an MTA gives a milter at a time
HEADER = "".join(
    f"{name}: {value}\r\n"
    for name, value in {
        "Received": "from app1.a.test (app1.a.test [192.0.2.7])\r\n\tby mail.a.test with ESMTPSA id 4F00A1A\r\n"
        "\tfor <user@here.test>; Fri, 20 Nov 2026 10:00:11 +0000 (UTC)",
        "Date": "Fri, 20 Nov 2026 10:00:08 +0000",
        "From": '"The Sender" <user@a.test>',
        "To": '"Recipient, The" <user@here.test>',
        "Reply-To": "reply+17@a.test",
        "Message-ID": "<0000a1.5f3a@a.test>",
        "Subject": "A message of some length, with a subject that goes on\r\n and on",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "X-Mailer": "mailer 1.0",
        "List-Unsubscribe": "<https://a.test/u/5f3a>,\r\n <mailto:unsub-17@a.test>",
        "List-Id": "<list.a.test>",
    }.items()
)
SIGNED = [b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type", b"reply-to", b"list-id"]


def text(size: int, chance: random.Random) -> str:
    """So many octets of prose in lines."""
    lines, line = [], ""
    while sum(map(len, lines)) + 2 * len(lines) < size:
        word = chance.choice(WORDS)
        if len(line) + len(word) > 72:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\r\n".join(lines) + "\r\n"


def bodies() -> dict[str, str]:
    """Bodies of three sizes; the largest is mostly an attachment, as large ones are."""
    chance = random.Random(1)
    attachment = base64.encodebytes(chance.randbytes(290_000)).decode().replace("\n", "\r\n")
    return {
        "4 KB": text(3_000, chance),
        "40 KB": text(40_000, chance),
        "400 KB": text(4_000, chance) + attachment,
        "400 KB of text": text(20_000, chance) * 20,
    }


def ours(fields: list[tuple[str, str]], chunks: list[bytes], records: Records) -> None:
    """Everything that policyd does for a message."""
    header, hashes, rules = Fields(fields), BodyHashes(), Rules()
    found = examine(header, rules, time.time(), hashes)
    for chunk in chunks:
        hashes.feed(chunk)
    (outcome,) = verify(found, header, hashes, records, rules)
    assert outcome.result == "pass", outcome


def milliseconds(run: Callable[[], object], rounds: int = 7) -> float:
    """The median of several rounds of 0.1 s."""
    found = []
    for _ in range(rounds):
        number, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.1:
            run()
            number += 1
        found.append((time.perf_counter() - start) / number * 1000)
    return statistics.median(found)


def row(size: str, algorithm: str, method: str, records: Records) -> None:
    """One line of the table."""
    key = KEYS[algorithm]
    message = f"{HEADER}\r\n{bodies()[size]}".encode()
    signature = dkim.sign(
        message,
        algorithm.encode(),
        b"a.test",
        key.private,
        canonicalize=(b"relaxed", method.encode()),
        signature_algorithm=algorithm.encode(),
        include_headers=SIGNED,
    )
    fields, octets = parted(signature + message)
    chunks = [octets[at : at + CHUNK] for at in range(0, len(octets), CHUNK)]
    theirs = milliseconds(lambda: dkim.verify(signature + message, dnsfunc=records.txt))
    own = milliseconds(lambda: ours(fields, chunks, records))
    print(f"{size:16}{algorithm:16}relaxed/{method:10}{theirs:10.3f}{own:11.3f}{theirs / own:7.1f}")


KEYS = {"rsa-sha256": rsa(2048), "ed25519-sha256": ed25519()}


def main() -> None:
    """The table."""
    records = Records(
        {
            f"{name}._domainkey.a.test": f"v=DKIM1; k={name.partition('-')[0]}; p={key.public}"
            for name, key in KEYS.items()
        }
    )
    print(f"{'body':16}{'algorithm':16}{'canonical':18}{'dkimpy ms':>10}{'policyd ms':>11}{'times':>7}")
    for size in bodies():
        for algorithm in KEYS:
            for method in ("relaxed", "simple"):
                row(size, algorithm, method, records)


if __name__ == "__main__":
    main()
