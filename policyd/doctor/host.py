"""What is wrong with the host itself: its resolver, and its clock."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from policyd.doctor.site import Finding, Grade, Site

PUBLIC = {  # resolvers for everybody, which most DNS lists refuse to answer
    "1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "149.112.112.112", "208.67.222.222", "208.67.220.220",
    "2606:4700:4700::1111", "2606:4700:4700::1001", "2001:4860:4860::8888", "2001:4860:4860::8844", "2620:fe::fe",
}  # fmt: skip
CACHE = "install one on this host (unbound) and set DNS_SERVERS = 127.0.0.1 in 00-local.conf"
NAME_SERVER = re.compile(r"nameserver\s+(\S+)", re.ASCII)
UNSYNCHRONIZED = 5  # TIME_ERROR of adjtimex(2)
TIMEX = 1024  # octets, and then some, for its struct


def about_the_host(site: Site, resolv_conf: Path = Path("/etc/resolv.conf")) -> Iterator[Finding]:
    """Whether DNS is asked of a cache nearby, and whether the clock is right."""
    yield from _resolvers(site.settings.dns_servers or _servers(resolv_conf))
    yield from _clock()


def _servers(resolv_conf: Path) -> tuple[str, ...]:
    lines = resolv_conf.read_text("latin-1").splitlines() if resolv_conf.exists() else []
    return tuple(found[1] for found in map(NAME_SERVER.match, lines) if found and _is_address(found[1]))


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _resolvers(servers: tuple[str, ...]) -> Iterator[Finding]:
    public = sorted(PUBLIC.intersection(servers))
    if not servers:
        yield Finding(Grade.BAD, "there is no name server", CACHE)
    elif public:
        text = f"DNS is asked of {', '.join(public)}: DNS lists do not answer resolvers that serve everybody"
        yield Finding(Grade.BAD, text, CACHE)
    elif not ip_address(servers[0]).is_loopback:
        text = f"DNS is asked of {servers[0]}, another host: each question of a message waits for the network"
        yield Finding(Grade.DOUBTFUL, text, CACHE)
    else:
        yield Finding(Grade.GOOD, f"DNS is asked of {servers[0]}, on this host")


def _clock() -> Iterator[Finding]:
    """The kernel knows whether anybody keeps its clock right. Signatures expire, and DNS answers do, by this clock."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX))
    if state == UNSYNCHRONIZED:
        yield Finding(Grade.DOUBTFUL, "nobody keeps the clock right", "install chrony or systemd-timesyncd")
    else:
        yield Finding(Grade.GOOD, "the clock is kept right")
