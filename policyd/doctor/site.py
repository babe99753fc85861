"""What is known of an MTA, whichever it is, and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from policyd.server.place import Place
from policyd.settings import Settings


class Grade(Enum):
    """How bad it is. The value is what the report begins with."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "PROBLEM"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report, and under it what to do."""

    grade: Grade
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Milter:
    """A milter as an MTA knows it. Times in seconds; *action*: what becomes of mail when it cannot be reached.

    *exposed*: the directory on the way to its socket that the MTA does not trust, if there is one.
    """

    place: Place
    action: str  # as Postfix says it: accept, reject, tempfail, shutdown or quarantine
    protocol: int = 6
    connect_timeout: float = 30.0
    command_timeout: float = 30.0
    content_timeout: float = 300.0
    exposed: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class Service:
    """A part of the MTA that clients talk to: its *milters* in their order, the *user* that it connects to them as.

    *root*: the directory it is confined to, seen from outside. *home*: where it is, and relative paths begin, likewise.
    *proxied*: whether it expects a PROXY header. *judging*: whether it is
    the one that asks milters.
    """

    name: str
    milters: tuple[Milter, ...]
    user: str
    root: str = "/"
    home: str = "/"
    proxied: bool = False
    judging: bool = True


@dataclass(frozen=True, slots=True)
class Mta:
    """An MTA. *wording*: how its administrator says what, by the names that the checks use."""

    name: str
    services: tuple[Service, ...]
    wording: Mapping[str, str] = field(default_factory=dict)

    def say(self, what: str, **details: object) -> str:
        """The lines for its configuration that mend *what*."""
        return self.wording[what].format_map(details)


@dataclass(frozen=True, slots=True)
class Site:
    """policyd's own options, and the MTA that asks it."""

    settings: Settings
    mta: Mta

    @property
    def place(self) -> Place:
        """Where policyd listens."""
        return Place.parse(self.settings.milter_socket)
