"""What a loaded configuration is: its phases, settings and compiled ACLs, frozen and swapped as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policyd.errors import Problem
    from policyd.language.frame import Context
    from policyd.language.verdict import Acl, Foresight, Verdict
    from policyd.settings import Settings


class Phase(Flag):
    """The moments of an SMTP session at which an ACL runs. The name is that of the ``acl_smtp_…`` option."""

    __hash__ = object.__hash__  # there is one of each; an enumeration's own would hash its name every time

    CONNECT = auto()
    HELO = auto()
    MAIL = auto()
    RCPT = auto()
    PREDATA = auto()
    DKIM = auto()
    DATA = auto()
    QUIT = auto()
    NOTQUIT = auto()

    @property
    def title(self) -> str:
        """What Exim's log calls the ACL of this phase."""
        return {"CONNECT": "connection", "HELO": "EHLO or HELO"}.get(str(self.name), str(self.name))


CONNECT, HELO, MAIL, RCPT, PREDATA, DKIM, DATA, QUIT, NOTQUIT = Phase
ANY = ~Phase(0)
AFTER_MAIL = Phase.MAIL | Phase.RCPT | Phase.PREDATA | Phase.DKIM | Phase.DATA
"""Exim's "message ACLs": where there is a message to add a header to."""
SENDER_KNOWN = AFTER_MAIL | Phase.NOTQUIT
CAN_DISCARD = Phase.MAIL | Phase.RCPT | Phase.DKIM | Phase.DATA

RunAcl = Callable[["Context"], "Verdict"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A configuration as text, as it was read once.

    *roots* are the configurations in turn, each a sequence of files; *texts* the
    text of every file, included ones too, one character per octet; *faults* what
    kept a file from being read (errno and its text); *macros* what was defined
    before the first line.
    """

    roots: tuple[tuple[str, ...], ...]
    texts: Mapping[str, str]
    faults: Mapping[str, tuple[int, str]]
    macros: Mapping[str, str]

    @property
    def digest(self) -> str:
        """A name for this text, the same in every process."""
        return hashlib.sha256(repr(sorted(self.texts.items())).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled configuration.

    *phases* holds what runs at each phase that has an ACL; *acls* every named
    ACL, for listings. *snapshot* is the text it was compiled from: a worker
    compiles the very same text after a reload. *expansion* compiles a text of
    somebody else's as if it stood at the end of the configuration, macros
    replaced; it raises `PolicyError`. *needs*: what has to be told, kept or done for its
    words (``body``, ``dkim``, ``{auth_author}``, ``dnslist zen.example`` …), and the names of the phases
    whose ACLs can do more than accept. *prefetch*: at the beginning of a
    phase, what will be asked of DNS (a `policyd.resolver.Question` each).
    """

    settings: Settings
    phases: Mapping[Phase, RunAcl]
    acls: Mapping[str, Acl]
    warnings: tuple[Problem, ...]
    snapshot: Snapshot
    expansion: Callable[[str], Callable[[Context], str]]
    needs: frozenset[str] = frozenset()
    prefetch: Mapping[Flag, tuple[Foresight, ...]] = field(default_factory=dict)
