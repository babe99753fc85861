"""What the language needs from the world while it runs."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from enum import Flag
from typing import Any, Protocol


class Frame:
    """What conditions, items and nested ACLs leave behind for the text after them. New ones are made all the time."""

    value = ""  # $value
    item = ""  # $item
    arguments: tuple[str, ...] = ()  # $acl_arg1 …
    verify_message = ""  # $acl_verify_message
    user_message: str | None = None  # a text for the client that a condition produced
    log_message: str | None = None  # and one for the log
    remarks: tuple[str, ...] = ()  # what conditions have to say to the statement's own log line
    details = False  # whether a deferral shows its message to the client
    acls = 0  # how deep ACLs are nested now
    guarded = False  # an ACL found by a name that was computed: nobody has checked its words for this phase
    matched: str | None = None  # what the last list item that matched left behind
    domain = ""  # $domain while a domain list is expanded, where there is no recipient

    def __init__(self, captures: tuple[str, ...] = ()) -> None:
        self.captures = captures  # $0, $1 …
        self.left: dict[str, str] = {}  # $domain_data … by name; cleared when an ACL ends


Trace = Callable[[tuple[Any, Any]], object]
"""``trace((subject, outcome))``: a `Statement` or a `Step` with what it came to, or a remark and None.

`policyd.language.verdict.shown` makes a line of it.
"""


def both(first: Trace | None, second: Trace | None) -> Trace | None:
    """Each of two who may want to know."""
    if first is None or second is None:
        return first or second
    return lambda event: (first(event), second(event))


class Context(Protocol):
    """The language's view of a transaction."""

    frame: Frame
    deadline: float  # of the phase, time.monotonic()
    dry_run: bool  # what the ACL comes to is only logged and counted
    rehearsals: int  # how many verdicts of statements were only logged and counted

    def rehearse(self, verdict: Any) -> None:
        """End the dry run that a statement has asked for itself; log and count its *verdict*, if it has come to one."""

    @property
    def phase(self) -> Flag:
        """The phase whose ACL runs now."""

    @property
    def trace(self) -> Trace | None:
        """Told every statement and condition with its result, when somebody asked."""

    def variables(self, name: str) -> MutableMapping[str, str]:
        """The scope that holds ``$acl_c…`` or ``$acl_m…`` variable *name*."""

    def log(self, text: str) -> None:
        """A line for the main log."""

    def complain(self, text: str) -> None:
        """A line about the policy itself: what Exim writes to its panic log."""

    def note(self, text: str) -> None:
        """A line for the main log about what the client does, which does not end in a refusal."""

    def warn(self, user_message: str | None, log_message: str | None) -> None:
        """What a ``warn`` statement whose conditions held does with its messages."""

    def read_file(self, path: str) -> str:
        """The text of a file a policy names; the same object until the file changes. Raises `Defer`."""

    def happened(self, name: str, data: str) -> None:
        """Something that a policy may want to be told at once: an event's name, and more about it."""
