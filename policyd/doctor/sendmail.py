"""What a Sendmail has been told, from its sendmail.cf."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path

from policyd.doctor.site import Milter, Mta, Service
from policyd.durations import seconds
from policyd.server.place import Place

SENDMAIL_CF = "/etc/mail/sendmail.cf"
WORDING = {
    "attach": "INPUT_MAIL_FILTER(`policyd', `S={milter}, F=T, T=S:4m;R:4m;E:10m')dnl",
    "first": "policyd first in INPUT_MAIL_FILTER or confINPUT_MAIL_FILTERS",
    "action": "F=T in its INPUT_MAIL_FILTER",
    "protocol": "Sendmail 8.14 or newer",
    "command": "T=S:{seconds}s;R:{seconds}s in its INPUT_MAIL_FILTER",
    "content": "T=E:{seconds}s in its INPUT_MAIL_FILTER",
    "proxy": "",  # it cannot
}
ACTIONS = {"R": "reject", "T": "tempfail", "4": "shutdown"}
OPTION = re.compile(r"O\s*([A-Za-z.]+)\s*=\s*(.*)")
VERSION = re.compile(r"V[0-9]")
FILTER = re.compile(r"X([^,]+),\s*(.*)")
TIMEOUTS = {"C": 300.0, "S": 10.0, "R": 10.0, "E": 300.0}  # unless T= says otherwise


def sendmail(file: str) -> Mta:
    """The Sendmail that reads *file*. Raises OSError or ValueError."""
    lines = Path(file).read_text("latin-1").splitlines()
    if not any(map(VERSION.match, lines)):
        raise ValueError(f"{file} is not a sendmail.cf: it has no line with its version")
    options = {found[1]: found[2] for found in map(OPTION.fullmatch, lines) if found}
    filters = {found[1].strip(): found[2] for found in map(FILTER.fullmatch, lines) if found}
    names = filter(None, re.split(r"[\s,;]+", options.get("InputMailFilters", "")))
    trusting = frozenset(options.get("DontBlameSendmail", "").lower().replace(",", " ").split())
    milters = tuple(_milter(filters[name], trusting) for name in names if name in filters)
    user = options.get("RunAsUser", "root").partition(":")[0]
    return Mta("Sendmail", (Service("the daemon", milters, user),), WORDING)


def _milter(equates: str, trusting: frozenset[str]) -> Milter:
    """From what follows a filter's name: ``S=inet:port@host, F=T, T=C:5m;S:10s;R:10s;E:5m``."""
    values = {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in equates.split(","))}
    timeouts = {**TIMEOUTS, **_timeouts(values.get("T", ""))}
    place = Place.parse(values.get("S", ""))
    return Milter(
        place,
        ACTIONS.get(values.get("F", ""), "accept"),
        connect_timeout=timeouts["C"],
        command_timeout=min(timeouts["S"], timeouts["R"]),
        content_timeout=timeouts["E"],
        exposed=_exposed(place.path, trusting) if place.path else "",
    )


def _exposed(socket: str, trusting: frozenset[str]) -> str:
    """The directory above a socket, if there is one, because of which Sendmail calls its name unsafe.

    *trusting*: the words of DontBlameSendmail, in lower case.
    """
    writable = stat.S_IWOTH | (0 if "groupwritabledirpathsafe" in trusting else stat.S_IWGRP)
    for directory in filter(Path.is_dir, reversed(Path(socket).parents)):
        mode = directory.stat().st_mode
        if mode & writable and not (mode & stat.S_ISVTX and "truststickybit" in trusting):
            return str(directory)
    return ""


def _timeouts(text: str) -> Mapping[str, float]:
    return {key: seconds(value) for key, _, value in (part.partition(":") for part in text.split(";")) if key}
