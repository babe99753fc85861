"""What a Postfix has been told, from postconf(1): its own reading of main.cf and master.cf, defaults included."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping

from policyd.doctor.site import Milter, Mta, Service
from policyd.durations import seconds
from policyd.server.place import Place

WORDING = {
    "attach": "smtpd_milters = {milter}",
    "first": "name {milter} first in smtpd_milters",
    "action": "milter_default_action = tempfail",
    "protocol": "milter_protocol = 6",
    "command": "milter_command_timeout = {seconds}s",
    "content": "milter_content_timeout = {seconds}s",
    "proxy": "smtpd_upstream_proxy_protocol = haproxy, or postscreen_upstream_proxy_protocol",
}
SERVERS = ("smtpd", "postscreen")
CHROOTED = {"y": True, "n": False}
GROUPED = re.compile(r"\{([^}]*)\}|[^\s,]+")
Parameters = Mapping[str, str]


def postfix(directory: str = "", command: str = "postconf") -> Mta:
    """The Postfix configured in *directory* (empty: where postconf looks). Raises OSError or ValueError."""
    asked = [command, *(["-c", directory] if directory else [])]
    main = _pairs(_printed(*asked, "-x"))
    overrides = _pairs(_printed(*asked, "-x", "-P"))
    services = tuple(_services(_printed(*asked, "-M"), main, overrides))
    return Mta("Postfix", services, WORDING)


def _printed(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, encoding="latin-1", check=False)
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return done.stdout.splitlines()


def _pairs(lines: list[str]) -> dict[str, str]:
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}


def _services(lines: list[str], main: Parameters, overrides: Parameters) -> Iterator[Service]:
    """Every service that speaks SMTP to clients, as it stands in master.cf."""
    for line in lines:
        name, kind, _, _, chroot, _, _, command, *_ = line.split()
        if command not in SERVERS:
            continue
        prefix = f"{name}/{kind}/"
        parameters = {**main, **{k.removeprefix(prefix): v for k, v in overrides.items() if k.startswith(prefix)}}
        yield _service(f"{name}/{kind} ({command})", command, chroot, parameters)


def _service(name: str, command: str, chroot: str, parameters: Parameters) -> Service:
    queue = parameters["queue_directory"]
    confined = CHROOTED.get(chroot, parameters["compatibility_level"] == "0")
    return Service(
        name,
        tuple(_milter(found, parameters) for found in GROUPED.finditer(parameters["smtpd_milters"])),
        parameters["mail_owner"],
        "/" if not confined else queue,
        queue,
        proxied=bool(parameters.get(f"{command}_upstream_proxy_protocol")),
        judging=command == "smtpd",
    )


def _milter(found: re.Match[str], parameters: Parameters) -> Milter:
    """One of smtpd_milters: ``inet:host:port``, or ``{ inet:host:port, default_action=accept }``."""
    endpoint, *own = re.split(r"[\s,]+", (found[1] or found[0]).strip())
    values = {**parameters, **{f"milter_{name}": value for name, value in _pairs(own).items()}}
    return Milter(
        _place(endpoint),
        values["milter_default_action"],
        int(values["milter_protocol"]),
        *(_seconds(values[f"milter_{name}_timeout"]) for name in ("connect", "command", "content")),
    )


def _seconds(text: str) -> float:
    return seconds(f"{text}s" if text.isdigit() else text)


def _place(endpoint: str) -> Place:
    """``unix:path``, or ``inet:host:port``."""
    kind, _, rest = endpoint.partition(":")
    if kind == "unix":
        return Place("unix", path=rest)
    host, _, port = rest.rpartition(":")
    return Place("inet", host=host.strip("[]"), port=int(port) if port.isdigit() else 0)
