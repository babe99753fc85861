"""What compiled policies cost: ten typical strings and statements, and an ACL of fifty statements.

``PYTHONPATH=tests .venv/bin/python tests/benchmark/language.py`` prints microseconds, the best of several rounds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from policyd import config, words
from policyd.mail.address import Address
from policyd.metrics import NoMetrics
from policyd.policy import Phase, Policy
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Connection, Services, Transaction

STRINGS = (
    "$sender_address",
    "${lc:$sender_address_domain}",
    "${if eq{$sender_address_domain}{example.org}{yes}{no}}",
    "${if and{{def:sender_address}{match{$sender_address}{\\N^news-(.+)@\\N}}}{$1}{none}}",
    "${sg{$sender_address}{@}{ at }}",
    "${extract{2}{@}{$sender_address}}",
    "${map{a:b:c}{<$item>}}",
    "${eval:$rcpt_count*2+1}",
)
STATEMENTS = (
    "deny hosts = 203.0.113.0/24 : 198.51.100.7",
    "deny senders = *@spam.example : ^bounce-[0-9]+@",
)
FIFTY = "".join(
    f"  deny hosts = 203.0.113.{number} : 198.51.100.0/24\n       sender_domains = spam{number}.example\n"
    if number % 2
    else f"  warn condition = ${{if eq{{$sender_address_domain}}{{d{number}.example}}}}\n    set acl_m_x = {number}\n"
    for number in range(49)
)
ROUNDS, EACH = 7, 2000


class Nowhere:
    """A log that keeps nothing."""

    def write(self, target: str, text: str) -> None:
        """Forget the line."""


def policy(text: str) -> Policy:
    """A configuration's policy."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "policy.conf"
        file.write_text(text)
        return config.load(file)


def transaction(settings: Policy) -> Transaction:
    """A RCPT of an ordinary message."""
    services = Services(ZoneResolver(), MemoryStore(), NoMetrics(), Nowhere())
    tx = Transaction(services, settings.settings, Connection(Client(ip_address("192.0.2.1"))), phase=Phase.RCPT)
    tx.sender, tx.recipient, tx.rcpt_count = Address("news-17@example.org"), Address("user@example.net"), 1
    return tx


def row(what: str, run: Callable[[Transaction], object], tx: Transaction) -> None:
    """The time of one call, in the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(EACH):
            run(tx)
        best = min(best, time.perf_counter() - start)
    print(f"{best / EACH * 1e6:8.2f}  {what}")


def main() -> None:
    """Print the table."""
    words.load()
    empty = policy("")
    tx = transaction(empty)
    for string in STRINGS:
        row(string, empty.expansion(string), tx)
    for statement in STATEMENTS:
        row(statement, policy(f"begin acl\nacl_check_rcpt:\n  {statement}\n  accept\n").phases[Phase.RCPT], tx)
    row("an ACL of 50 statements", policy(f"begin acl\nacl_check_rcpt:\n{FIFTY}  accept\n").phases[Phase.RCPT], tx)


if __name__ == "__main__":
    main()
