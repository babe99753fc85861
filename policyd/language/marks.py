"""Marks that `policyd.language.taint` reads: where client-controlled text comes from, and where it must not go.

They stand above the decorator that registers the word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Run = TypeVar("Run", bound=Callable[..., Any])

CONTROLLED, HARMLESS, SINKS = "_controlled", "_harmless", "_sinks"

FILE_NAME = "a file name"
COMMAND = "a command"
ADDRESS = "the address of a server"
ACL_NAME = "an ACL name"
SECOND_EXPANSION = "a second expansion"
PATTERN = "a list"

REMEDIES = {
    FILE_NAME: "name the file in the policy, and look up {} in it",
    COMMAND: "choose between commands that the policy names, by what {} is",
    ADDRESS: "name the server in the policy",
    ACL_NAME: "choose between ACLs that the policy names, by what {} is",
    SECOND_EXPANSION: "{} has been expanded: use it as it is",
}
"""What to do instead; ``{}`` is the variable."""


def client_controlled(run: Run) -> Run:
    """The variable's text comes from the client, from its message, or from its DNS."""
    setattr(run, CONTROLLED, True)
    return run


def harmless(run: Run) -> Run:
    """Whatever goes in, what comes out cannot be chosen: a number, a digest, a yes or no."""
    setattr(run, HARMLESS, True)
    return run


def keeps_out(what: str, *arguments: int) -> Callable[[Run], Run]:
    """The numbers of the *arguments* (from 0) that become *what*: no text of the client's may be in them."""

    def mark(run: Run) -> Run:
        setattr(run, SINKS, {**getattr(run, SINKS, {}), **dict.fromkeys(arguments, what)})
        return run

    return mark
