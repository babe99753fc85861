"""Sessions at times of the test's choosing: a live Exim whose clock is a file, and policyd whose clock is a number.

Exim runs as a daemon of its own, on loopback and under libfaketime, which reads
the time from a file at every question. So each command comes at its moment, and
a sequence of a month takes as long as its commands.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from parts.ports import free_port, is_listening, wait_until
from parts.programs import PRIVATE, spawn, stop

from policyd.cli.dialogue import Dialogue
from policyd.conversation import Conversation
from policyd.metrics import NoMetrics
from policyd.policy import Policy
from policyd.resolver.zone import ZoneResolver
from policyd.stores import Store
from policyd.transaction import Client, Services

LIBRARY = "usr/lib/*-linux-gnu/faketime/libfaketime.so.1"
START = 1_700_000_000.0  # seconds since 1970
NEEDED = """\
log_file_path = {here}/%slog
spool_directory = {here}
primary_hostname = mx.example.org
keep_environment = ^FAKETIME : ^LD_ : TZ
local_interfaces = <; [127.0.0.1]:{port}
host_lookup =
tls_advertise_hosts =
hosts_require_helo =
smtp_max_synprot_errors = 1000
smtp_accept_max_nonmail = 1000
"""
CONTENT = "Subject: x\r\n\r\nbody\r\n.\r\n"
QUIT = "QUIT\r\n"


@dataclass(frozen=True)
class Session:
    """One connection of *client*: what it says, each with its time. The first time is that of the connection."""

    client: str
    steps: Sequence[tuple[float, str]]


@dataclass
class Heard:
    """The code of each reply, and each line that the policy logged."""

    codes: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


def faketime() -> Path | None:
    """The library, the host's or the one that `.ci/setup test` unpacked."""
    return next((path for root in (Path("/"), PRIVATE) for path in root.glob(LIBRARY)), None)


class TimedExim:
    """A daemon that runs while the ``with`` block does. *program* and *libraries* as in `Exim`."""

    def __init__(self, program: Path, libraries: str, directory: Path, config: str) -> None:
        self._program, self._here, self._port = program, directory, free_port()
        self._clock, self._log = directory / "clock", directory / "mainlog"
        self._config = directory / "timed.conf"
        self._config.write_text(NEEDED.format(here=directory, port=self._port) + config, encoding="latin-1")
        self._config.chmod(0o644)
        self._environment = os.environ | {
            "LD_LIBRARY_PATH": libraries,
            "LD_PRELOAD": str(faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_FMT": "%s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }

    def __enter__(self) -> Self:
        self._set(START)
        command = [self._program, "-C", self._config, "-bdf"]
        self._process = spawn(command, self._here / "output", self._environment)
        wait_until(lambda: is_listening(("127.0.0.1", self._port)), "Exim")
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)

    def run(self, session: Session) -> Heard:
        """What Exim answers and logs."""
        start = self._log.stat().st_size if self._log.exists() else 0
        heard = Heard()
        (now, _), *steps = session.steps
        self._set(now)
        with socket.create_connection(("127.0.0.1", self._port), 20, (session.client, 0)) as client:
            replies = client.makefile("r", encoding="latin-1", newline="\n")
            heard.codes.append(_code(replies))
            for line in _lines(steps, heard.codes, self._set):
                if not (code := _exchange(client, replies, line)):
                    break
                heard.codes.append(code)
        with self._log.open(encoding="latin-1") as log:
            log.seek(start)
            heard.log = logged(log.read().split("\n"))
        return heard

    def _set(self, now: float) -> None:
        new = self._clock.with_suffix(".new")
        new.write_text(f"{now:.3f}")
        new.chmod(0o644)
        new.replace(self._clock)


def policyd(policy: Policy, store: Store, clock: list[float], session: Session) -> Heard:
    """What policyd answers and logs; *clock* is a list of one number, which the store reads as well."""

    def at(now: float) -> None:
        clock[0] = now

    written: list[str] = []

    class Log:
        def write(self, target: str, text: str) -> None:
            if target == "main":
                written.append(text)

    heard = Heard()
    services = Services(ZoneResolver(), store, NoMetrics(), Log(), clock=lambda: clock[0])
    (now, _), *steps = session.steps
    at(now)
    lines = (
        line.encode("latin-1") for text in _lines(steps, heard.codes, at) for line in text.splitlines(keepends=True)
    )
    talk = Conversation(policy, services)
    Dialogue(
        talk, "mx.example.org", lines, lambda reply: heard.codes.append(reply[:3]) if reply[3:4] != "-" else None
    ).run(Client(ip_address(session.client)))
    heard.log = logged(written)
    return heard


def _lines(steps: Iterable[tuple[float, str]], codes: list[str], at: Callable[[float], None]) -> Iterator[str]:
    """What to send, each at its time; a message only to who wants one."""
    for now, text in steps:
        if text != CONTENT or codes[-1] == "354":
            at(now)
            yield text


def _exchange(client: socket.socket, replies: Iterable[str], line: str) -> str:
    """The code of the reply to *line*; nothing where the connection has ended, as it has for who was refused."""
    try:
        client.sendall(line.encode("latin-1"))
        if line == QUIT:
            client.shutdown(socket.SHUT_WR)  # Exim waits for that up to 0.2 s
        return _code(replies)
    except ConnectionError:
        return ""


def _code(replies: Iterable[str]) -> str:
    """The code of a whole reply; nothing where the connection has ended."""
    return next((line[:3] for line in replies if line[3:4] != "-"), "")


def logged(lines: Iterable[str]) -> list[str]:
    """What the policy has written itself, and what it did wrong."""
    found = (re.search(r"(@[0-9]+\.[0-9]+ .*|error in arguments .*)", line) for line in lines)
    return [match[1] for match in found if match]
