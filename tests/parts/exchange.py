"""Policies as text and SMTP sessions against them, without a network: what was said, and what was logged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from policyd import config, words
from policyd.cli.dialogue import Dialogue
from policyd.conversation import Conversation
from policyd.errors import PolicyError, Severity
from policyd.language.verdict import shown
from policyd.metrics import named
from policyd.policy import Policy
from policyd.resolver.zone import ZoneResolver
from policyd.stores import MemoryStore
from policyd.transaction import Client, Services

POLICY = "policy"  # what the file is called in problems and log lines


@dataclass
class Log:
    """Lines with the log they went to: ``main``, ``reject`` or ``panic``."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def write(self, target: str, text: str) -> None:
        self.lines.append((target, text))

    def of(self, target: str) -> list[str]:
        return [text for to, text in self.lines if to == target]


@dataclass
class Counts:
    """What was counted: its name, the values of its labels, and how many unless one; all as in the catalogue."""

    events: list[tuple[str | float, ...]] = field(default_factory=list)

    def count(self, name: str, *labels: str, amount: float = 1) -> None:
        named(name, labels)
        self.events.append((name, *labels, *([] if amount == 1 else [amount])))

    def observe(self, name: str, value: float, *labels: str) -> None:
        named(name, labels)


class World:
    """Services that are all in this process. *zone*: master file text; *failing*: names that DNS cannot answer."""

    def __init__(self, zone: str = "", failing: Iterable[str] = ()) -> None:
        self.log, self.counts, self.slept = Log(), Counts(), list[float]()
        with TemporaryDirectory() as directory:
            file = Path(directory, "zone")
            file.write_text(zone)
            resolver = ZoneResolver([file], failing)
        self.services = Services(resolver, MemoryStore(), self.counts, self.log, sleep=self.slept.append)

    @property
    def logged(self) -> list[str]:
        """The main log."""
        return self.log.of("main")


def load(policy: str) -> Policy:
    """Compile a configuration that is called `POLICY` in whatever is said about it."""
    words.load()
    with TemporaryDirectory() as directory:
        path = Path(directory, POLICY)
        path.write_text(policy, encoding="latin-1")
        snapshot = config.read(path)
    roots = tuple(tuple(_short(name) for name in files) for files in snapshot.roots)
    texts = {_short(name): text for name, text in snapshot.texts.items()}
    return config.compile(type(snapshot)(roots, texts, snapshot.faults, snapshot.macros))


def _short(name: str) -> str:
    return POLICY if name.endswith(f"/{POLICY}") else name


def problems(policy: str, severity: Severity = Severity.ERROR) -> list[str]:
    """What is wrong with a configuration: ``line:column: message | what was expected``."""
    try:
        found: tuple = load(policy).warnings
    except PolicyError as error:
        found = error.problems
    return [
        f"{problem.where.line}:{problem.where.column}: {problem.message}"
        + (f" | {problem.expected}" if problem.expected else "")
        for problem in found
        if problem.severity is severity
    ]


@dataclass
class Exchange:
    """One session: what the client was told, line by line, and the world it left behind."""

    replies: list[str]
    talk: Conversation
    world: World
    trace: list[str]

    @property
    def log(self) -> list[str]:
        """The main log."""
        return self.world.logged


def exchange(
    policy: str,
    *dialogue: str,
    client: str = "192.0.2.1",
    macros: Mapping[str, str] | None = None,
    world: World | None = None,
    traced: bool = True,
    **details: object,
) -> Exchange:
    """A session: each of *dialogue* is one or more lines from *client*. *details* are those of `Client`."""
    world = world or World()
    trace: list[str] = []
    talk = Conversation(load(policy), world.services, (lambda event: trace.append(shown(*event))) if traced else None)
    talk.macros.update(macros or {})
    replies: list[str] = []
    lines = [f"{line}\r\n".encode("latin-1") for text in dialogue for line in text.split("\n")]
    address = ip_address(client) if client else None
    Dialogue(talk, "mx.example.org", lines, replies.append).run(Client(address, **details))  # type: ignore[arg-type]
    return Exchange(replies, talk, world, trace)
